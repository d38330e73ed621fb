"""Converts PQ and HLG pictures to sRGB: reference white, at 203 nits, becomes white, and brighter light is clipped.

FFmpeg's `zscale=t=linear:npl=203,zscale=p=bt709,tonemap=clip,zscale=t=iec61966-2-1` does the same. The reference white
is that of ITU-R BT.2408.
"""

import math
from functools import cache
from itertools import product as combinations

from PIL import ImageFilter

from pipeline.pictures.colour.code_points import HLG, PQ, PRIMARIES
from pipeline.pictures.colour.icc_profile import SRGB, inverse, product

WHITE_NITS = 203.0
PQ_NITS, HLG_NITS = 10_000.0, 1_000.0
#: A display shows the luminance of the scene to this power, as BT.2100 says for HLG_NITS.
HLG_GAMMA = 1.2
#: The table has this many entries along each channel. Interpolating between them is half a level off on average.
STEPS = 33


@cache
def to_srgb(primaries: int, transfer: int) -> ImageFilter.Color3DLUT:
    """Return a filter that converts 8-bit RGB with these code points to sRGB; `transfer` is PQ or HLG.

    The filter takes a tenth of a second to make.
    """
    matrix = PRIMARIES[primaries].matrix()
    (r_r, r_g, r_b), (g_r, g_g, g_b), (b_r, b_g, b_b) = product(inverse(SRGB.matrix()), matrix)
    y_r, y_g, y_b = matrix[1]
    nits = {PQ: _pq_nits, HLG: _hlg_nits}[transfer]
    axis = [nits(step / (STEPS - 1)) / WHITE_NITS for step in range(STEPS)]
    table: list[float] = []
    for b, g, r in combinations(axis, repeat=3):  # red changes fastest
        gain = _hlg_gain(y_r * r + y_g * g + y_b * b) if transfer == HLG else 1.0
        table.append(_encoded(gain * (r_r * r + r_g * g + r_b * b)))
        table.append(_encoded(gain * (g_r * r + g_g * g + g_b * b)))
        table.append(_encoded(gain * (b_r * r + b_g * g + b_b * b)))
    return ImageFilter.Color3DLUT(STEPS, table)


def _pq_nits(value: float) -> float:
    """Return the light of a PQ value from 0 to 1, after SMPTE ST 2084."""
    root = value ** (32 / 2523)
    return PQ_NITS * (max(0.0, root - 107 / 128) / (2413 / 128 - 2392 / 128 * root)) ** (16384 / 2610)


def _hlg_nits(value: float) -> float:
    """Return the scene's light of an HLG value from 0 to 1, after ITU-R BT.2100, scaled so that 1 is HLG_NITS."""
    if value <= 0.5:
        return HLG_NITS * value * value / 3
    return HLG_NITS * (math.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12


def _hlg_gain(luminance: float) -> float:
    """Return the factor from the scene's light to a display's; `luminance` is the scene's, with WHITE_NITS as 1."""
    return (luminance * WHITE_NITS / HLG_NITS) ** (HLG_GAMMA - 1)


def _encoded(linear: float) -> float:
    """Apply sRGB's curve, which is continued beyond 0 and 1: values are clipped only after the interpolation."""
    if linear < 0:
        return -_encoded(-linear)
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
