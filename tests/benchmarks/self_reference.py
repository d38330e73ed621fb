"""Recolouring with a known answer: uv run python tests/benchmarks/self_reference.py PHOTOS [--protocol own ...]

A protocol says which content and style are made of the photos, and what the right answer is:
  own         two overlapping crops of one photo; the style is one of them under a random grade, and the truth is the
              other under the same grade
  halves      the same with the two halves of a photo, which have no pixel in common
  neighbours  the style is another photo, the one of --pool that looks most like the content, under the grade
  canon       two crops of a tenth to a third of the photo, as far apart as can be; the content is one of them with its
              colours disturbed a little, the style the other as it is, and the truth the undisturbed crop (CanonCGT's)
Prints the PSNR to the truth, in dB, of the untouched content and of each method: means and deviations, the
Monge-Kantorovich linear map (MKL), the model, the model at half strength and with half and none of the mood, and the
oracle, which is the model's own fit of the truth. Figures of different protocols are not comparable. The last line is
JSON.
"""

import argparse
import json
import os
import random
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import torch
import torch.nn.functional as F
from judge import psnr
from torch import Tensor
from tqdm import tqdm

from clients.reassembly.grid import apply_grid
from cloud.pretraining.photos import Photos, random_crop, random_grade, resize
from edge.grid_model.colorization import normalized, regions
from edge.grid_model.grid import luma
from edge.grid_model.stylizer import GridStylizer
from support.pictures.recolouring import mean_deviation, monge_kantorovich, oracle_grid

#: Crops are at least this share of the largest possible one's side, as in training.
SMALLEST = 0.6
HEIGHT, WIDTH = 288, 384
#: CanonCGT's crops: the share of the photo's area.
CANON_AREA = (0.10, 0.36)
#: Sides of the pictures by which neighbours are found.
SKETCH = 96


class Known(NamedTuple):
    """A content, a style, and the content's right answer; all are RGB uint8 H W 3."""

    content: np.ndarray
    style: np.ndarray
    truth: np.ndarray


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    stylizer, photos, result = GridStylizer.load(args.weights), Photos(args.photos), {}
    print(f"{'':12} {'':22} {'mean':>6} {'median':>7} {'10 %':>6} {'least':>6}")
    for protocol in args.protocol:
        scores = defaultdict(list)
        known = PROTOCOLS[protocol](photos, stylizer, random.Random(args.seed), args)
        for case in tqdm(known, desc=protocol, total=args.count, leave=False):
            for method, output in outputs(case, stylizer).items():
                scores[method].append(psnr(output, case.truth))
        result[protocol] = {method: summary(db) for method, db in scores.items()}
        for method, row in result[protocol].items():
            numbers = f"{row['mean']:6.1f} {row['median']:7.1f} {row['tenth']:6.1f} {row['least']:6.1f}"
            print(f"{protocol:12} {method:22} {numbers}", flush=True)
    print(json.dumps({"photos": args.count, "model": stylizer.model_version, "psnr_db": result}))


def outputs(case: Known, stylizer: GridStylizer) -> dict[str, np.ndarray]:
    """What each method makes of the content."""
    style = stylizer.style(case.style)
    grid, half, grade = (stylizer.stylize(case.content, style.with_mood(mood)) for mood in (1, 0.5, 0))
    return {
        "untouched": case.content,
        "mean and deviation": mean_deviation(case.content, case.style),
        "MKL": monge_kantorovich(case.content, case.style),
        "model": apply_grid(case.content, grid),
        "model, half strength": apply_grid(case.content, grid, strength=0.5),
        "model, half the mood": apply_grid(case.content, half),
        "model, no mood": apply_grid(case.content, grade),
        "oracle": oracle_grid(case.content, case.truth, stylizer.model.smoothing),
    }


def own(photos: Photos, _: GridStylizer, rng: random.Random, args: argparse.Namespace) -> Iterator[Known]:
    for index in chosen(photos, args.count, rng):
        photo = photos.read(index)
        content, other = (random_crop(photo, HEIGHT, WIDTH, SMALLEST, rng) for _ in range(2))
        yield graded(content, other, rng)


def halves(photos: Photos, _: GridStylizer, rng: random.Random, args: argparse.Namespace) -> Iterator[Known]:
    for index in chosen(photos, args.count, rng):
        content, other = photos.read(index).tensor_split(2, dim=rng.choice((1, 2)))
        yield graded(content, other, rng)


def neighbours(photos: Photos, stylizer: GridStylizer, rng: random.Random, args: argparse.Namespace) -> Iterator[Known]:
    pool = chosen(photos, max(args.pool, args.count), rng)
    sketches = torch.stack([sketch(photos.read(index), stylizer) for index in tqdm(pool, desc="pool", leave=False)])
    likeness = (sketches @ sketches.mT).fill_diagonal_(-1)
    for content, style in zip(pool[: args.count], likeness.argmax(1).tolist(), strict=False):
        yield graded(*(photos.centre_crop(index, HEIGHT, WIDTH) for index in (content, pool[style])), rng)


def canon(photos: Photos, _: GridStylizer, rng: random.Random, args: argparse.Namespace) -> Iterator[Known]:
    for index in chosen(photos, args.count, rng):
        truth, style = distant_crops(photos.read(index), rng)
        yield Known(to_rgb(disturbed(truth, rng)), to_rgb(style), to_rgb(truth))


PROTOCOLS: dict[str, Callable[..., Iterator[Known]]] = {
    "own": own,
    "halves": halves,
    "neighbours": neighbours,
    "canon": canon,
}


def chosen(photos: Photos, count: int, rng: random.Random) -> list[int]:
    return rng.sample(range(len(photos)), min(count, len(photos)))


def graded(content: Tensor, other: Tensor, rng: random.Random) -> Known:
    """The content (3 H W), with the other picture as its style; style and truth are under one random grade."""
    state = rng.getstate()
    style = random_grade(other[None], rng)[0]
    rng.setstate(state)
    truth = random_grade(content[None], rng)[0]
    return Known(to_rgb(content), to_rgb(style), to_rgb(truth))


@torch.inference_mode()
def sketch(photo: Tensor, stylizer: GridStylizer) -> Tensor:
    """A photo (3 H W) as a unit vector: what the encoder sees where, with colours brought to mean 0 and deviation 1."""
    small = resize(photo, SKETCH, SKETCH)
    deviation, mean = torch.std_mean(small, (1, 2), keepdim=True)
    plain = (0.5 + 0.2 * (small - mean) / (deviation + 0.03)).clamp(0, 1)
    return F.normalize(
        normalized(regions(stylizer.model.encoder(plain[None].to(stylizer.device))[-1])).flatten(), dim=0
    )


def distant_crops(photo: Tensor, rng: random.Random) -> list[Tensor]:
    """Two crops of 3 H W, from opposite corners or at most half a photo away from them; they seldom overlap."""
    right, down, crops = rng.random() < 0.5, rng.random() < 0.5, []
    for turn in (False, True):
        side = rng.uniform(*CANON_AREA) ** 0.5
        height, width = (round(side * n) for n in photo.shape[1:])
        top, left = (rng.randint(0, (n - m) // 4) for n, m in zip(photo.shape[1:], (height, width), strict=True))
        top = photo.shape[1] - height - top if down != turn else top
        left = photo.shape[2] - width - left if right != turn else left
        crops.append(photo[:, top : top + height, left : left + width])
    return crops


def disturbed(image: Tensor, rng: random.Random) -> Tensor:
    """Brightness, contrast and saturation of 3 H W changed by a tenth to two fifths, and hue by up to a twentieth."""

    def factor() -> float:
        return 1 + rng.choice((-1, 1)) * rng.uniform(0.1, 0.4)

    x = (image * factor()).clamp(0, 1)
    mean = luma(x[None]).mean()
    x = (mean + factor() * (x - mean)).clamp(0, 1)
    grey = luma(x[None])
    x = (grey + factor() * (x - grey)).clamp(0, 1)
    return turned(x, rng.choice((-1, 1)) * rng.uniform(0.01, 0.05)).clamp(0, 1)


def turned(image: Tensor, turns: float) -> Tensor:
    """The hues of 3 H W turned about the grey axis; 1 is once around."""
    angle = torch.tensor(2 * torch.pi * turns)
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / 3**0.5
    rotation = torch.eye(3) + angle.sin() * cross + (1 - angle.cos()) * cross @ cross
    return torch.einsum("ij,jhw->ihw", rotation, image)


def to_rgb(image: Tensor) -> np.ndarray:
    return (image.permute(1, 2, 0) * 255).round().byte().contiguous().numpy()


def summary(db: list[float]) -> dict[str, float]:
    return {
        "mean": float(np.mean(db)),
        "median": float(np.median(db)),
        "tenth": float(np.quantile(db, 0.1)),
        "least": min(db),
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--protocol", nargs="+", choices=PROTOCOLS, default=["own"])
    parser.add_argument("--count", type=int, default=100, help="photos that are recoloured")
    parser.add_argument("--pool", type=int, default=600, help="photos among which neighbours are looked for")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--weights", type=Path, help="default: the shipped ones")
    return parser.parse_args()


if __name__ == "__main__":
    main()
