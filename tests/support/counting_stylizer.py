"""A stylizer that takes no time."""

import numpy as np

from pipeline.contract.image_codec import encode_jpeg

PICTURE = encode_jpeg(np.zeros((32, 48, 3), np.uint8))


class Counter:
    """A stylizer whose state counts a stream's key frames."""

    def __init__(self, model_version: str = "counter") -> None:
        self.model_version = model_version
        self.states: list[int] = []
        self.styles = 0

    def style(self, image: np.ndarray) -> None:
        self.styles += 1

    def follow(self, content: np.ndarray, style: None, state: int | None, *, elapsed_s: float):
        self.states.append((state or 0) + 1)
        return np.zeros((3, 1, 1, 1, 4), np.float16), self.states[-1]
