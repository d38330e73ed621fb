import cv2
import numpy as np
import pytest

from pipeline.contract import frame_strip


def test_every_id_survives_stamping_and_reading():
    for frame_id in range(65536):
        assert frame_strip.read(frame_strip.strip(frame_id, 64)) == frame_id


@pytest.mark.parametrize("width", [33, 128, 320, 639, 640, 1920])
@pytest.mark.parametrize("scale", [1.0, 0.5, 0.25])
def test_ids_survive_any_width_and_downscaling(width, scale):
    if width * scale < 64:
        pytest.skip("two pixels a block is the least a scaler leaves readable")
    for frame_id in (0, 1, 255, 32767, 43690, 65535):
        strip = frame_strip.strip(frame_id, width)
        small = cv2.resize(strip, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)

        assert frame_strip.read(small) == frame_id


def test_noise_is_refused_or_very_rarely_read():
    rng = np.random.default_rng(0)
    read = [frame_strip.read(rng.integers(0, 256, (16, 320), np.uint8)) for _ in range(2000)]

    assert read.count(None) >= 1995


def test_one_flipped_block_is_never_another_id():
    """A frame whose check fails is dropped, and never gets a wrong number."""
    for frame_id in range(0, 65536, 977):
        for block in range(2, 26):
            strip = frame_strip.strip(frame_id, 320)
            strip[:, block * 10 : (block + 1) * 10] = 254 - strip[:, block * 10 : (block + 1) * 10]

            assert frame_strip.read(strip) is None


@pytest.mark.parametrize("level", [85, 127, 165])
def test_a_block_that_is_neither_dark_nor_bright_is_no_bit(level):
    strip = frame_strip.strip(1234, 320)
    strip[:, 40:50] = level

    assert frame_strip.read(strip) is None


def believed(*frame_ids: int) -> list[bool]:
    ids = frame_strip.MonotonicIdFilter()
    return [ids.accept(frame_id) for frame_id in frame_ids]


def test_ids_that_go_forward_are_believed_across_the_wrap_and_over_gaps():
    assert believed(65_534, 65_535, 0, 1, 31, 600) == [True] * 6


def test_a_strip_that_stands_still_or_goes_back_is_an_old_one():
    assert believed(10, 10, 9, 2, 11) == [True, False, False, False, True]


def test_a_single_wrong_id_is_not_believed_and_changes_nothing():
    assert believed(10, 40_000, 11, 12) == [True, False, True, True]


def test_a_wrong_id_that_was_believed_is_outvoted():
    assert believed(40_000, 11, 12, 13, 14) == [True, False, False, True, True]


def test_stamp_leaves_the_picture_alone():
    picture = np.random.default_rng(1).integers(0, 256, (36, 64, 3), np.uint8)

    stamped = frame_strip.stamp(picture, 7)

    assert stamped.shape == (36 + frame_strip.STRIP_ROWS, 64, 3)
    assert np.array_equal(stamped[:36], picture)


@pytest.mark.parametrize("shape", [(0, 320), (16, 31), (1, 0)])
def test_pictures_too_small_for_a_strip_have_no_id(shape):
    assert frame_strip.read(np.zeros(shape, np.uint8)) is None


def test_the_strip_is_found_in_a_scaled_frame():
    assert frame_strip.strip_rows(376, 360) == 16
    assert frame_strip.strip_rows(188, 360) == 8
    assert frame_strip.strip_rows(94, 360) == 4
