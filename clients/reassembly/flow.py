"""Optical flow: where each place of a frame was in a key frame. The page's twin is clients/web/flow/flow.js."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from clients.reassembly.bilinear import sample
from clients.reassembly.jit import compiled

#: Longer side, in pixels, of the small pictures between which flow is estimated.
FLOW_SIDE = 256
#: Their shorter side is at least this long. An 8x8 patch must fit into a quarter of it, or OpenCV 5.0 reads past its
#: end.
MIN_SIDE = 32
#: Lucas-Kanade follows one point for each square of this side, in pixels.
POINT_GAP = 8
#: How far the border of the area that the key frame shows is softened, in pixels of the small pictures.
EDGE_SIGMA = 1.5
#: How `lookup_flow` is shrunk and smoothed. A grid's cell is 16 pixels of the small pictures, so that changes of flow
#: within half a cell are only jitter.
LOOKUP_SHRINK, LOOKUP_SIGMA = 4, 2.0
#: Sweeps of variational refinement. OpenCV's default of five matches no better than two (the errors after warping are
#: 11.8 and 11.7 of 255), and the other three take 0.2 of 0.8 ms.
REFINEMENTS = 2

#: (now, key, start) -> flow, such that now(x) ~ key(x + flow(x)). The pictures are uint8 h w; the flow, and the `start`
#: from which it is searched, are float32 h w 2, in pixels.
Estimate = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class Dis:
    """OpenCV's dense inverse search (Kroeger 2016). Two threads must not call it at the same time."""

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._dis.setVariationalRefinementIterations(REFINEMENTS)

    def __call__(self, now: np.ndarray, key: np.ndarray, start: np.ndarray) -> np.ndarray:
        # A start of the right size is always given: without one, OpenCV 5.0 reads the last call's, even past its end.
        return self._dis.calc(now, key, start.copy())


def lucas_kanade(now: np.ndarray, key: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The paper's estimator: points on a lattice are followed through a pyramid; between them flow is interpolated."""
    height, width = now.shape
    y, x = np.mgrid[POINT_GAP // 2 : height : POINT_GAP, POINT_GAP // 2 : width : POINT_GAP]
    points = np.stack((x, y), -1).astype(np.float32)
    guess = points + start[y, x]
    found, known, _ = cv2.calcOpticalFlowPyrLK(
        now,
        key,
        points.reshape(-1, 1, 2),
        guess.reshape(-1, 1, 2),
        winSize=(15, 15),
        maxLevel=3,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    known = known.reshape(x.shape).astype(np.float32) + 1e-3  # a lost point takes its neighbours' flow
    moved = (found.reshape(points.shape) - points) * known[..., None]
    return cv2.resize(_blurred(moved, 1) / _blurred(known, 1)[..., None], (width, height))


def no_flow(now: np.ndarray, key: np.ndarray, start: np.ndarray) -> np.ndarray:
    """A flow that is zero everywhere, as if nothing moved."""
    return np.zeros_like(start)


ESTIMATORS: dict[str, Callable[[], Estimate]] = {"dis": Dis, "lk": lambda: lucas_kanade, "none": lambda: no_flow}


@dataclass(frozen=True)
class Flow:
    """The flow between a frame and a key frame, in both directions: float32 h w 2, in pixels of the small pictures."""

    to_key: np.ndarray
    from_key: np.ndarray

    @property
    def normalized_flow(self) -> np.ndarray:
        """The flow as a texture, float32 h w 3: dx and dy as shares of width and height, and the validity.

        A frame's place (u, v), 0..1, was at (u + dx, v + dy) in the key frame, clamped at the edges. The validity is 1
        where the key frame shows the place, and 0 where it does not.
        """
        normalized_flow = self._confirmed.copy()
        normalized_flow[..., 2] = _blurred(normalized_flow[..., 2], EDGE_SIGMA)
        return normalized_flow

    @property
    def lookup_flow(self) -> np.ndarray:
        """`normalized_flow` at a quarter of its size, and as smooth as the grid that is sampled along it."""
        normalized_flow = _weighted(self._confirmed)
        size = [max(1, side // LOOKUP_SHRINK) for side in normalized_flow.shape[1::-1]]
        normalized_flow = _blurred(cv2.resize(normalized_flow, size, interpolation=cv2.INTER_AREA), LOOKUP_SIGMA)
        normalized_flow[..., :2] /= normalized_flow[..., 2:] + 1e-6
        return normalized_flow

    @cached_property
    def _confirmed(self) -> np.ndarray:
        return _confirmed(self.to_key, self.from_key)


def flow_between(now: np.ndarray, key: np.ndarray, estimate: Estimate, near: Flow | None = None) -> Flow:
    """The flow between two small pictures (see `small_luma`) of one shape.

    The search begins at `near`, for instance the flow of the frame before.
    """
    still = np.zeros((*now.shape, 2), np.float32)
    to_key, from_key = (near.to_key, near.from_key) if near else (still, still)
    return Flow(estimate(now, key, to_key), estimate(key, now, from_key))


def small_luma(luma: np.ndarray) -> np.ndarray:
    """A picture's luma (uint8 H W), scaled to the size at which flow is estimated."""
    height, width = luma.shape
    scale = FLOW_SIDE / max(height, width)
    size = [max(MIN_SIDE, round(side * scale)) for side in (width, height)]
    while max(luma.shape) > 3 * FLOW_SIDE and min(luma.shape) > 3 * MIN_SIDE:  # halving costs least
        luma = cv2.resize(luma, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return cv2.resize(luma, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def _blurred(values: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)


@compiled
def _weighted(normalized_flow: np.ndarray) -> np.ndarray:
    """The flow times its validity. NumPy would need half as long for this as the flow itself takes."""
    weighted = np.empty_like(normalized_flow)
    for y in range(normalized_flow.shape[0]):
        for x in range(normalized_flow.shape[1]):
            share = normalized_flow[y, x, 2]
            weighted[y, x, 0], weighted[y, x, 1] = normalized_flow[y, x, 0] * share, normalized_flow[y, x, 1] * share
            weighted[y, x, 2] = share
    return weighted


@compiled
def _confirmed(to_key: np.ndarray, from_key: np.ndarray) -> np.ndarray:
    """The normalized flow, valid where the flow there and back ends where it began (Sundaram 2010, Ruder 2016)."""
    height, width = to_key.shape[:2]
    normalized_flow = np.empty((height, width, 3), np.float32)
    for y in range(height):
        for x in range(width):
            dx, dy = to_key[y, x, 0], to_key[y, x, 1]
            v, u = (y + dy + 0.5) / height, (x + dx + 0.5) / width
            from_x, from_y = sample(from_key, v, u, 0), sample(from_key, v, u, 1)
            gap = (dx + from_x) ** 2 + (dy + from_y) ** 2
            length = dx**2 + dy**2 + from_x**2 + from_y**2
            normalized_flow[y, x, 0], normalized_flow[y, x, 1] = dx / width, dy / height
            normalized_flow[y, x, 2] = 1.0 if gap <= 0.01 * length + 0.5 else 0.0
    return normalized_flow
