"""Converts PQ and HLG pictures to sRGB: reference white, at 203 nits, becomes white, and brighter light is clipped.

FFmpeg's `zscale=t=linear:npl=203,zscale=p=bt709,tonemap=clip,zscale=t=iec61966-2-1` does the same. The reference white
is that of ITU-R BT.2408.
"""

from functools import cache
from itertools import product as combinations

from PIL import ImageFilter

from pipeline.pictures.colour import primaries as colour_spaces
from pipeline.pictures.colour.code_points import HLG, PQ, PRIMARIES
from pipeline.pictures.colour.transfer import hlg_gain, hlg_light, pq_light, srgb_signal

#: The table has this many entries along each channel. Interpolating between them is half a level off on average.
STEPS = 33


@cache
def to_srgb(primaries: int, transfer: int) -> ImageFilter.Color3DLUT:
    """Return a filter that converts 8-bit RGB with these code points to sRGB; `transfer` is PQ or HLG.

    The filter takes a tenth of a second to make.
    """
    space = PRIMARIES[primaries]
    (r_r, r_g, r_b), (g_r, g_g, g_b), (b_r, b_g, b_b) = colour_spaces.to_srgb(space)
    _, (y_r, y_g, y_b), _ = space.matrix()
    light = {PQ: pq_light, HLG: hlg_light}[transfer]
    axis = [light(step / (STEPS - 1)) for step in range(STEPS)]
    table: list[float] = []
    for b, g, r in combinations(axis, repeat=3):  # red changes fastest
        gain = hlg_gain(y_r * r + y_g * g + y_b * b) if transfer == HLG else 1.0
        table.append(srgb_signal(gain * (r_r * r + r_g * g + r_b * b)))  # clipped after the interpolation
        table.append(srgb_signal(gain * (g_r * r + g_g * g + g_b * b)))
        table.append(srgb_signal(gain * (b_r * r + b_g * g + b_b * b)))
    return ImageFilter.Color3DLUT(STEPS, table)
