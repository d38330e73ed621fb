"""The training of the grade: photos under grades that are known, each beside another photo under the same grade."""

import logging
import random
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from cloud.pretraining.loop import cosine
from cloud.pretraining.photos import Photos, random_grade
from edge.colour_maps.grade import Grade, description
from edge.colour_maps.quadratic import recoloured
from edge.grid_model.model import GridModel, fitted

logger = logging.getLogger(__name__)

#: Sides of the photos, in pixels; how many are kept in memory at most; and among how many of these a style is chosen.
HEIGHT, WIDTH, MOST_PHOTOS, CHOICE = 168, 224, 2000, 600
#: Pixels of each content by which a grade is judged.
JUDGED = (24, 32)
#: Each pair is seen this many times.
EPOCHS, BATCH, RATE, WEIGHT_DECAY = 40, 64, 1e-3, 1e-3
#: Added to the mean squared error before its logarithm is taken, which is what PSNR measures.
LEAST_ERROR = 1e-3
#: The share of the photos whose pairs are not trained on, but tell how well unknown photos are graded.
HELD = 0.1


class GradedPairs(NamedTuple):
    """Contents and styles under one grade each; the styles are the photos that look most like the contents."""

    photo: Tensor  # N: which photo is the content
    content: Tensor  # N DESCRIPTION
    style: Tensor  # N DESCRIPTION
    colours: Tensor  # N 3 H W: pixels of the content
    truth: Tensor  # the same under the grade

    def at(self, which: Tensor) -> "GradedPairs":
        return GradedPairs(*(part[which] for part in self))


@torch.no_grad()
def graded_pairs(photos: Photos, model: GridModel, count: int, rng: random.Random) -> GradedPairs:
    """Make `count` pairs, in batches of BATCH."""
    chosen = rng.sample(range(len(photos)), min(len(photos), MOST_PHOTOS))
    pictures = (
        torch.stack([photos.centre_crop(index, HEIGHT, WIDTH) for index in tqdm(chosen, "photos")]).mul(255).byte()
    )
    alike = likeness(pictures, model)
    batches = range(0, count, BATCH)
    made = [graded_batch(pictures, alike, min(BATCH, count - done), rng) for done in tqdm(batches, "graded pairs")]
    return GradedPairs(*map(torch.cat, zip(*made, strict=True)))


def likeness(pictures: Tensor, model: GridModel) -> Tensor:
    """How alike photos are (N 3 H W uint8), whatever their colours: N N."""
    seen = [F.normalize(model.places(as_seen(batch)).seen.flatten(1), dim=1) for batch in pictures.split(BATCH)]
    found = torch.cat(seen)
    return (found @ found.mT).fill_diagonal_(-1)


def graded_batch(pictures: Tensor, alike: Tensor, count: int, rng: random.Random) -> GradedPairs:
    contents = rng.choices(range(len(pictures)), k=count)
    content = as_seen(pictures[contents])
    colours = F.interpolate(content, size=JUDGED, mode="nearest")
    styles, truths = [], []
    for number, own in zip(contents, colours, strict=True):
        choice = rng.sample(range(len(pictures)), min(len(pictures), CHOICE))
        style = as_seen(pictures[choice[int(alike[number, choice].argmax())]][None])
        state = rng.getstate()
        styles.append(random_grade(style, rng))
        rng.setstate(state)
        truths.append(random_grade(own[None], rng))
    style = torch.cat(styles)
    return GradedPairs(
        torch.tensor(contents), description(fitted(content)), description(fitted(style)), colours, torch.cat(truths)
    )


def as_seen(pictures: Tensor) -> Tensor:
    return pictures.float() / 255


def teach(grade: Grade, pairs: GradedPairs, seed: int, epochs: int = EPOCHS) -> float:
    """Train the grade on the pairs; returns the PSNR, in dB, on those of held photos, or of all if none is held."""
    torch.manual_seed(seed)
    held = pairs.photo < HELD * pairs.photo.max()
    known, unknown = (pairs.at(which) if which.any() else pairs for which in (~held, held))
    both = torch.cat((known.content, known.style), 1)
    grade.mean.copy_(both.mean(0))
    grade.deviation.copy_(both.std(0) + 1e-3)
    optimizer = torch.optim.AdamW(grade.requires_grad_(True).train().parameters(), RATE, weight_decay=WEIGHT_DECAY)
    for epoch in tqdm(range(epochs), "grade"):
        for group in optimizer.param_groups:
            group["lr"] = RATE * cosine(epoch / epochs)
        for which in torch.randperm(len(known.photo)).split(BATCH):
            optimizer.zero_grad()
            (errors(grade, known.at(which)) + LEAST_ERROR).log().mean().backward()
            optimizer.step()
    grade.eval()
    with torch.no_grad():
        psnr = -10 * errors(grade, unknown).log10().mean().item()
    logger.info("grade: %.2f dB on photos that were not trained on", psnr)
    return psnr


def errors(grade: Grade, pairs: GradedPairs) -> Tensor:
    """The mean squared error of each pair."""
    seen = recoloured(pairs.colours, grade(pairs.content, pairs.style))
    return (seen - pairs.truth).square().mean((1, 2, 3))
