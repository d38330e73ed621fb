"""Writes ICC profiles for the colour spaces that PNG and AVIF declare in a few numbers: primaries and one curve.

The profiles follow ICC.1:2022. The same numbers give the same bytes.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

Matrix = tuple[tuple[float, ...], ...]  # 3 x 3
#: The parameters g, a, b, c and d of ICC's parametric curve of type 3: (a x + b)^g for x >= d, and c x below.
Curve = tuple[float, float, float, float, float]

SRGB_CURVE: Curve = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
D50 = (0.9642, 1.0, 0.8249)
BRADFORD: Matrix = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))


@dataclass(frozen=True, slots=True)
class Primaries:
    """The chromaticities x, y of white, red, green and blue, as in PNG's cHRM."""

    white: tuple[float, float]
    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]

    def matrix(self) -> Matrix:
        """Return the matrix from linear RGB to XYZ, where white has Y = 1.

        Raises ZeroDivisionError if the primaries lie on one line.
        """
        columns = transposed([_xyz(xy) for xy in (self.red, self.green, self.blue)])
        shares = times(inverse(columns), _xyz(self.white))
        return tuple(tuple(value * share for value, share in zip(row, shares)) for row in columns)


D65 = (0.3127, 0.3290)
SRGB = Primaries(D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))


def power(exponent: float) -> Curve:
    return (exponent, 1.0, 0.0, 0.0, 0.0)


def matrix_profile(primaries: Primaries, curve: Curve, name: str) -> bytes:
    """Return an RGB display profile; raises ValueError or ZeroDivisionError if no colour space has such primaries."""
    adaptation = _adaptation(_xyz(primaries.white))
    colorants = transposed(product(adaptation, primaries.matrix()))
    if any(abs(value) > 100 for column in colorants for value in column):
        raise ValueError("These primaries are far beyond all colours.")
    trc = b"para" + struct.pack(">IHH", 0, 3, 0) + _fixed(*curve)
    tags = {
        b"desc": _text(name),
        b"cprt": _text("No copyright"),
        b"wtpt": b"XYZ " + bytes(4) + _fixed(*D50),
        b"chad": b"sf32" + bytes(4) + _fixed(*(value for row in adaptation for value in row)),
        **{tag: b"XYZ " + bytes(4) + _fixed(*column) for tag, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colorants)},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), trc),
    }
    return _file(tags)


def _file(tags: dict[bytes, bytes]) -> bytes:
    """Return the whole profile: header, table of tags, and the data of the tags. Tags with equal data share it."""
    data, offsets = b"", {}
    start = 128 + 4 + 12 * len(tags)
    for body in tags.values():
        if body not in offsets:
            offsets[body] = start + len(data)
            data += body.ljust(-(-len(body) // 4) * 4, b"\0")
    table = b"".join(tag + struct.pack(">II", offsets[body], len(body)) for tag, body in tags.items())
    dated = struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
    head = b"\x04\x30\0\0" + b"mntrRGB XYZ " + dated + b"acsp" + bytes(28) + _fixed(*D50)
    size = start + len(data)
    return (struct.pack(">I", size) + bytes(4) + head).ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


def _fixed(*values: float) -> bytes:
    """Encode values as signed fixed-point numbers with 16 bits of fraction."""
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def _text(text: str) -> bytes:
    body = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">IIIHHII", 0, 1, 12, 0x656E, 0x5553, len(body), 28) + body


def _xyz(xy: tuple[float, float]) -> tuple[float, float, float]:
    x, y = xy
    return x / y, 1.0, (1 - x - y) / y


def _adaptation(white: Sequence[float]) -> Matrix:
    """Return Bradford's matrix from XYZ under this white to XYZ under D50."""
    gains = [target / source for target, source in zip(times(BRADFORD, D50), times(BRADFORD, white))]
    scaled = tuple(tuple(value * gain for value in row) for row, gain in zip(BRADFORD, gains))
    return product(inverse(BRADFORD), scaled)


# The 3 x 3 matrices are tuples because the process that decodes strangers' pictures does not load NumPy.


def transposed(matrix: Sequence[Sequence[float]]) -> Matrix:
    return tuple(zip(*matrix))


def times(matrix: Matrix, vector: Sequence[float]) -> tuple[float, ...]:
    return tuple(sum(a * b for a, b in zip(row, vector)) for row in matrix)


def product(left: Matrix, right: Matrix) -> Matrix:
    return transposed([times(left, column) for column in transposed(right)])


def inverse(matrix: Matrix) -> Matrix:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    cofactors = (
        (e * i - f * h, c * h - b * i, b * f - c * e),
        (f * g - d * i, a * i - c * g, c * d - a * f),
        (d * h - e * g, b * g - a * h, a * e - b * d),
    )
    determinant = a * cofactors[0][0] + b * cofactors[1][0] + c * cofactors[2][0]
    return tuple(tuple(value / determinant for value in row) for row in cofactors)
