"""Compares five colorizations: uv run python tests/benchmarks/colorizations.py PHOTOS PAIRS OUT --vgg FILE

Each is trained for as many steps, on the same batches, from the same distilled network, and judged on PAIRS
(NN_content.jpg and NN_style.jpg) at 512 px on the long side:
  mean_std   mean and deviation of each channel
  zca        means and covariances, by their symmetric roots
  cholesky   means and covariances, by their Cholesky factors
  attention  mean and deviation of those style features that look like the content's, feature by feature (AdaAttN)
  regions    cholesky, and each region's mean from the style's regions that look like it: what the model does
OUT gets the checkpoints: an interrupted run goes on. Prints a table; the last line is JSON.
"""

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from clients.reassembly.grid import apply_grid
from cloud.pretraining.feed import Feed
from cloud.pretraining.loop import Phase, Run, train
from cloud.pretraining.photos import Photos
from edge.grid_model.colorization import RIDGE, RIDGE_SHARE, StyleStatistics
from edge.grid_model.model import GridModel
from edge.grid_model.stylizer import GridStylizer, to_tensor
from edge.paper_model.feature_transforms import adain, attention, wct
from edge.training.distillation import Targets
from edge.training.losses import STYLE_LAYERS, edge_loss, style_distance, style_moments
from edge.training.step import distil, stylize
from edge.vgg.vgg import VGG

LONG_SIDE = 512
#: Newton-Schulz steps for a symmetric root; 12 leave 1e-5 at the condition number that the ridge allows.
ROOT_STEPS = 12


class Features(NamedTuple):
    """One level of a style's features."""

    values: Tensor  # B C H W


class Compared(GridModel):
    """Model grid with another colorization."""

    def __init__(self, form: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.form = form

    def style(self, image: Tensor) -> StyleStatistics:
        seen = []

        def look(level: int, features: Tensor) -> Tensor:
            seen.append(Features(features))
            return features

        self.decoder(self.encoder(image), look)
        return super().style(image)._replace(levels=tuple(seen))

    def change(self, taps: list[Tensor], style: StyleStatistics) -> Tensor:
        def recolour(level: int, features: Tensor) -> Tensor:
            plain, coloured = features.chunk(2) if level else (features, features)
            with torch.autocast(features.device.type, enabled=False):
                wanted = self.form(coloured.float(), style.levels[level].values.float()).to(features.dtype)
            return torch.cat((plain, self.colorization[level].gate(plain, coloured, wanted)))

        return self.decoder.difference(taps, recolour).float()


def zca(x: Tensor, y: Tensor) -> Tensor:
    """Give features the style's mean and covariance by the smallest change of colours."""
    mean_x, _, inverse_x = roots(x)
    mean_y, root_y, _ = roots(y)
    return (root_y @ inverse_x @ (x.flatten(2) - mean_x) + mean_y).view_as(x)


def roots(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, symmetric root of the covariance, and its inverse, of B C H W; by coupled Newton-Schulz steps."""
    x = x.flatten(2)
    mean, eye = x.mean(2, keepdim=True), torch.eye(x.shape[1])
    covariance = (x - mean) @ (x - mean).mT / x.shape[2]
    variance = covariance.diagonal(dim1=1, dim2=2).mean(1).view(-1, 1, 1)
    covariance = covariance + (RIDGE_SHARE * variance + RIDGE) * eye
    scale = torch.linalg.matrix_norm(covariance, keepdim=True)
    root, inverse = covariance / scale, eye.expand_as(covariance)
    for _ in range(ROOT_STEPS):
        step = (3 * eye - inverse @ root) / 2
        root, inverse = root @ step, step @ inverse
    return mean, root * scale.sqrt(), inverse / scale.sqrt()


FORMS = {"mean_std": adain, "zca": zca, "cholesky": wct, "attention": attention, "regions": None}


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    args.out.mkdir(parents=True, exist_ok=True)
    feed, result = Feed(Photos(args.photos), VGG(args.vgg), 0, "cpu"), {}
    distilled = distilled_model(feed, args.out / "distilled.checkpoint", args.distil_steps)
    print(f"{'colorization':14} {'ssim_edge':>9} {'style':>6}")
    for form in args.forms:
        model = trained(feed, form, distilled, args.out / f"{form}.checkpoint", args.steps)
        scores = np.mean([judge(feed.vgg, model, content, args.pairs) for content in contents(args.pairs)], 0)
        result[form] = {"ssim_edge": float(scores[0]), "style": float(scores[1])}
        print(f"{form:14} {scores[0]:9.3f} {scores[1]:6.3f}", flush=True)
    print(json.dumps({"pairs": len(contents(args.pairs)), "steps": args.steps, "forms": result}))


def distilled_model(feed: Feed, checkpoint: Path, steps: int) -> GridModel:
    run = Run(checkpoint, GridModel(), "distil", "cpu")
    targets = Targets(feed.vgg, feed.squares("components", 48))
    train(
        run,
        Phase("distil", steps, rate=3e-3, betas=(0.9, 0.99), clip=5.0),
        lambda step: distil(run.model, targets, feed.squares(f"{step}", 6)),
    )
    return run.mean


def trained(feed: Feed, form: str, start: GridModel, checkpoint: Path, steps: int) -> GridModel:
    model = Compared(FORMS[form]) if FORMS[form] else GridModel()
    model.load_state_dict(start.state_dict())
    run = Run(checkpoint, model, "stylize", "cpu")
    train(
        run,
        Phase("stylize", steps, rate=5e-4, betas=(0.5, 0.99), clip=0.5),
        lambda step: stylize(run.model, feed.vgg, feed.batch(f"{step}", 4)),
    )
    return run.mean.requires_grad_(False).eval()


def judge(vgg: VGG, model: GridModel, content_path: Path, pairs: Path) -> tuple[float, float]:
    """The ssim_edge to the content, and the share that is left of the distance to the style."""
    stylizer = GridStylizer(model, "", "cpu")
    content = read(content_path)
    style = read(next(pairs.glob(content_path.name.replace("_content", "_style").replace(content_path.suffix, ".*"))))
    output = apply_grid(content, stylizer.stylize(content, stylizer.style(style)))
    content, style, output = (to_tensor(image, "cpu") / 255 for image in (content, style, output))
    own, wanted, seen = (style_moments(vgg(image, STYLE_LAYERS).values()) for image in (content, style, output))
    left = style_distance(seen, wanted) / style_distance(own, wanted)
    return 1 - float(edge_loss(output, content)), float(left)


def contents(pairs: Path) -> list[Path]:
    return sorted(pairs.glob("*_content.*"))


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        image.thumbnail((LONG_SIDE, LONG_SIDE))
        return np.array(image.convert("RGB"))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--vgg", type=Path, required=True)
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--distil-steps", type=int, default=750)
    parser.add_argument("--steps", type=int, default=250)
    return parser.parse_args()


if __name__ == "__main__":
    main()
