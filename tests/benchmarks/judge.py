"""Stylize photo pairs for a judge: uv run python tests/benchmarks/judge.py PAIRS OUT [--strength 1.0 ...]

PAIRS holds NN_content.jpg and NN_style.jpg; OUT/STRENGTH gets NN.png each, at the content's size. Prints how far a
photo moves in its own style (identity PSNR, in dB); the last line is JSON.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from edge.grid_model.grid import slice_grid
from edge.grid_model.stylizer import Stylizer


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    stylizer, identity = Stylizer.load(args.weights), []
    for content_path in tqdm(sorted(args.pairs.glob("*_content.*"))):
        name = content_path.stem.removesuffix("_content")
        content, style = read(content_path), read(next(args.pairs.glob(f"{name}_style.*")))
        grid = stylizer.stylize(content, stylizer.style(style))
        for strength in args.strength:
            folder = args.out / f"{strength:g}"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(apply(grid, content, strength)).save(folder / f"{name}.png")
        own = apply(stylizer.stylize(content, stylizer.style(content)), content, 1.0)
        identity.append(psnr(own, content))
    print(f"identity PSNR: mean {np.mean(identity):.1f} dB, worst {np.min(identity):.1f} dB")
    print(
        json.dumps(
            {
                "pairs": len(identity),
                "model": stylizer.model_version,
                "identity_psnr_db": {"mean": float(np.mean(identity)), "worst": float(np.min(identity))},
            }
        )
    )


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def apply(grid: np.ndarray, image: np.ndarray, strength: float) -> np.ndarray:
    pixels = torch.from_numpy(image.copy()).permute(2, 0, 1)[None] / 255
    styled = slice_grid(torch.from_numpy(grid)[None].float(), pixels).clamp(0, 1)
    mixed = pixels + strength * (styled - pixels)
    return (mixed[0].permute(1, 2, 0) * 255).round().clamp(0, 255).byte().numpy()


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """In dB; equal pictures count as 99."""
    error = float(((a.astype(np.float64) - b) ** 2).mean())
    return min(99.0, 10 * np.log10(255**2 / max(error, 1e-9)))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--weights", type=Path, help="default: the shipped ones")
    parser.add_argument("--strength", type=float, nargs="+", default=[1.0])
    return parser.parse_args()


if __name__ == "__main__":
    main()
