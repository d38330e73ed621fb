"""Reads the planes of decoded frames, and converts frames that several threads may share."""

from threading import Lock

import av
import numpy as np

#: PyAV's frames keep their converters, and are changed while they are converted: two threads that converted the same
#: frame at the same time would crash the process.
_converting = Lock()


def planes(frame: av.VideoFrame) -> list[np.ndarray]:
    """Return uint8 [H, W] views of the planes Y, U and V of a planar 8-bit frame."""
    return [
        np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in frame.planes
    ]


def converted(frame: av.VideoFrame, pixel_format: str, **options: int | None) -> av.VideoFrame:
    """Return a frame in another pixel format, or the frame itself if it has this one. Any thread may call this.

    `options` are those of PyAV's VideoFrame.reformat.
    """
    with _converting:
        return frame.reformat(format=pixel_format, **options)
