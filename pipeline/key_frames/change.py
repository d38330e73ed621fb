"""What a stream's next key frame is worth, foretold from thumbnails alone. Pure, and some microseconds for a frame.

The edge answers with the grid of a stream's average over the last seconds, so an old answer is wrong by as much as that
average has moved since. The average of the mean colours of the grid's cells moves with it. Over 0.1 to 3 seconds of
nine clips, how far it moves has a rank correlation of 0.96 with what an old grid loses (1 - MS-SSIM); that of the
colours themselves has 0.73, the share of pixels in cells that the key frame left empty 0.73, and the time alone 0.49.
"""

import math

import cv2
import numpy as np

from pipeline.key_frames.thumbnail import CELL_PX, FrameThumbnail

#: Time constant of what the edge remembers of a stream: `MEMORY_S` of `edge.grid_model.temporal_average`.
MEMORY_S = 12.0
#: What a key frame must be worth, in levels (of 256) times the square root of seconds. docs/results.md has the curve:
#: with this, the mean MS-SSIM of nine clips is that of a key frame every half second whose answer is not made ahead.
WORTH = 1.2
#: A live answer comes on show about this much after its key frame, and the longest time by which it is made ahead:
#: nobody can tell whether the picture stays as it is for longer.
ANSWER_S, LONGEST_LEAD_S = 0.1, 0.4


def lead_s(elapsed_s: float) -> float:
    """Return for how long after its key frame an answer should be right, `elapsed_s` after the key frame before.

    That is the middle of the time for which it will be on show, should the next interval be as long as the last one.
    """
    return min(ANSWER_S + elapsed_s / 2, LONGEST_LEAD_S)


def mean_colours(thumbnail: FrameThumbnail) -> np.ndarray:
    """Return the mean Y, U and V of the grid's cells, float32 [3, rows, columns]; small motion hardly changes them."""
    height, width = thumbnail.luma.shape
    size = max(1, round(width / CELL_PX)), max(1, round(height / CELL_PX))
    planes = thumbnail.luma, thumbnail.u, thumbnail.v
    return np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in planes], dtype=np.float32)


def remembered(before: np.ndarray | None, now: np.ndarray, elapsed_s: float) -> np.ndarray:
    """Return the moving average `elapsed_s` later; it begins with the first picture and with one of another shape."""
    if before is None or before.shape != now.shape:
        return now
    return now + np.float32(math.exp(-elapsed_s / MEMORY_S)) * (before - now)


def worth(answer: np.ndarray, now: np.ndarray, waited_s: float) -> float:
    """Return what a key frame is worth: how far the average is from the answer on show, and how long that has lasted.

    The distance is the root mean square over cells of the difference in Y, U and V. It is multiplied with the square
    root of the time: of two streams that are equally far, the one that moves slower keeps its new answer for longer.
    """
    if answer.shape != now.shape:
        return math.inf
    return math.sqrt(cv2.norm(answer, now, cv2.NORM_L2SQR) / answer[0].size * waited_s)
