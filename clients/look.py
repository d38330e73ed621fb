"""The grid on show: it fades from one key frame's answer to the next. The page's twin is clients/web/look.js."""
import numpy as np

from clients.reassemble import blend_grids

#: Long enough to hide the switch, short enough to follow the scene: a quarter of a second at 30 fps.
FADE_FRAMES = 8


class Look:
    """One stream's state: what the fade starts from, what it ends at, how far it is."""

    def __init__(self) -> None:
        self._from: np.ndarray | None = None
        self._to: np.ndarray | None = None
        self._faded = FADE_FRAMES

    def arrive(self, grid: np.ndarray, *, cut: bool) -> None:
        """Take a new grid; after a cut, or in another shape, it switches at once: the old one is another scene's."""
        shown = self._blended()
        switch = cut or shown is None or shown.shape != grid.shape
        self._from, self._to = (grid if switch else shown), grid
        self._faded = FADE_FRAMES if switch else 0

    def step(self) -> np.ndarray | None:
        """Go on by one displayed frame: the grid to draw it with, None before the first answer."""
        self._faded = min(self._faded + 1, FADE_FRAMES)
        return self._blended()

    def _blended(self) -> np.ndarray | None:
        if self._to is None or self._faded >= FADE_FRAMES:
            return self._to
        return blend_grids(self._from, self._to, self._faded / FADE_FRAMES)
