"""Photos as training data: crops, intra frames, and grades whose right answer is known."""

import math
import random
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.contract.errors import BadImage
from pipeline.pictures.own_file import read_picture

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".avif"}
#: Training pictures are a good deal smaller than this, in pixels.
LONG_SIDE = 512


class Photos:
    """The photos of a folder, in the order of their names, read when asked for."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not self.paths:
            raise ValueError(f"{folder} holds no photos (jpg, png, webp or avif)")

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int) -> Tensor:
        """3 H W in 0..1, upright sRGB; large photos come smaller. Raises ValueError for a file that is no picture."""
        try:
            return torch.from_numpy(read_picture(self.paths[index].read_bytes(), LONG_SIDE)).permute(2, 0, 1) / 255
        except (OSError, BadImage) as error:
            raise ValueError(f"{self.paths[index]} cannot be read as a picture: {error}") from error

    def whole(self, index: int, height: int, width: int) -> Tensor:
        """The largest centred crop of that shape, resized."""
        photo = self.read(index)
        crop_height, crop_width = largest(photo, height, width)
        top, left = (photo.shape[1] - crop_height) // 2, (photo.shape[2] - crop_width) // 2
        return resize(photo[:, top : top + crop_height, left : left + crop_width], height, width)


def random_crop(photo: Tensor, height: int, width: int, smallest: float, rng: random.Random) -> Tensor:
    """A crop of `smallest`..1 of the largest possible side, mirrored half of the time, resized to height x width."""
    scale = rng.uniform(smallest, 1)
    crop_height, crop_width = (max(1, round(side * scale)) for side in largest(photo, height, width))
    top, left = rng.randint(0, photo.shape[1] - crop_height), rng.randint(0, photo.shape[2] - crop_width)
    crop = resize(photo[:, top : top + crop_height, left : left + crop_width], height, width)
    return crop.flip(2) if rng.random() < 0.5 else crop


def random_grade(images: Tensor, rng: random.Random) -> Tensor:
    """What a colourist might do to B 3 H W: gamma, contrast, gains, a cast, hues, saturation; the same for all."""

    def normal(spread: float, *shape: int) -> Tensor:
        return torch.tensor([rng.gauss(0, spread) for _ in range(math.prod(shape))]).view(shape)

    x = images.clamp(1e-4, 1) ** (normal(0.35, 1, 1, 1) + normal(0.12, 3, 1, 1)).exp()
    x = x + rng.uniform(-0.6, 0.6) * (x * x * (3 - 2 * x) - x)  # an S curve, or its opposite
    x = x * normal(0.15, 3, 1, 1).exp() + normal(0.05, 3, 1, 1)
    grey = x.mean(1, keepdim=True)
    hues = torch.einsum("ij,bjhw->bihw", torch.eye(3) + normal(0.1, 3, 3), x - grey)
    return (grey + rng.uniform(0.2, 1.7) * hues).clamp(0, 1)


def random_motion(rng: random.Random) -> Tensor:
    """What a hand does to a camera between two pictures: a zoom, turn and shift, 1 2 3 as F.affine_grid takes it."""
    zoom, turn = rng.uniform(0.85, 1), rng.gauss(0, 0.03)
    across, down = (rng.uniform(zoom - 1, 1 - zoom) for _ in range(2))
    return torch.tensor(
        [
            [
                [zoom * math.cos(turn), -zoom * math.sin(turn), across],
                [zoom * math.sin(turn), zoom * math.cos(turn), down],
            ]
        ]
    )


def largest(photo: Tensor, height: int, width: int) -> tuple[int, int]:
    """Sides of the largest crop of a photo that has the shape of height x width."""
    scale = min(photo.shape[1] / height, photo.shape[2] / width)
    return max(1, int(height * scale)), max(1, int(width * scale))


def resize(photo: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(photo[None], size=(height, width), mode="bilinear", antialias=True)[0].clamp(0, 1)
