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

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import cv2
import numpy as np
import torch
from torch import Tensor

from edge.equation2 import FORMS
from edge.grid import luma
from edge.losses import STYLE_LAYERS, gradient, ssim, style_distance, style_moments
from edge.paper_stylizer import PaperStylizer
from edge.vgg import VGG

FACTORS = (1, 1.5, 2, 3.75)
LONG_SIDE = 512


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    vgg, stylizers = VGG(args.vgg), by_form(args.weights, args.vgg)
    pairs, result = read_pairs(args.pairs)[: args.limit], {}
    print(f"{len(pairs)} pairs\nEq. 2      trained for      r    ssim  ssim_edge   style      ms")
    for form, (stylizer, trained_for) in stylizers.items():
        stylizer.model.form = form
        for factor in FACTORS:
            rows = [judge(stylizer, vgg, factor, *pair, args.out and args.out / f"{form}-{factor}") for pair in pairs]
            means = dict(zip(("ssim", "ssim_edge", "style", "ms"), np.mean(rows, 0).round(4).tolist(), strict=True))
            result[f"{form} {factor}"] = means
            print("{:10} {:12} {:5} {ssim:7.3f} {ssim_edge:10.3f} {style:7.3f} {ms:7.0f}".format(
                form, trained_for, factor, **means), flush=True)
    print(json.dumps({"pairs": len(pairs), "forms": result}))


def by_form(weights: list[Path], vgg: Path) -> dict[str, tuple[PaperStylizer, str]]:
    """A stylizer for each form, with the form its weights were trained for."""
    loaded = {stylizer.model.form: stylizer for stylizer in (PaperStylizer.load(path, vgg, "cpu") for path in weights)}
    first = next(iter(loaded))
    return {form: (loaded[form], form) if form in loaded else (loaded[first], first) for form in FORMS}


def judge(stylizer: PaperStylizer, vgg: VGG, factor: float, name: str, content: np.ndarray, style: np.ndarray,
          out: Path | None) -> tuple[float, float, float, float]:
    statistics = stylizer.style(style, long_side=round(LONG_SIDE / factor))
    start = time.perf_counter()
    output = stylizer.stylize(content, statistics, factor=factor)
    took_ms = (time.perf_counter() - start) * 1e3
    if out:
        out.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(out / f"{name}.png"), cv2.cvtColor(output, cv2.COLOR_RGB2BGR))
    with torch.inference_mode():
        return *measures(vgg, *map(to_tensor, (output, content, style))), took_ms


def measures(vgg: VGG, output: Tensor, content: Tensor, style: Tensor) -> tuple[float, float, float]:
    """ssim, ssim_edge and style of 1 3 H W in 0..1."""
    ours, own, wanted = (style_moments(vgg(image, STYLE_LAYERS).values()) for image in (output, content, style))
    return (float(ssim(luma(output)[:, None], luma(content)[:, None])),
            float(ssim(gradient(output), gradient(content))),
            float(style_distance(ours, wanted) / style_distance(own, wanted)))


def read_pairs(folder: Path) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Name, content and style, both of the content's shape at 512 px, sides multiples of 16."""
    pairs = []
    for path in sorted(folder.glob("*_content.*")):
        name = path.stem.removesuffix("_content")
        content, style = cv2.imread(str(path)), cv2.imread(str(next(folder.glob(f"{name}_style.*"))))
        scale = LONG_SIDE / max(content.shape) / 16
        size = round(content.shape[1] * scale) * 16, round(content.shape[0] * scale) * 16
        pairs.append((name, *(cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
                              for image in (content, style))))
    return pairs


def to_tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None] / 255


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--vgg", type=Path, required=True)
    parser.add_argument("--weights", type=Path, nargs="+", required=True)
    parser.add_argument("--limit", type=int, help="only the first pairs")
    parser.add_argument("--out", type=Path, help="folder for the pictures, FORM-R/NN.png")
    return parser.parse_args()


if __name__ == "__main__":
    main()
