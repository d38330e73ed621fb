"""The paper's Table 1: uv run python tests/benchmarks/table1.py [--weights FILE --vgg FILE] [--threads 1]

Seconds from a content picture in memory to the stylized one of the same size, style cached. Model grid: network and
fit, then the grid applied, which in the live system is the client's work. Model paper: network at 512 px on the long
side, then meta-smoothing with r = width / 512; random weights do for the time. Prints a table; the last line is JSON.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch

from clients.reassembly.grid import apply_grid
from edge.grid_model.stylizer import GridStylizer
from edge.paper_model.model import PaperModel
from edge.paper_model.stylizer import PaperStylizer
from edge.vgg.vgg import VGG

#: Width x height -> seconds in the paper's Table 1, on an NVIDIA TITAN X (Pascal).
PAPER_S = {(512, 256): 0.52, (768, 384): 0.73, (1024, 512): 0.99, (1920, 1080): 1.51}
ROUNDS = 7


def main() -> None:
    args = arguments()
    torch.set_num_threads(args.threads)
    grid, paper = GridStylizer.load(device=args.device), load_paper(args)
    print(f"{'size':>10} {'the paper':>10} {'paper':>8} {'grid':>8} {'applied':>8}   seconds")
    result = {}
    for (width, height), theirs in PAPER_S.items():
        content = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        times = measured(grid, paper, content)
        result[f"{width}x{height}"] = {"the_paper_s": theirs} | times
        print(f"{width:5}x{height:<4} {theirs:10.2f} " + " ".join(f"{seconds:8.3f}" for seconds in times.values()))
    print(json.dumps({"device": grid.device, "threads": args.threads, "sizes": result}))


def measured(grid: GridStylizer, paper: PaperStylizer, content: np.ndarray) -> dict[str, float]:
    grid_style, paper_style = grid.style(content[:, ::-1]), paper.style(content[:, ::-1])
    transforms = grid.stylize(content, grid_style)
    return {
        "paper_s": best_s(lambda: paper.stylize(content, paper_style)),
        "grid_s": best_s(lambda: grid.stylize(content, grid_style)),
        "applied_s": best_s(lambda: apply_grid(content, transforms)),
    }


def best_s(call: Callable[[], object]) -> float:
    """The least of some runs, the first of which warms up: what others do on the machine only ever adds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return round(min(times[1:]), 4)


def load_paper(args: argparse.Namespace) -> PaperStylizer:
    if args.weights:
        return PaperStylizer.load(args.weights, args.vgg, args.device)
    return PaperStylizer(PaperModel(VGG(args.vgg)), "random", args.device)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="of model paper (default: random ones)")
    parser.add_argument("--vgg", type=Path, help="VGG-19 file (default: torchvision's download)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


if __name__ == "__main__":
    main()
