"""Encodes and decodes pictures that our own processes write; other people's pictures go through pipeline.pictures."""

import cv2
import numpy as np

from pipeline.contract.errors import BadImage


def encode_jpeg(rgb: np.ndarray, quality: int = 90) -> bytes:
    """Return the JPEG of an RGB uint8 picture, H W 3."""
    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done, "OpenCV encodes every RGB uint8 picture"
    return data.tobytes()


def decode_image(data: bytes) -> np.ndarray:
    """Decode a picture that one of our processes wrote to RGB uint8 H W 3; raises BadImage if it is damaged.

    This is fast and has no limits. Pictures of strangers go through `pipeline.pictures.decode_client`.
    """
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if bgr is None:
        raise BadImage("The picture's bytes are damaged.")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
