import cv2
import numpy as np
import pytest

from pipeline import framestamp


def test_every_id_survives_stamping_and_reading():
    for frame_id in range(65536):
        assert framestamp.read(framestamp.strip(frame_id, 64)) == frame_id


@pytest.mark.parametrize("width", [33, 128, 320, 639, 640, 1920])
@pytest.mark.parametrize("scale", [1.0, 0.5, 0.25])
def test_ids_survive_any_width_and_downscaling(width, scale):
    if width * scale < 64:
        pytest.skip("two pixels a block is the least a scaler leaves readable")
    for frame_id in (0, 1, 255, 32767, 43690, 65535):
        strip = framestamp.strip(frame_id, width)
        small = cv2.resize(strip, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)

        assert framestamp.read(small) == frame_id


def test_noise_is_refused_or_very_rarely_read():
    rng = np.random.default_rng(0)
    read = [framestamp.read(rng.integers(0, 256, (16, 320), np.uint8)) for _ in range(2000)]

    assert read.count(None) >= 1995


def test_one_flipped_block_is_never_another_id():
    """A frame whose check fails is dropped, never mis-numbered."""
    for frame_id in range(0, 65536, 977):
        for block in range(2, 26):
            strip = framestamp.strip(frame_id, 320)
            strip[:, block * 10 : (block + 1) * 10] = 254 - strip[:, block * 10 : (block + 1) * 10]

            assert framestamp.read(strip) is None


def test_stamp_leaves_the_picture_alone():
    picture = np.random.default_rng(1).integers(0, 256, (36, 64, 3), np.uint8)

    stamped = framestamp.stamp(picture, 7)

    assert stamped.shape == (36 + framestamp.STRIP_ROWS, 64, 3)
    assert np.array_equal(stamped[:36], picture)


@pytest.mark.parametrize("shape", [(0, 320), (16, 31), (1, 0)])
def test_pictures_too_small_for_a_strip_have_no_id(shape):
    assert framestamp.read(np.zeros(shape, np.uint8)) is None


def test_the_strip_is_found_in_a_scaled_frame():
    assert framestamp.strip_rows(376, 360) == 16
    assert framestamp.strip_rows(188, 360) == 8
    assert framestamp.strip_rows(94, 360) == 4
