"""Thumbnails of simple pictures."""

import numpy as np

from pipeline.key_frames.thumbnail import FrameThumbnail

#: Two pictures of one room, one of a brighter room, and the first one in other colours.
ROOM = np.tile(np.linspace(40, 120, 160).astype(np.uint8), (90, 1))
VISITOR = ROOM.copy()
VISITOR[20:80, 40:80] = 220
BRIGHT = 255 - ROOM


def thumbnail(y: np.ndarray, u: int = 128, v: int = 128) -> FrameThumbnail:
    chroma = [np.full((y.shape[0] // 2, y.shape[1] // 2), level, np.uint8) for level in (u, v)]
    return FrameThumbnail.at(y, *chroma)


STILL, ENTERED, OTHER, RECOLOURED = thumbnail(ROOM), thumbnail(VISITOR), thumbnail(BRIGHT), thumbnail(ROOM, 90, 170)
