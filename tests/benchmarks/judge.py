"""Stylize photo pairs: uv run python tests/benchmarks/judge.py PAIRS OUT [--eval DIR] [--strength ...] [--mood ...]

PAIRS holds NN_content.jpg and NN_style.jpg; OUT/STRENGTH gets NN.png each, at the content's size, OUT/mood-MOOD those
of less mood at full strength, and OUT/mkl those of the Monge-Kantorovich linear map. Prints how far a photo moves in
its own style (identity PSNR, in dB). DIR is the folder of
an independent judge's metrics.py; with it, each of these folders is judged at 512 px on the long side:
  ssim, ssim_edge, style  is the structure kept, and how much of the distance to the style is left?
  patchy                  is one surface still one surface? 1 is as even as the content; the median
  bw, bw worst            Lab chroma under a black-and-white version of the style: the mean, and of the worst picture
  grey p99, grey worst    the same of a grey content, 99th percentile: the mean, and of the worst picture
The last line is JSON.
"""

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).parent.parent))

import cv2
import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from clients.reassembly.grid import apply_grid
from edge.grid_model.stylizer import GridStylizer
from support.pictures.recolouring import monge_kantorovich

#: A function from a content and a style to the content in that style; all are RGB uint8 H W 3.
Method = Callable[[np.ndarray, np.ndarray], np.ndarray]
LONG_SIDE, MULTIPLE = 512, 16


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    stylizer = GridStylizer.load(args.weights)
    methods: dict[str, Method] = {f"{s:g}": partial(ours, stylizer, strength=s) for s in args.strength}
    methods |= {f"mood-{mood:g}": partial(ours, stylizer, mood=mood) for mood in args.mood}
    result = {"model": stylizer.model_version, "identity_psnr_db": identity(stylizer, args.pairs)}
    pairs = {path.stem.removesuffix("_content"): path for path in sorted(args.pairs.glob("*_content.*"))}
    judge, scores = metrics(args.eval), {}
    for name, method in {**methods, "mkl": monge_kantorovich}.items():
        (args.out / name).mkdir(parents=True, exist_ok=True)
        rows = [
            judged(method, args.out / name / f"{pair}.png", read(path), style_of(path), judge)
            for pair, path in tqdm(pairs.items(), desc=name, leave=False)
        ]
        if judge:
            scores[name] = summary(rows)
            print(f"{name:6}", "  ".join(f"{column} {value:.3f}" for column, value in scores[name].items()), flush=True)
    print(json.dumps({"pairs": len(pairs), **result, "scores": scores}))


def ours(
    stylizer: GridStylizer, content: np.ndarray, style: np.ndarray, *, strength: float = 1.0, mood: float = 1.0
) -> np.ndarray:
    return apply_grid(content, stylizer.stylize(content, stylizer.style(style, mood)), strength=strength)


def identity(stylizer: GridStylizer, pairs: Path) -> dict[str, float]:
    """How far the contents move in their own style, in dB."""
    contents = [read(path) for path in sorted(pairs.glob("*_content.*"))]
    moved = [psnr(ours(stylizer, content, content), content) for content in contents]
    print(f"identity PSNR: mean {np.mean(moved):.1f} dB, worst {np.min(moved):.1f} dB")
    return {"mean": float(np.mean(moved)), "worst": float(np.min(moved))}


def judged(
    method: Method, out: Path, content: np.ndarray, style: np.ndarray, judge: ModuleType | None
) -> dict[str, float]:
    """Write the picture, and give its scores, if there is a judge."""
    output = method(content, style)
    Image.fromarray(output).save(out)
    if judge is None:
        return {}
    shown, seen, wanted = (at_512(image, content) for image in (content, output, style))
    coloured, plain = (judge.chroma(at_512(method(image, grey(style)), content)) for image in (content, grey(content)))
    return {
        "ssim": judge.ssim(shown, seen),
        "ssim_edge": judge.ssim_edge(shown, seen),
        "style": judge.style(seen, shown, wanted),
        "patchy": judge.patchy(shown, seen),
        "bw": float(coloured.mean()),
        "grey p99": float(np.quantile(plain, 0.99)),
    }


def summary(rows: list[dict[str, float]]) -> dict[str, float]:
    """Means; of patchy the median, since a few nearly white pictures would decide its mean."""
    columns = {column: [row[column] for row in rows] for column in rows[0]}
    means = {column: float(np.mean(values)) for column, values in columns.items()}
    return {
        **means,
        "patchy": float(np.nanmedian(columns["patchy"])),
        "bw worst": max(columns["bw"]),
        "grey worst": max(columns["grey p99"]),
    }


def metrics(folder: Path | None) -> ModuleType | None:
    """The judge's own module, found by its folder."""
    if folder is None:
        return None
    sys.path.insert(0, str(folder.resolve()))
    try:
        import metrics  # noqa: PLC0415 - it is no part of this project
    finally:
        sys.path.pop(0)
    return metrics


def at_512(image: np.ndarray, like: np.ndarray) -> np.ndarray:
    """float32 in 0..1, at the size at which pictures are compared with the picture `like`."""
    scale = LONG_SIDE / max(like.shape[:2])
    size = [round(n * scale / MULTIPLE) * MULTIPLE for n in like.shape[1::-1]]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def style_of(content: Path) -> np.ndarray:
    return read(next(content.parent.glob(content.stem.removesuffix("_content") + "_style.*")))


def grey(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """In dB; equal pictures count as 99."""
    error = float(((a.astype(np.float64) - b) ** 2).mean())
    return min(99.0, 10 * np.log10(255**2 / max(error, 1e-9)))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--weights", type=Path, help="default: the shipped ones")
    parser.add_argument("--eval", type=Path, metavar="DIR", help="the folder that holds the judge's metrics.py")
    parser.add_argument("--strength", type=float, nargs="+", default=[1.0])
    parser.add_argument("--mood", type=float, nargs="*", default=[])
    return parser.parse_args()


if __name__ == "__main__":
    main()
