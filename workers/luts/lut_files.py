"""Writes colour tables (LUTs): the `.cube` of video programs, and the HaldCLUT picture of photo programs.

The page's twin is clients/web/render/lut.js, for `.cube` only.
"""

import cv2
import numpy as np

#: Colours along each axis of a `.cube`, the size that all programs take.
CUBE_SIDE = 33
#: A HaldCLUT of this level has 64 colours along each axis, in a picture of 512x512 pixels.
HALD_LEVEL = 8
LUMA = (0.299, 0.587, 0.114)


def cube_file(grid: np.ndarray, title: str) -> bytes:
    """Return a `.cube` file with the colours that a grid of a single place (3 D 1 1 4) gives; red varies fastest."""
    name = title.replace('"', "'")
    head = f'TITLE "{name}"\nLUT_3D_SIZE {CUBE_SIDE}\n'
    lines = [f"{r:.6f} {g:.6f} {b:.6f}" for r, g, b in recoloured(lattice(CUBE_SIDE), grid)]
    return (head + "\n".join(lines) + "\n").encode()


def hald_file(grid: np.ndarray) -> bytes:
    """Return the same as a HaldCLUT: a PNG whose pixels, row by row, are the lattice's colours, in 16 bits each."""
    side = HALD_LEVEL**3
    colours = recoloured(lattice(HALD_LEVEL**2), grid).reshape(side, side, 3)
    done, png = cv2.imencode(".png", np.round(colours[..., ::-1] * 65535).astype(np.uint16))
    assert done
    return png.tobytes()


def lattice(side: int) -> np.ndarray:
    """Return evenly spaced colours (side^3 3) in 0..1. Red varies fastest, and blue slowest."""
    steps = np.linspace(0, 1, side)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    return np.stack((red, green, blue), -1).reshape(-1, 3)


def recoloured(colours: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return what a grid of a single place (3 D 1 1 4) makes of colours (N 3) in 0..1; the result is clipped to them.

    `clients.reassembly.grid.apply_grid` does the same to pictures, in steps of 1/255.
    """
    layers = grid[:, :, 0, 0].astype(np.float64)  # 3 D 4
    depth = layers.shape[1]
    level = np.clip(colours @ LUMA * depth - 0.5, 0, depth - 1)
    low = level.astype(int)
    share = (level - low)[:, None]
    transforms = (1 - share) * layers[:, low] + share * layers[:, np.minimum(low + 1, depth - 1)]  # 3 N 4
    painted = (transforms[..., :3] * colours).sum(-1) + transforms[..., 3]
    return painted.T.clip(0, 1)
