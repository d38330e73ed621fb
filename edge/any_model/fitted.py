"""Makes any model one that answers with a grid: the grid is fitted to what the model answers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from edge.grid_model.grid import CELL, DEPTH, slice_grid
from edge.grid_model.stylizer import PREVIEW_LONG_SIDE, GridStylizer, default_device, to_tensor
from edge.grid_model.weights import SHIPPED, load
from edge.stylizer import Stylizer, find

#: The longer side of the picture that is shown to a model, about as large as the one that the fit is made of.
LONG_SIDE_PX = 256
#: The same for a preview, of which many are drawn at once.
PREVIEW_SIDE_PX = 128


class Mixture(NamedTuple):
    """A look between those of two styles."""

    first: Any
    second: Any
    share: float  # of the second, 0..1


class FittedStylizer(GridStylizer):
    """Has the interface of model `grid`, and the colours of another one, at any resolution and rate of frames.

    The other model answers with a picture or a grid. From its answer to a small key frame the normal equations are
    collected, which are averaged over time and solved as those of model `grid` are.
    """

    def __init__(self, inner: Stylizer, device: str | None = None) -> None:
        super().__init__(load(SHIPPED)[0], inner.model_version, device or default_device())
        self.inner = inner

    def style(self, image: np.ndarray, mood: float = 1.0) -> Any:
        """The inner model's statistics of a style picture (RGB uint8 H W 3). All of its mood is taken."""
        return self.inner.style(reduced(image))

    @torch.inference_mode()
    def equations(self, content: np.ndarray, style: Any) -> Tensor:
        """The normal equations, 1 4 7 D R C, of what the inner model answers. Raises ValueError for a wrong answer."""
        return self._fit(self.prepare(content), reduced(content), style)

    @torch.inference_mode()
    def previews(self, content: np.ndarray, styles: Sequence[Any]) -> np.ndarray:
        """The coarse grids (float16 N 3 D R C 4) that show a picture (RGB uint8 H W 3) in each of these styles.

        The inner model draws small pictures for them, one after the other.
        """
        small, shown = self.prepare(content, PREVIEW_LONG_SIDE), reduced(content, PREVIEW_SIDE_PX)
        return self._finished(
            self.model.smoothing.solve(torch.cat([self._fit(small, shown, style) for style in styles]))
        )

    def in_mood(self, style: Any, mood: float) -> Any:
        """The same style: another model's statistics have no mood, so all of it is taken."""
        return style

    def mixed(self, first: Any, second: Any, share: float) -> Any:
        """What stands for the look between two styles: nothing is known of their statistics, so both are drawn."""
        return Mixture(first, second, share)

    def _fit(self, small: Tensor, shown: np.ndarray, style: Any) -> Tensor:
        """The normal equations, 1 4 7 D R C, from the picture `small` (1 3 H W) to the answer to the one shown."""
        if isinstance(style, Mixture):  # normal equations are linear in the picture that is fitted to
            first, second = (self._fit(small, shown, each) for each in (style.first, style.second))
            return torch.lerp(first, second, style.share)
        answer, _ = self.inner.follow(shown, style, None, elapsed_s=0.0)
        rows, columns = (round(side / CELL) for side in small.shape[2:])
        return self.model.smoothing.collect(small, self._picture(answer, small), DEPTH, rows, columns)

    def equations_of_each(self, contents: Sequence[np.ndarray], styles: Sequence[Any]) -> Sequence[Tensor]:
        """The equations of several key frames, one after the other: the inner model may take one at a time only."""
        return [self.equations(content, style) for content, style in zip(contents, styles, strict=True)]

    def _picture(self, answer: np.ndarray, small: Tensor) -> Tensor:
        """An answer as a picture of the size of `small`, both 1 3 H W in 0..1."""
        if answer.ndim == 5 and answer.shape[0] == 3 and answer.shape[4] == 4:
            grid = torch.from_numpy(answer.astype(np.float32)).to(self.device)[None]
            return slice_grid(grid, small).clamp(0, 1)
        pixels = to_tensor(answer, self.device).float()
        return F.interpolate(pixels, size=small.shape[2:], mode="bilinear", antialias=True) / 255


def reduced(picture: np.ndarray, long_side_px: int = LONG_SIDE_PX) -> np.ndarray:
    """A picture (RGB uint8 H W 3), with at most so many pixels along its longer side."""
    scale = long_side_px / max(picture.shape[:2])
    if scale >= 1:
        return picture
    size = [max(1, round(side * scale)) for side in picture.shape[:2]]
    small = F.interpolate(to_tensor(picture, "cpu").float(), size=size, mode="bilinear", antialias=True)
    return small[0].round().byte().permute(1, 2, 0).contiguous().numpy()


def grid_stylizer(argument: str) -> GridStylizer:
    """Model `grid`, with the weights in a file or the shipped ones. It is an entry point of `edge.stylizer.GROUP`."""
    return GridStylizer.load(Path(argument) if argument else None)


def load_named(name: str) -> GridStylizer:
    """The stylizer that `NAME` or `NAME:ARGUMENT` means, with the interface of model `grid`.

    Raises ValueError with a sentence if it cannot be loaded.
    """
    found = find(name)
    return found if isinstance(found, GridStylizer) else FittedStylizer(found)
