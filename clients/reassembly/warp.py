"""The paper's interpolation: a stylized key frame's pixels, moved along the flow."""

import cv2
import numpy as np


def warp(picture: np.ndarray, normalized_flow: np.ndarray) -> np.ndarray:
    """Eq. 1: sample the picture (H W C) bilinearly at the places to which normalized_flow (float32 h w 3) leads.

    The flow may be of any size. Places beyond an edge take the edge's pixels. Places that the picture does not show
    come out wrong, as in the paper.
    """
    height, width = picture.shape[:2]
    moved: np.ndarray = np.asarray(cv2.resize(normalized_flow[..., :2], (width, height))) * np.array(
        [width, height], np.float32
    )
    moved[..., 0] += np.arange(width, dtype=np.float32)
    moved[..., 1] += np.arange(height, dtype=np.float32)[:, None]
    return cv2.remap(picture, moved[..., 0], moved[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
