"""Recolouring with a known answer: uv run python tests/benchmarks/self_reference.py PHOTOS [--count 200] [--seed 1]

Of each photo two crops; the style is one of them under a random grade, the content the other, and the truth that other
under the same grade. Prints the PSNR to the truth of the output and, for comparison, of the untouched content; the
last line is JSON.
"""

import argparse
import json
import os
import random
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from judge import psnr
from torch import Tensor
from tqdm import tqdm

from clients.reassembly.grid import apply_grid
from cloud.pretraining.photos import Photos, random_crop, random_grade
from edge.grid_model.stylizer import Stylizer

#: Crops are at least this share of the largest possible one's side, as in training.
SMALLEST = 0.6
HEIGHT, WIDTH = 288, 384


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    stylizer, photos, rng = Stylizer.load(args.weights), Photos(args.photos), random.Random(args.seed)
    output_db, content_db = [], []
    for index in tqdm(rng.sample(range(len(photos)), min(args.count, len(photos)))):
        content, style, truth = graded_pair(photos.read(index), rng)
        output = apply_grid(content, stylizer.stylize(content, stylizer.style(style)))
        output_db.append(psnr(output, truth))
        content_db.append(psnr(content, truth))
    result = {
        "photos": len(output_db),
        "model": stylizer.model_version,
        "content_psnr_db": float(np.mean(content_db)),
        "psnr_db": {
            "mean": float(np.mean(output_db)),
            "median": float(np.median(output_db)),
            "tenth": float(np.quantile(output_db, 0.1)),
            "least": min(output_db),
        },
    }
    print(f"{'':18} {'mean':>6} {'median':>7} {'10 %':>6} {'least':>6}")
    print(
        f"{'output, dB':18} {np.mean(output_db):6.1f} {np.median(output_db):7.1f} "
        f"{np.quantile(output_db, 0.1):6.1f} {min(output_db):6.1f}"
    )
    print(
        f"{'content, dB':18} {np.mean(content_db):6.1f} {np.median(content_db):7.1f} "
        f"{np.quantile(content_db, 0.1):6.1f} {min(content_db):6.1f}"
    )
    print(json.dumps(result))


def graded_pair(photo: Tensor, rng: random.Random) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Content, style and truth, RGB uint8 HEIGHT WIDTH 3."""
    content, other = (random_crop(photo, HEIGHT, WIDTH, SMALLEST, rng) for _ in range(2))
    style, truth = random_grade(torch.stack((other, content)), rng)
    return to_rgb(content), to_rgb(style), to_rgb(truth)


def to_rgb(image: Tensor) -> np.ndarray:
    return (image.permute(1, 2, 0) * 255).round().byte().contiguous().numpy()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--weights", type=Path, help="default: the shipped ones")
    return parser.parse_args()


if __name__ == "__main__":
    main()
