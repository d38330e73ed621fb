"""Transfer functions: the light of a signal of 0..1, and back. Light is 1 at a screen's white.

They take plain numbers because the process that decodes strangers' pictures does not load NumPy.
"""

import math

#: The parameters g, a, b, c and d of ICC's parametric curve of type 3: (a x + b)^g for x >= d, and c x below.
Curve = tuple[float, float, float, float, float]

SRGB_CURVE: Curve = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
#: Light of diffuse white in high dynamic range, in cd/m2 (ITU-R BT.2408).
WHITE_NITS = 203.0
PQ_NITS, HLG_NITS = 10_000.0, 1_000.0
#: The eye's share in a dim room: a display of HLG_NITS shows the scene's luminance to this power.
HLG_GAMMA = 1.2


def power(exponent: float) -> Curve:
    return (exponent, 1.0, 0.0, 0.0, 0.0)


def curve_light(curve: Curve, signal: float) -> float:
    g, a, b, c, d = curve
    return (a * signal + b) ** g if signal >= d else c * signal


def pq_light(signal: float) -> float:
    """SMPTE ST 2084."""
    root = signal ** (32 / 2523)
    share = (max(0.0, root - 107 / 128) / (2413 / 128 - 2392 / 128 * root)) ** (16384 / 2610)
    return share * PQ_NITS / WHITE_NITS


def hlg_light(signal: float) -> float:
    """ITU-R BT.2100: the scene's light, before a display's `hlg_gain`."""
    scene = signal * signal / 3 if signal <= 0.5 else (math.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return scene * HLG_NITS / WHITE_NITS


def hlg_gain(luminance: float) -> float:
    """What a display multiplies the scene's light with, which has this luminance."""
    return (luminance * WHITE_NITS / HLG_NITS) ** (HLG_GAMMA - 1)


def srgb_signal(light: float) -> float:
    """By sRGB's curve, which goes on beyond 0 and 1."""
    if light < 0:
        return -srgb_signal(-light)
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
