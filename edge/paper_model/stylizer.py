"""The interface of model `paper`: from a picture and a style to the stylized picture, at any size."""

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from edge.grid_model.stylizer import faster_type, to_tensor
from edge.paper_model.model import PaperModel, network_side
from edge.paper_model.weights import SHIPPED, load
from edge.vgg.vgg import VGG

#: Long side of the network's input, in pixels, unless a factor is given. The times in the paper's Table 1 suggest a
#: fixed input: they are a constant plus a time per pixel of the output.
LONG_SIDE = 512
#: The most pixels of an output and of the network's input: with more, the feature maps take gigabytes.
MAX_PIXELS, MAX_NETWORK_PIXELS = 4096 * 4096, 2048 * 2048


class PaperStylizer:
    """The counterpart of `edge.grid_model.stylizer.GridStylizer` that answers with pixels instead of a grid."""

    def __init__(self, model: PaperModel, model_version: str, device: str) -> None:
        self.device, self.model_version = device, model_version
        self.model = model.to(device).to(memory_format=torch.channels_last)
        dtype = faster_type(device)
        self.model.encoder.to(dtype)
        self.model.decoder.to(dtype)

    @classmethod
    def load(cls, weights: Path | None = None, vgg: Path | None = None, device: str | None = None) -> "PaperStylizer":
        """A stylizer with these weights (default: the shipped ones) and the VGG-19 that they were trained with.

        Without a `vgg` file, torchvision's weights are downloaded. Raises ValueError if the two do not fit together.
        """
        return cls(*load(weights or SHIPPED, VGG(vgg)), device or ("cuda" if torch.cuda.is_available() else "cpu"))

    @torch.inference_mode()
    def style(self, image: np.ndarray, *, long_side: int = LONG_SIDE) -> Tensor:
        """The features of a style picture (RGB uint8 H W 3).

        `long_side`, in pixels, should be that of the network's input for the content.
        """
        pixels = to_tensor(image, self.device)
        height, width = pixels.shape[2:]
        return self.model.encode(reduced(pixels, height, width, max(height, width) / long_side))

    @torch.inference_mode()
    def stylize(
        self, content: np.ndarray, style: Tensor, *, size: tuple[int, int] | None = None, factor: float | None = None
    ) -> np.ndarray:
        """Stylize a picture (RGB uint8 H W 3). Returns RGB uint8 of `size` (width, height), by default the content's.

        `factor` is the paper's r: the network draws at size / r, in steps of 8 pixels. By default it draws at LONG_SIDE
        pixels on the long side, or at the size itself if that is smaller. Raises ValueError for a size or factor that
        is out of range.
        """
        pixels = to_tensor(content, self.device)
        width, height = size or content.shape[1::-1]
        if min(width, height) < 1 or width * height > MAX_PIXELS:
            raise ValueError(f"a picture must have 1 to {MAX_PIXELS} pixels, not {width}x{height}")
        factor = max(1, max(height, width) / LONG_SIDE) if factor is None else factor
        small = reduced(pixels, height, width, factor)
        picture = self.model(small, style, height, width)[0]
        return (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()

    def follow(
        self, picture: np.ndarray, statistics: Tensor, state: None, *, elapsed_s: float
    ) -> tuple[np.ndarray, None]:
        """Stylize a key frame at its own size. It remembers nothing."""
        return self.stylize(picture, statistics), None

    def warm_up(self) -> None:
        """Run once, so that the first picture does not pay for what is set up lazily."""
        image = np.zeros((64, 64, 3), np.uint8)
        self.stylize(image, self.style(image))


def paper_stylizer(argument: str) -> PaperStylizer:
    """Model `paper` with the VGG-19 of a file: an entry point of `edge.stylizer.GROUP`.

    Raises ValueError if there is none. Without a file, 575 MB would be downloaded that do not fit the shipped weights.
    """
    if not argument:
        raise ValueError("the shipped weights of model paper go with the original VGG-19: name its file, paper:FILE")
    return PaperStylizer.load(vgg=Path(argument))


def reduced(pixels: Tensor, height: int, width: int, factor: float) -> Tensor:
    """The network's input (in 0..1) for an output of height x width, which is larger by `factor`.

    Raises ValueError if the factor is not positive, or if the input would be too large.
    """
    if not 0 < factor < math.inf:
        raise ValueError(f"the factor r must be a number above 0, not {factor}")
    if height * width > MAX_NETWORK_PIXELS * factor * factor:
        raise ValueError(f"the factor r = {factor} is too small for a picture of {width}x{height}")
    size = network_side(height, factor), network_side(width, factor)
    small = F.interpolate(pixels.float(), size, mode="bilinear", antialias=True)
    return (small / 255).contiguous(memory_format=torch.channels_last)
