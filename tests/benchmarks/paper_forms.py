"""Model paper's choices compared: uv run python tests/benchmarks/paper_forms.py PAIRS --vgg FILE --weights FILE ...

PAIRS holds NN_content.jpg and NN_style.jpg. A row per form of Eq. 2 and factor r; a form for which no weights are given
is drawn by the first ones. Everything is made and judged at 512 px on the long side, the network runs at 512 / r:
  ssim       structural similarity of luma to the content; ssim_edge: of its gradient magnitudes (higher is better)
  style      distance of VGG-19 means and deviations to the style's, over the content's own distance (lower is better)
  ms         a picture on one CPU thread, style cached
Prints a table; the last line is JSON.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import cv2
import numpy as np
import torch
from torch import Tensor

from edge.grid_model.grid import luma
from edge.paper_model.feature_transforms import FORMS
from edge.paper_model.stylizer import PaperStylizer
from edge.training.losses import STYLE_LAYERS, gradient, ssim, style_distance, style_moments
from edge.vgg.vgg import VGG

FACTORS = (1, 1.5, 2, 3.75)
LONG_SIDE = 512


class Pair(NamedTuple):
    """Two pictures of one shape, and the style moments of each."""

    name: str
    content: np.ndarray
    style: np.ndarray
    own: list[Tensor]
    wanted: list[Tensor]


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    vgg, result = VGG(args.vgg), {}
    pairs = read_pairs(args.pairs, vgg, args.limit)
    print(f"{len(pairs)} pairs\nEq. 2      trained for      r    ssim  ssim_edge   style      ms")
    for form, (stylizer, trained_for) in by_form(args.forms, args.weights, args.vgg).items():
        stylizer.model.form = form
        for factor in FACTORS:
            rows = [judge(stylizer, vgg, factor, pair, args.out and args.out / f"{form}-{factor}") for pair in pairs]
            means = dict(zip(("ssim", "ssim_edge", "style", "ms"), np.mean(rows, 0).round(4).tolist(), strict=True))
            result[f"{form} {factor}"] = means
            print(
                "{:10} {:12} {:5} {ssim:7.3f} {ssim_edge:10.3f} {style:7.3f} {ms:7.0f}".format(
                    form, trained_for, factor, **means
                ),
                flush=True,
            )
    print(json.dumps({"pairs": len(pairs), "forms": result}))


def by_form(forms: list[str], weights: list[Path], vgg: Path) -> dict[str, tuple[PaperStylizer, str]]:
    """A stylizer for each form, with the form its weights were trained for."""
    loaded = {stylizer.model.form: stylizer for stylizer in (PaperStylizer.load(path, vgg, "cpu") for path in weights)}
    own = {form: form if form in loaded else next(iter(loaded)) for form in forms}
    return {form: (loaded[trained_for], trained_for) for form, trained_for in own.items()}


def judge(
    stylizer: PaperStylizer, vgg: VGG, factor: float, pair: Pair, out: Path | None
) -> tuple[float, float, float, float]:
    """Draw a pair; its ssim, ssim_edge, style and ms."""
    style = stylizer.style(pair.style, long_side=round(LONG_SIDE / factor))
    start = time.perf_counter()
    output = stylizer.stylize(pair.content, style, factor=factor)
    took_ms = (time.perf_counter() - start) * 1e3
    if out:
        out.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(out / f"{pair.name}.png"), cv2.cvtColor(output, cv2.COLOR_RGB2BGR))
    return *measures(vgg, pair, output), took_ms


@torch.inference_mode()
def measures(vgg: VGG, pair: Pair, output: np.ndarray) -> tuple[float, float, float]:
    drawn, content = to_tensor(output), to_tensor(pair.content)
    distance = style_distance(moments(vgg, output), pair.wanted) / style_distance(pair.own, pair.wanted)
    return (
        float(ssim(luma(drawn)[:, None], luma(content)[:, None])),
        float(ssim(gradient(drawn), gradient(content))),
        float(distance),
    )


@torch.inference_mode()
def moments(vgg: VGG, image: np.ndarray) -> list[Tensor]:
    return style_moments(vgg(to_tensor(image), STYLE_LAYERS).values())


def read_pairs(folder: Path, vgg: VGG, limit: int | None) -> list[Pair]:
    """Contents at 512 px, sides multiples of 16, and styles squeezed into their shape."""
    pairs = []
    for path in sorted(folder.glob("*_content.*"))[:limit]:
        name = path.stem.removesuffix("_content")
        content, style = cv2.imread(str(path)), cv2.imread(str(next(folder.glob(f"{name}_style.*"))))
        scale = LONG_SIDE / max(content.shape) / 16
        size = round(content.shape[1] * scale) * 16, round(content.shape[0] * scale) * 16
        content, style = (
            cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
            for image in (content, style)
        )
        pairs.append(Pair(name, content, style, moments(vgg, content), moments(vgg, style)))
    return pairs


def to_tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None] / 255


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--vgg", type=Path, required=True)
    parser.add_argument("--weights", type=Path, nargs="+", required=True)
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--limit", type=int, help="only the first pairs")
    parser.add_argument("--out", type=Path, help="folder for the pictures, FORM-R/NN.png")
    return parser.parse_args()


if __name__ == "__main__":
    main()
