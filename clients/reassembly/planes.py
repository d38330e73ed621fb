"""Applies a colour grid to a frame as decoders give it and encoders take it: 8-bit luma, and chroma of half its size.

This is `clients.reassembly.grid.apply_grid` without the way to RGB and back, at a twentieth of its time. A transform of
RGB is turned into one of luma and chroma, since a matrix lies between them; for chroma it is taken once for each 2x2
pixels, at their mean luma. The transforms are interpolated between the nodes of a mesh over the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clients.reassembly.bilinear import around, sample
from clients.reassembly.jit import compiled
from clients.reassembly.lanes import (
    WIDTH,
    Lanes,
    greater,
    largest,
    lesser,
    load,
    load_pairs,
    put,
    smallest,
    store,
    store_pairs,
)

#: The luma by which a grid is sampled, and the luma of BT.709, which the output has, of red, green and blue.
LOOKUP_LUMA = np.array([0.299, 0.587, 0.114])
BT709_LUMA = np.array([0.2126, 0.7152, 0.0722])
#: From red, green and blue to BT.709's luma, and to how much red and blue exceed it.
LUMA_AND_EXCESS = np.stack((BT709_LUMA, [1, 0, 0] - BT709_LUMA, [0, 0, 1] - BT709_LUMA))
#: The pixels from node to node of a mesh, and those in pictures whose longer side is below LARGE. So a mesh resembles
#: its grid by 57 dB or more from LARGE on, and by 52 dB from LEAST_SIDE on; smaller pictures are not painted here.
NODE_GAP, SMALL_NODE_GAP = 2 * WIDTH, WIDTH
LARGE, LEAST_SIDE = 1280, 512
WHITE = np.float32(255)
RED_SHARE, GREEN_SHARE, BLUE_SHARE = (np.float32(share) for share in BT709_LUMA)
#: How much green exceeds luma, as shares of what red and blue do: all three, weighted, are luma.
RED_TO_GREEN, BLUE_TO_GREEN = -RED_SHARE / GREEN_SHARE, -BLUE_SHARE / GREEN_SHARE
#: From 0..255 to codes of limited range, plus a half, because fractions are cut off at last. Chroma is that of the sum
#: of four pixels.
LUMA_SPAN, LUMA_ZERO, CHROMA_ZERO = np.float32(219 / 255), np.float32(16.5), np.float32(128.5)
RED_TO_V, BLUE_TO_U = (np.float32(224 / 255 / 2 / (1 - share) / 4) for share in (RED_SHARE, BLUE_SHARE))


@dataclass(frozen=True, slots=True)
class Part:
    """A key frame's part in a frame's transforms: its cells (see `in_codes`), the flow to it, and its weight (0..1)."""

    cells: np.ndarray  # float32 R C D 12
    normalized_flow: np.ndarray  # float32 h w 3, see `clients.reassembly.flow.Flow`
    weight: float


def fits(width: int, height: int) -> bool:
    """Whether a picture can be painted as planes: its sides are even, and not too short for a mesh and its vectors."""
    return width % 2 == height % 2 == 0 and max(width, height) >= LEAST_SIDE and width >= 2 * WIDTH


def in_codes(grid: np.ndarray, to_rgb: np.ndarray) -> np.ndarray:
    """A grid (float16 3 D R C 4) for a frame's own codes: float32 R C D 12, four coefficients for each of three.

    They turn (Y, Cb, Cr, 1) into BT.709's luma in 0..255, and into how much red and blue exceed it. `to_rgb` (3x4)
    turns the codes into RGB in 0..1.
    """
    transforms = grid.transpose(2, 3, 1, 0, 4).astype(np.float64)  # R C D 3 4
    coefficients = 255 * LUMA_AND_EXCESS @ transforms @ np.vstack((to_rgb, [0, 0, 0, 1]))
    return np.ascontiguousarray(coefficients, np.float32).reshape(*coefficients.shape[:3], 12)


def paint_planes(
    planes: Sequence[np.ndarray], parts: Sequence[Part], to_rgb: np.ndarray, out: Sequence[np.ndarray]
) -> None:
    """Fill the planes `out` (Y, Cb and Cr in BT.709 and limited range) with the stylized picture of `planes`.

    All are uint8 H W, with chroma of half the size, and bytes of a row are side by side. The parts' weights are 1
    together. Colours beyond black and white are cut off as in RGB, so that a bright sky keeps its hue.
    """
    height, width = planes[0].shape
    depth = parts[0].cells.shape[2]
    lookup = depth * LOOKUP_LUMA @ to_rgb - [0, 0, 0, 0.5]
    gap = NODE_GAP if max(width, height) >= LARGE else SMALL_NODE_GAP
    nodes, weights = _nodes(width, gap)
    mesh = np.zeros((-(-height // gap) + 1, *nodes.shape, depth * 12), np.float32)
    for part in parts:
        cells = part.cells.reshape(*part.cells.shape[:2], -1)
        _add_part(cells, part.normalized_flow, np.float32(part.weight), nodes, height / gap, mesh)
    rows, rows_out = ([_whole_rows(plane) for plane in group] for group in (planes, out))
    _paint(*rows, width, mesh, weights, lookup.astype(np.float32), *rows_out)


def _whole_rows(plane: np.ndarray) -> np.ndarray:
    """A plane with what pads its rows, so that it is contiguous: Numba would compile anew for one that is not."""
    assert plane.strides[1] == 1, "bytes of a row are side by side"
    return np.lib.stride_tricks.as_strided(plane, (plane.shape[0], plane.strides[0]))


def _nodes(width: int, gap: int) -> tuple[np.ndarray, np.ndarray]:
    """Where a row of the mesh has nodes (0..1, chunks x 2 or 3), and their weights in each lane (float32 3 x WIDTH).

    A chunk is 2 * WIDTH pixels: its nodes are at its ends and, with SMALL_NODE_GAP, in its middle. The last chunk
    overlaps the one before, unless the width is a multiple. The middle node's weight is 0 if there is none.
    """
    middle = gap == SMALL_NODE_GAP
    starts = np.minimum(np.arange(0, width, 2 * WIDTH), width - 2 * WIDTH)
    nodes = (starts[:, None] + np.linspace(0, 2 * WIDTH, 3 if middle else 2)) / width
    place = (np.arange(WIDTH) + 0.5) / WIDTH
    tents = [1 - 2 * place, 1 - abs(2 * place - 1), 2 * place - 1] if middle else [1 - place, 0 * place, place]
    return nodes, np.maximum(tents, 0).astype(np.float32)


@compiled
def _add_part(
    cells: np.ndarray, normalized_flow: np.ndarray, weight: float, nodes: np.ndarray, rows: float, mesh: np.ndarray
) -> None:
    """Add cells (R C n), moved along the flow and weighted, to the nodes of the mesh (rows chunks nodes n).

    `rows` is the picture's height in gaps between the mesh's rows.
    """
    flat = mesh.reshape(mesh.shape[0], -1)
    for y in range(mesh.shape[0]):
        v, at = y / rows, 0
        for chunk in range(nodes.shape[0]):
            for k in range(nodes.shape[1]):
                u = nodes[chunk, k]
                share = sample(normalized_flow, v, u, 2)
                was_v, was_u = v + sample(normalized_flow, v, u, 1), u + sample(normalized_flow, v, u, 0)
                node = flat[y, at : at + cells.shape[2]]
                _add_cell(cells, was_v, was_u, weight * share, node)
                if share < 1:
                    _add_cell(cells, v, u, weight * (1 - share), node)
                at += cells.shape[2]


@compiled
def _add_cell(cells: np.ndarray, v: float, u: float, weight: float, node: np.ndarray) -> None:
    """Add the cells around a place, interpolated and weighted, to a node (n, a multiple of WIDTH)."""
    top, bottom, down = around(v, cells.shape[0])
    left, right, across = around(u, cells.shape[1])
    one, all_ = np.float32(1), np.float32(weight)
    a, b = all_ * (one - down) * (one - across), all_ * (one - down) * across
    c, d = all_ * down * (one - across), all_ * down * across
    corner_a, corner_b, corner_c, corner_d = (
        cells[top, left],
        cells[top, right],
        cells[bottom, left],
        cells[bottom, right],
    )
    for i in range(0, node.shape[0], WIDTH):
        above = load(corner_a, i) * a + load(corner_b, i) * b
        below = load(corner_c, i) * c + load(corner_d, i) * d
        put(node, i, load(node, i) + (above + below))


@compiled
def _paint(
    y_plane: np.ndarray,
    u_plane: np.ndarray,
    v_plane: np.ndarray,
    width: int,
    mesh: np.ndarray,
    weights: np.ndarray,
    lookup: np.ndarray,
    y_out: np.ndarray,
    u_out: np.ndarray,
    v_out: np.ndarray,
) -> None:
    """Paint two rows after another, in chunks of WIDTH blocks of 2x2 pixels, one block in each lane."""
    gap = 2 * WIDTH // (mesh.shape[2] - 1)
    row: np.ndarray = np.empty(mesh.shape[1:], np.float32)
    flat, rows = row.reshape(-1), mesh.reshape(mesh.shape[0], -1)
    last_start = width // 2 - WIDTH
    for y in range(u_plane.shape[0]):
        place = np.float32((2 * y + 1) / gap)
        above = int(place)
        down = place - np.float32(above)
        for i in range(flat.shape[0]):
            flat[i] = rows[above, i] + down * (rows[above + 1, i] - rows[above, i])
        for chunk in range(row.shape[0]):
            x = min(chunk * WIDTH, last_start)
            a, b = load_pairs(y_plane[2 * y], 2 * x)
            c, d = load_pairs(y_plane[2 * y + 1], 2 * x)
            u, v = load(u_plane[y], x), load(v_plane[y], x)
            a, b, c, d, u, v = _painted(a, b, c, d, u, v, row[chunk], weights, lookup)
            store_pairs(y_out[2 * y], 2 * x, a, b)
            store_pairs(y_out[2 * y + 1], 2 * x, c, d)
            store(u_out[y], x, u)
            store(v_out[y], x, v)


@compiled
def _painted(
    a: Lanes,
    b: Lanes,
    c: Lanes,
    d: Lanes,
    u: Lanes,
    v: Lanes,
    nodes: np.ndarray,
    weights: np.ndarray,
    lookup: np.ndarray,
) -> tuple[Lanes, ...]:
    """Blocks of four pixels a, b, c and d with the chroma u and v, in codes, to those of the output plus a half.

    `nodes` (2 or 3 x layers times 12) are the chunk's transforms. Between two layers a transform changes linearly with
    luma: it is the first one that any pixel needs, plus the step to the next, and so on, each as far as luma goes.
    """
    one = np.float32(1)
    mean = (a + b + c + d) * np.float32(0.25)
    base = u * lookup[1] + v * lookup[2] + lookup[3]
    za, zb, zc, zd = a * lookup[0] + base, b * lookup[0] + base, c * lookup[0] + base, d * lookup[0] + base
    z = mean * lookup[0] + base
    last_layer = nodes.shape[1] // 12 - 1
    first = min(max(int(smallest(lesser(lesser(za, zb), lesser(zc, zd)))), 0), last_layer)
    last = min(max(int(largest(greater(greater(za, zb), greater(zc, zd)))) + 1, 0), last_layer)
    slope, rest, red, blue = _transformed(nodes, first, weights, mean, u, v)
    slope_a, slope_b, slope_c, slope_d = slope, slope, slope, slope
    rest_a, rest_b, rest_c, rest_d = rest, rest, rest, rest
    red_sum, blue_sum = red, blue
    for layer in range(first + 1, last + 1):
        next_slope, next_rest, next_red, next_blue = _transformed(nodes, layer, weights, mean, u, v)
        slope_step, rest_step = next_slope - slope, next_rest - rest
        below = np.float32(layer - 1)
        far = _limited(za - below, one)
        slope_a, rest_a = slope_a + far * slope_step, rest_a + far * rest_step
        far = _limited(zb - below, one)
        slope_b, rest_b = slope_b + far * slope_step, rest_b + far * rest_step
        far = _limited(zc - below, one)
        slope_c, rest_c = slope_c + far * slope_step, rest_c + far * rest_step
        far = _limited(zd - below, one)
        slope_d, rest_d = slope_d + far * slope_step, rest_d + far * rest_step
        far = _limited(z - below, one)
        red_sum, blue_sum = red_sum + far * (next_red - red), blue_sum + far * (next_blue - blue)
        slope, rest, red, blue = next_slope, next_rest, next_red, next_blue
    a, red_a, blue_a = _cut_off(slope_a * a + rest_a, red_sum, blue_sum)
    b, red_b, blue_b = _cut_off(slope_b * b + rest_b, red_sum, blue_sum)
    c, red_c, blue_c = _cut_off(slope_c * c + rest_c, red_sum, blue_sum)
    d, red_d, blue_d = _cut_off(slope_d * d + rest_d, red_sum, blue_sum)
    u = (blue_a + blue_b + blue_c + blue_d) * BLUE_TO_U + CHROMA_ZERO
    v = (red_a + red_b + red_c + red_d) * RED_TO_V + CHROMA_ZERO
    return (
        a * LUMA_SPAN + LUMA_ZERO,
        b * LUMA_SPAN + LUMA_ZERO,
        c * LUMA_SPAN + LUMA_ZERO,
        d * LUMA_SPAN + LUMA_ZERO,
        u,
        v,
    )


@compiled
def _transformed(nodes: np.ndarray, layer: int, weights: np.ndarray, y: Lanes, u: Lanes, v: Lanes) -> tuple[Lanes, ...]:
    """What a layer makes of codes y, u and v: luma as a slope times y plus a rest, and the excess of red and blue."""
    at = 12 * layer
    slope = _mixed(nodes, at, weights)
    rest = _mixed(nodes, at + 1, weights) * u + _mixed(nodes, at + 2, weights) * v + _mixed(nodes, at + 3, weights)
    red = _mixed(nodes, at + 4, weights) * y + _mixed(nodes, at + 5, weights) * u
    red = red + _mixed(nodes, at + 6, weights) * v + _mixed(nodes, at + 7, weights)
    blue = _mixed(nodes, at + 8, weights) * y + _mixed(nodes, at + 9, weights) * u
    blue = blue + _mixed(nodes, at + 10, weights) * v + _mixed(nodes, at + 11, weights)
    return slope, rest, red, blue


@compiled
def _mixed(nodes: np.ndarray, k: int, weights: np.ndarray) -> Lanes:
    """Coefficient k in each lane, mixed from the nodes at the chunk's ends and in its middle."""
    end = nodes.shape[0] - 1
    first, middle, last = load(weights[0], 0), load(weights[1], 0), load(weights[2], 0)
    return first * nodes[0, k] + middle * nodes[end - 1, k] + last * nodes[end, k]


@compiled
def _cut_off(luma: Lanes, red: Lanes, blue: Lanes) -> tuple[Lanes, ...]:
    """Luma in 0..255, and the excess of red and blue, of the colour with these that is cut off at black and white."""
    green = red * RED_TO_GREEN + blue * BLUE_TO_GREEN
    red, green, blue = _limited(luma + red, WHITE), _limited(luma + green, WHITE), _limited(luma + blue, WHITE)
    luma = red * RED_SHARE + green * GREEN_SHARE + blue * BLUE_SHARE
    return luma, red - luma, blue - luma


@compiled
def _limited(lanes: Lanes, most: float) -> Lanes:
    return greater(lesser(lanes, most), np.float32(0))
