"""A stand-in for VGG-19: the same layers, random weights."""

from pathlib import Path

import numpy as np

from edge.vgg import BLOCKS

WIDTHS = (64, 128, 256)


def write_vgg(path: Path) -> Path:
    rng, arrays, inputs = np.random.default_rng(0), {}, 3
    for (block, count), width in zip(BLOCKS, WIDTHS, strict=True):
        for i in range(1, count + 1):
            kernel = rng.normal(0, (2 / (9 * inputs)) ** 0.5, (3, 3, inputs, width))
            arrays[f"block{block}_conv{i}/kernel"] = kernel.astype(np.float32)
            arrays[f"block{block}_conv{i}/bias"] = np.zeros(width, np.float32)
            inputs = width
    np.savez(path, **arrays)
    return path
