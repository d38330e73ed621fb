"""Stylizes the key frames of a file with either model, and returns all that the modes of reassembly need of them."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np

from clients.media.clip import upright, upright_luma
from clients.media.colour import planes_to_rgb
from clients.media.geometry import resized
from clients.reassembly.flow import small_luma
from clients.reassembly.grid import IDENTITY, apply_grid, blend_grids
from clients.reassembly.planes import in_codes
from clients.reassembly.residual import fit_grid
from workers.files.key_frames import Marked

if TYPE_CHECKING:
    from edge.grid_model.stylizer import GridStylizer
    from edge.grid_model.temporal_average import StreamState
    from edge.paper_model.stylizer import PaperStylizer


@dataclass(frozen=True)
class Answer:
    """A stylized key frame."""

    frame: av.VideoFrame
    size: tuple[int, int]  # the output's width and height
    grid: np.ndarray  # float16 3 D R C 4, which turns `picture` into `stylized`, exactly or nearly
    luma: np.ndarray  # uint8 h w, small, for the estimation of flow
    drawn: np.ndarray | None = None  # `stylized`, of a model that answers with pixels

    @cached_property
    def cells(self) -> np.ndarray:
        """The grid for the planes of frames like this one, if they have such planes (see `in_codes`)."""
        to_rgb = planes_to_rgb(self.frame)
        assert to_rgb is not None, "it has such planes"
        return in_codes(self.grid, to_rgb)

    @cached_property
    def picture(self) -> np.ndarray:
        """The key frame itself, RGB uint8 H W 3, at the output's size."""
        return resized(upright(self.frame), self.size)

    @cached_property
    def stylized(self) -> np.ndarray:
        """RGB uint8 H W 3."""
        return apply_grid(self.picture, self.grid) if self.drawn is None else self.drawn


class GridAnswers:
    """Stylizes a file's key frames with model grid. It averages over the key frames of a scene to avoid flicker."""

    def __init__(
        self,
        stylizer: "GridStylizer",
        style: np.ndarray,
        *,
        size: tuple[int, int],
        strength: float,
        rate: Fraction,
        mood: float = 1.0,
    ) -> None:
        self._stylizer, self._style = stylizer, stylizer.style(style, mood)
        self._size, self._strength, self._rate = size, strength, rate
        self._state: StreamState | None = None
        self._last = 0

    def __call__(self, key: Marked) -> Answer:
        rgb, state = upright(key.frame), None if key.cut else self._state
        elapsed_s = float((key.index - self._last) / self._rate)
        grid, self._state = self._stylizer.follow(rgb, self._style, state, elapsed_s=elapsed_s)
        self._last = key.index
        grid = blend_grids(IDENTITY, grid, self._strength)
        return Answer(key.frame, self._size, grid, small_luma(upright_luma(key.frame)))


class PaperAnswers:
    """Stylizes a file's key frames with model paper. It returns pixels, so a grid is fitted to them."""

    def __init__(self, stylizer: "PaperStylizer", style: np.ndarray, *, size: tuple[int, int], strength: float) -> None:
        self._stylizer, self._style = stylizer, stylizer.style(style)
        self._size, self._strength = size, strength

    def __call__(self, key: Marked) -> Answer:
        rgb = upright(key.frame)
        picture, painted = resized(rgb, self._size), self._stylizer.stylize(rgb, self._style, size=self._size)
        stylized = cv2.addWeighted(painted, self._strength, picture, 1 - self._strength, 0)
        luma = small_luma(upright_luma(key.frame))
        return Answer(key.frame, self._size, fit_grid(picture, stylized), luma, drawn=stylized)
