"""Our own pictures between bytes and RGB arrays; other people's go through pipeline.pictures."""

import cv2
import numpy as np

from pipeline.contract.errors import BadImage


def encode_jpeg(rgb: np.ndarray, quality: int = 90) -> bytes:
    """JPEG bytes of an RGB uint8 picture, H W 3."""
    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done, "OpenCV encodes every RGB uint8 picture"
    return data.tobytes()


def decode_image(data: bytes) -> np.ndarray:
    """RGB uint8 H W 3 of bytes that one of our processes wrote; BadImage if they are damaged.

    Fast and without limits: a stranger's go through `pipeline.pictures.decode_client`.
    """
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if bgr is None:
        raise BadImage("The picture's bytes are damaged.")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
