"""Transfer functions, which convert a signal of 0..1 to light and back. The white of a screen has light 1.

They take plain numbers because the process that decodes strangers' pictures does not load NumPy.
"""

import math

#: The parameters g, a, b, c and d of ICC's parametric curve of type 3: (a x + b)^g for x >= d, and c x below.
Curve = tuple[float, float, float, float, float]

SRGB_CURVE: Curve = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
#: The light of diffuse white in high dynamic range, in cd/m2 (ITU-R BT.2408).
WHITE_NITS = 203.0
PQ_NITS, HLG_NITS = 10_000.0, 1_000.0
#: A display of HLG_NITS shows the luminance of the scene to this power (ITU-R BT.2100).
HLG_GAMMA = 1.2


def power(exponent: float) -> Curve:
    return (exponent, 1.0, 0.0, 0.0, 0.0)


def curve_light(curve: Curve, signal: float) -> float:
    """Return the light of a signal by a parametric curve."""
    g, a, b, c, d = curve
    return (a * signal + b) ** g if signal >= d else c * signal


def pq_light(signal: float) -> float:
    """Return the light of a PQ signal (SMPTE ST 2084)."""
    root = signal ** (32 / 2523)
    share = (max(0.0, root - 107 / 128) / (2413 / 128 - 2392 / 128 * root)) ** (16384 / 2610)
    return share * PQ_NITS / WHITE_NITS


def hlg_light(signal: float) -> float:
    """Return the scene's light of an HLG signal (ITU-R BT.2100), before a display's `hlg_gain`."""
    scene = signal * signal / 3 if signal <= 0.5 else (math.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return scene * HLG_NITS / WHITE_NITS


def hlg_gain(luminance: float) -> float:
    """Return the factor by which a display multiplies the scene's light, given its luminance."""
    return (luminance * WHITE_NITS / HLG_NITS) ** (HLG_GAMMA - 1)


def srgb_signal(light: float) -> float:
    """Return the signal of light by sRGB's curve, which is continued beyond 0 and 1."""
    if light < 0:
        return -srgb_signal(-light)
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
