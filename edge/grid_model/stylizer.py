"""The interface of model `grid`: from a picture and a style to a bilateral grid of colour transforms."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from edge.grid_model.colorization import StyleStatistics, in_one_batch, mixed
from edge.grid_model.encoder import STRIDES
from edge.grid_model.grid import CELL, LONG_SIDE, cells
from edge.grid_model.model import GridModel
from edge.grid_model.temporal_average import StreamState, remember
from edge.grid_model.weights import SHIPPED, load, parse

#: How many key frames are drawn in one batch at most. On a core, two together take a fifth less time than one after the
#: other, and larger batches gain little: 13.0, 10.5 and 10.2 ms each for one, two and four. Nobody has measured a GPU;
#: its number is a guess.
CPU_BATCH, GPU_BATCH = 2, 8
#: Cells along the long side of previews' grids. Half of the usual number takes a quarter of the time, and comes within
#: 28.6 dB of the full look in a thumbnail; looks themselves are 15 dB away from the picture.
PREVIEW_LONG_SIDE = 8
#: Coefficients are clipped to this. On photos they stay below 5.
LARGEST = 64.0
#: Rows of a picture per row of the network's input that are read at least: of a picture with twice as many, every
#: second row is read, and so on.
ENOUGH = 4
#: glibc keeps freed memory for the next key frame only in blocks below the largest one that it has seen freed, up to
#: 32 MiB. Without that, every run maps its memory anew: 1,400 page faults, 4 of 26 ms.
LARGEST_KEPT_BYTES = 31 << 20


class GridStylizer:
    """Holds the weights and nothing else: the caller keeps styles' statistics and streams' states."""

    def __init__(self, model: GridModel, model_version: str, device: str) -> None:
        self.device, self.model_version = device, model_version
        dtype = faster_type(device)
        self.model = model.to(device).to(memory_format=torch.channels_last)
        self.model.encoder.to(dtype)
        for level in self.model.colorization:
            level.gate.to(dtype)
        self.model.decoder.to(dtype)

    @classmethod
    def load(cls, weights: Path | None = None, device: str | None = None) -> "GridStylizer":
        """A stylizer with these weights (default: the shipped ones) on this device (default: the GPU, if there is one).

        Raises ValueError if the file holds no weights of this model.
        """
        return cls(*load(weights or SHIPPED), device or default_device())

    @classmethod
    def parse(cls, file: bytes, device: str | None = None) -> "GridStylizer":
        """A stylizer from the bytes of a safetensors file. Raises ValueError if they are not weights of this model."""
        return cls(*parse(file), device or default_device())

    @torch.inference_mode()
    def style(self, image: np.ndarray, mood: float = 1.0) -> StyleStatistics:
        """The statistics of a style picture (RGB uint8 H W 3). Keep them: they cost as much as a key frame.

        Of the `mood`, 0 takes only the grade that the picture seems to have, and 1 all of its statistics; to change it
        later costs nothing (`with_mood`). Raises ValueError outside of 0..1.
        """
        return self.model.style(self.prepare(image)).with_mood(mood)

    def in_mood(self, style: StyleStatistics, mood: float) -> StyleStatistics:
        """The same style with another share of its mood. Raises ValueError outside of 0..1."""
        return style.with_mood(mood)

    def mixed(self, first: StyleStatistics, second: StyleStatistics, share: float) -> StyleStatistics:
        """The statistics of a look between two styles; `share` (0..1) is the second's."""
        return mixed(first, second, share)

    def stylize(self, content: np.ndarray, style: StyleStatistics) -> np.ndarray:
        """The grid (float16 3 D R C 4) that gives a single picture (RGB uint8 H W 3) the style, at any resolution."""
        return self.follow(content, style, None, elapsed_s=0)[0]

    def global_look(self, content: np.ndarray, style: StyleStatistics) -> np.ndarray:
        """The grid of a single place (float16 3 D 1 1 4): the part of the look that is the same everywhere.

        It is fitted to the pixels of all places together, which is what a LUT can hold. On 30 photos it comes within
        29.0 dB of the full look; the plain mean of the finished grid's places comes within 26.2 dB.
        """
        whole = self.equations(content, style).mean((4, 5), keepdim=True)
        return self.settle(whole, None, elapsed_s=0)[0]

    def follow(
        self, content: np.ndarray, style: StyleStatistics, state: StreamState | None, *, elapsed_s: float
    ) -> tuple[np.ndarray, StreamState]:
        """The grid of a stream's next key frame, and the state to pass with the one after: `equations` and `settle`."""
        return self.settle(self.equations(content, style), state, elapsed_s=elapsed_s)

    @torch.inference_mode()
    def equations(self, content: np.ndarray, style: StyleStatistics) -> Tensor:
        """A key frame's own normal equations, 1 4 7 D R C: most of the work, for which no stream's state is needed."""
        return self.model.equations(self.prepare(content), style)

    @torch.inference_mode()
    def equations_of_each(self, contents: Sequence[np.ndarray], styles: Sequence[StyleStatistics]) -> Sequence[Tensor]:
        """The equations of several key frames of one `network_size`, computed in one batch; their styles may differ."""
        pictures = torch.cat([self.prepare(content) for content in contents])
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        return self.model.equations(pictures, in_one_batch(styles)).split(1)

    @torch.inference_mode()
    def settle(
        self, equations: Tensor, state: StreamState | None, *, elapsed_s: float, lead_s: float = 0.0
    ) -> tuple[np.ndarray, StreamState]:
        """The grid (float16 3 D R C 4) of a stream's next key frame, and the state to pass with the one after.

        `elapsed_s` is the time since the key frame before. `state` is None for a new stream, scene or style. The grid
        is the one that the stream will have `lead_s` after the key frame if the picture stays as it is. Raises
        ValueError if the grid is not finite: a stream that remembered such equations would never recover.
        """
        state = remember(state, equations, elapsed_s)
        grid = self.model.smoothing.solve(remember(state, equations, lead_s).average)
        return self._finished(grid)[0], state

    @torch.inference_mode()
    def previews(self, content: np.ndarray, styles: Sequence[StyleStatistics]) -> np.ndarray:
        """The coarse grids (float16 N 3 D R C 4) that show a picture (RGB uint8 H W 3) in each of these styles.

        The picture is encoded once, and all styles are drawn in one batch. Raises ValueError if a grid is not finite.
        """
        picture = self.prepare(content, PREVIEW_LONG_SIDE)
        return self._finished(self.model.smoothing.solve(self.model.equations(picture, in_one_batch(styles))))

    def warm_up(self) -> None:
        """Run once, so that the first key frame does not pay for what is set up lazily."""
        np.empty(LARGEST_KEPT_BYTES, np.uint8)  # allocated and freed at once: see LARGEST_KEPT_BYTES
        image = np.zeros((144, 256, 3), np.uint8)
        self.stylize(image, self.style(image))

    @staticmethod
    def _finished(grids: Tensor) -> np.ndarray:
        """Grids, clipped and in half precision; raises ValueError unless they are finite."""
        if not grids.isfinite().all():
            raise ValueError("the model gives no finite grid for this picture; its weights may be broken")
        return np.ascontiguousarray(grids.clamp(-LARGEST, LARGEST).half().cpu().numpy())

    def prepare(self, image: np.ndarray, long_side: int = LONG_SIDE) -> Tensor:
        """The network's input for a picture, 1 3 H W in 0..1, with about CELL x CELL pixels per cell of the grid."""
        pixels = to_tensor(image, self.device)
        size = network_size(image.shape[0], image.shape[1], long_side)
        pixels = pixels[:, :, :: max(1, image.shape[0] // (ENOUGH * size[0]))]
        small = F.interpolate(pixels, size=size, mode="bilinear", antialias=True)
        return (small / 255).contiguous(memory_format=torch.channels_last)


def network_size(height: int, width: int, long_side: int = LONG_SIDE) -> tuple[int, int]:
    """Height and width of the network's input for a picture; pictures of different sizes may have the same."""
    shape = cells(height, width, long_side)
    rows, columns = (max(2, round(n * CELL / STRIDES[-1])) * STRIDES[-1] for n in shape)
    return rows, columns


def batch_size(device: str) -> int:
    """How many waiting key frames a worker should draw in one batch; see CPU_BATCH."""
    return CPU_BATCH if device == "cpu" else GPU_BATCH


def to_tensor(image: np.ndarray, device: str) -> Tensor:
    """A picture (RGB uint8 H W 3) as a tensor 1 3 H W, still uint8. Raises ValueError for any other array."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError("a picture must be an RGB uint8 array of shape H W 3")
    if not image.size:
        raise ValueError("a picture must have at least one pixel")
    plain = image.flags.carray and min(image.strides) > 0  # as torch takes it; copying a 4K picture costs 3 ms
    return torch.from_numpy(image if plain else image.copy()).to(device).permute(2, 0, 1)[None]


def default_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def faster_type(device: str) -> torch.dtype:
    """bfloat16 if the hardware multiplies it, else float32: emulated bfloat16 is several times slower."""
    return min((torch.float32, torch.bfloat16), key=lambda dtype: convolution_s(device, dtype))


@torch.inference_mode()
def convolution_s(device: str, dtype: torch.dtype) -> float:
    """The shortest time, in seconds, of five runs of a convolution like the model's."""
    layer = torch.nn.Conv2d(32, 32, 3).to(device, dtype).to(memory_format=torch.channels_last)
    x = torch.zeros(1, 32, 74, 130, device=device, dtype=dtype).to(memory_format=torch.channels_last)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        layer(x).sum().item()
        times.append(time.perf_counter() - start)
    return min(times)
