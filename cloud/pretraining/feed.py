"""Chooses and prepares the photos of each training step.

They depend on the seed and the step alone, so that a resumed run goes on as if it had not been interrupted.
"""

import random
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from cloud.pretraining.photos import Photos, random_crop, random_grade, random_motion
from edge.training.losses import STYLE_LAYERS, style_moments
from edge.training.step import Batch
from edge.vgg.vgg import VGG

#: Sides of the training pictures, in pixels: squares for the distillation, and 3:2, like photos, for the rest.
SQUARE, HEIGHT, WIDTH = 128, 128, 192
#: The smallest crop, as a share of the largest possible side.
SMALLEST_SQUARE, SMALLEST_CROP = 0.5, 0.6
#: The number of photos whose style moments are remembered, at 3.5 KB each.
REMEMBERED = 20_000


class Feed:
    """Makes batches of photos, and remembers the teacher's style moments of each photo."""

    def __init__(self, photos: Photos, vgg: VGG, seed: int, device: str) -> None:
        self.photos, self.vgg, self.seed, self.device = photos, vgg, seed, device
        self.moments = lru_cache(REMEMBERED)(self._moments)

    def squares(self, name: str, count: int) -> Tensor:
        """Random square crops of `count` photos, B 3 SQUARE SQUARE; the seed and `name` decide which."""
        rng = random.Random(f"{self.seed} squares {name}")
        photos = [self.photos.read(rng.randrange(len(self.photos))) for _ in range(count)]
        return self.to_device([random_crop(photo, SQUARE, SQUARE, SMALLEST_SQUARE, rng) for photo in photos])

    def batch(self, name: str, count: int) -> Batch:
        """A batch of `count` pairs, chosen by the seed and `name`.

        Half of them pair different photos; the others pair two crops of one photo, of which the style is graded.
        """
        rng, half = random.Random(f"{self.seed} batch {name}"), count // 2
        contents, styles = (rng.choices(range(len(self.photos)), k=k) for k in (count, half))
        photos = [self.photos.read(number) for number in contents]
        crops = [random_crop(photo, HEIGHT, WIDTH, SMALLEST_CROP, rng) for photo in photos]
        others = [random_crop(photo, HEIGHT, WIDTH, SMALLEST_CROP, rng) for photo in photos[half:]]
        truth, graded = zip(
            *(random_grade(torch.stack(two), rng) for two in zip(crops[half:], others, strict=True)), strict=True
        )
        wholes = [self.photos.centre_crop(number, HEIGHT, WIDTH) for number in styles]
        return Batch(
            content=self.to_device(crops),
            style=self.to_device([*wholes, *graded]),
            own=self.style_of(contents[:half]),
            wanted=self.style_of(styles),
            truth=self.to_device(truth),
            motion=random_motion(rng).to(self.device),
        )

    def style_of(self, numbers: list[int]) -> list[Tensor]:
        """The style moments of photos, by their numbers: B 2C per layer."""
        return [torch.cat(layer).to(self.device) for layer in zip(*map(self.moments, numbers), strict=True)]

    @torch.no_grad()
    def _moments(self, number: int) -> list[Tensor]:
        image = self.to_device([self.photos.centre_crop(number, HEIGHT, WIDTH)])
        return [moments.cpu() for moments in style_moments(self.vgg(image, STYLE_LAYERS).values())]

    def to_device(self, images: Sequence[Tensor]) -> Tensor:
        return torch.stack(tuple(images)).to(self.device, memory_format=torch.channels_last)
