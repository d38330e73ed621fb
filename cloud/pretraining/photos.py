"""Photos as training data: crops, whole pictures, and random gradings and camera motions."""

import math
import random
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.contract.errors import BadImage
from pipeline.pictures.own_file import read_picture

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".avif"}
#: Photos are reduced to this long side, in pixels. Training pictures are a good deal smaller.
LONG_SIDE = 512


class Photos:
    """The photos in a folder, in the order of their names. Each is read from disk whenever it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not self.paths:
            raise ValueError(f"{folder} holds no photos (jpg, png, webp or avif)")

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int) -> Tensor:
        """A photo as 3 H W in 0..1, upright, in sRGB, and at most LONG_SIDE long.

        Raises ValueError for a file that is no picture.
        """
        try:
            return torch.from_numpy(read_picture(self.paths[index].read_bytes(), LONG_SIDE)).permute(2, 0, 1) / 255
        except (OSError, BadImage) as error:
            raise ValueError(f"{self.paths[index]} cannot be read as a picture: {error}") from error

    def centre_crop(self, index: int, height: int, width: int) -> Tensor:
        """A photo's largest centred crop of that shape, resized to 3 height width."""
        photo = self.read(index)
        crop_height, crop_width = largest(photo, height, width)
        top, left = (photo.shape[1] - crop_height) // 2, (photo.shape[2] - crop_width) // 2
        return resize(photo[:, top : top + crop_height, left : left + crop_width], height, width)


def random_crop(photo: Tensor, height: int, width: int, smallest: float, rng: random.Random) -> Tensor:
    """A random crop of a photo (3 H W), resized to 3 height width, and mirrored half of the time.

    Its sides are between `smallest` and 1 times the largest possible ones.
    """
    scale = rng.uniform(smallest, 1)
    crop_height, crop_width = (max(1, round(side * scale)) for side in largest(photo, height, width))
    top, left = rng.randint(0, photo.shape[1] - crop_height), rng.randint(0, photo.shape[2] - crop_width)
    crop = resize(photo[:, top : top + crop_height, left : left + crop_width], height, width)
    return crop.flip(2) if rng.random() < 0.5 else crop


def random_grade(images: Tensor, rng: random.Random) -> Tensor:
    """Grade B 3 H W as a colourist might, all alike: gamma, contrast, gains, a cast, hues, and saturation."""

    def normal(spread: float, *shape: int) -> Tensor:
        return torch.tensor([rng.gauss(0, spread) for _ in range(math.prod(shape))]).view(shape)

    x = images.clamp(1e-4, 1) ** (normal(0.35, 1, 1, 1) + normal(0.12, 3, 1, 1)).exp()
    x = x + rng.uniform(-0.6, 0.6) * (x * x * (3 - 2 * x) - x)  # an S curve, or its opposite
    x = x * normal(0.15, 3, 1, 1).exp() + normal(0.05, 3, 1, 1)
    grey = x.mean(1, keepdim=True)
    hues = torch.einsum("ij,bjhw->bihw", torch.eye(3) + normal(0.1, 3, 3), x - grey)
    return (grey + rng.uniform(0.2, 1.7) * hues).clamp(0, 1)


def random_motion(rng: random.Random) -> Tensor:
    """A small zoom, turn and shift, as of a camera in a hand: 1 2 3, for F.affine_grid."""
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
    """Height and width of a photo's largest crop that has the shape of height x width."""
    scale = min(photo.shape[1] / height, photo.shape[2] / width)
    return max(1, int(height * scale)), max(1, int(width * scale))


def resize(photo: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(photo[None], size=(height, width), mode="bilinear", antialias=True)[0].clamp(0, 1)
