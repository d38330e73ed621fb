import numpy as np
import pytest
from PIL import Image

from pipeline.contract.errors import BadImage
from pipeline.contract.image_codec import decode_image, encode_jpeg
from pipeline.pictures.own_file import read_picture
from support.pictures.bombs import encoded


def test_our_own_jpeg_comes_back_within_its_quality():
    smooth = np.linspace(0, 255, 60 * 80 * 3).reshape(60, 80, 3).astype(np.uint8)

    back = decode_image(encode_jpeg(smooth))

    assert back.shape == (60, 80, 3) and back.dtype == np.uint8
    assert np.abs(back.astype(int) - smooth).mean() < 3


def test_higher_quality_takes_more_bytes():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)

    assert len(encode_jpeg(noise, quality=95)) > len(encode_jpeg(noise, quality=50))


@pytest.mark.parametrize("data", [b"", b"no picture", b"\xff\xd8\xff\xe0"])
def test_our_own_bytes_may_be_damaged(data: bytes):
    with pytest.raises(BadImage):
        decode_image(data)


def test_own_picture_keeps_its_size():
    picture = read_picture(encoded(Image.new("RGB", (1500, 1201), "blue"), "PNG"))

    assert picture.shape == (1201, 1500, 3) and picture.dtype == np.uint8
