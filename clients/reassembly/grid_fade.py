"""Decides with which grid each frame is drawn: it follows the motion, and fades from one answer to the next.

The page's twin is clients/web/render/grid_fade.js.
"""

import numpy as np

from clients.reassembly.grid import STILL, blend_grids, carry_grid

#: Length of a fade: long enough to hide the switch, short enough to follow the scene; a quarter of a second at 30 fps.
FADE_FRAMES = 8


class GridFade:
    """One stream's state: what was shown last, the newest answer, and how far the fade between them has gone."""

    def __init__(self) -> None:
        self._from: np.ndarray | None = None
        self._to: np.ndarray | None = None
        self._shown: np.ndarray | None = None
        self._faded = FADE_FRAMES

    def arrive(self, grid: np.ndarray, *, cut: bool) -> None:
        """Take a new grid. There is no fade after a cut, or from a grid of another shape, which is another scene's."""
        fades = not cut and self._shown is not None and self._to is not None and self._to.shape == grid.shape
        self._from, self._to = self._shown, grid
        self._faded = 0 if fades else FADE_FRAMES

    def step(self, normalized_flow: np.ndarray = STILL) -> np.ndarray | None:
        """Go on by one displayed frame. Returns the grid to draw it with, or None before the first answer.

        `normalized_flow` leads from the frame to the key frame of the newest answer. The grid that fades out does not
        move any more.
        """
        self._faded = min(self._faded + 1, FADE_FRAMES)
        if self._to is None:
            return None
        shown = carry_grid(self._to, normalized_flow)
        if self._from is not None and self._faded < FADE_FRAMES:
            shown = blend_grids(self._from, shown, self._faded / FADE_FRAMES)
        self._shown = shown
        return shown
