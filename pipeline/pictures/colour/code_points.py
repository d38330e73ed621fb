"""The code points of ITU-T H.273 for primaries and transfer functions, which PNG's cICP and AVIF's nclx use."""

from pipeline.pictures.colour.primaries import D65, SRGB, Primaries
from pipeline.pictures.colour.transfer import SRGB_CURVE, Curve, power

WHITE_C = (0.310, 0.316)
NTSC = Primaries(D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070))
PRIMARIES: dict[int, Primaries] = {
    1: SRGB,
    4: Primaries(WHITE_C, (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: Primaries(D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: NTSC,
    7: NTSC,
    8: Primaries(WHITE_C, (0.681, 0.319), (0.243, 0.692), (0.145, 0.049)),
    9: Primaries(D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: Primaries((0.314, 0.351), (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: Primaries(D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    22: Primaries(D65, (0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),
}
#: Screens show pictures with a television's transfer function by BT.1886, a power of 2.4, as zscale and browsers do.
TELEVISION = power(2.4)
CURVES: dict[int, Curve] = {
    **dict.fromkeys((1, 6, 11, 12, 14, 15), TELEVISION),
    4: power(2.2),
    5: power(2.8),
    8: power(1.0),
    13: SRGB_CURVE,
    17: power(2.6),
}
PQ, HLG = 16, 18
