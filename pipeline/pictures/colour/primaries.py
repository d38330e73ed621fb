"""Colour spaces by the chromaticities of their white, red, green and blue, and the matrices between them.

The matrices are tuples because the process that decodes strangers' pictures does not load NumPy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

Matrix = tuple[tuple[float, ...], ...]  # 3 x 3

D50 = (0.9642, 1.0, 0.8249)  # XYZ, as ICC rounds it
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
        columns = transposed([xyz(xy) for xy in (self.red, self.green, self.blue)])
        shares = times(inverse(columns), xyz(self.white))
        return tuple(tuple(value * share for value, share in zip(row, shares)) for row in columns)


D65 = (0.3127, 0.3290)
#: BT.709 has the same primaries.
SRGB = Primaries(D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))


def to_srgb(primaries: Primaries) -> Matrix:
    """Return the matrix from linear RGB with these primaries to linear sRGB, which maps white to white."""
    adapted = product(adaptation(xyz(primaries.white), xyz(D65)), primaries.matrix())
    return product(inverse(SRGB.matrix()), adapted)


def adaptation(white: Sequence[float], target: Sequence[float]) -> Matrix:
    """Return Bradford's matrix from XYZ under this white to XYZ under another."""
    gains = [there / here for there, here in zip(times(BRADFORD, target), times(BRADFORD, white))]
    scaled = tuple(tuple(value * gain for value in row) for row, gain in zip(BRADFORD, gains))
    return product(inverse(BRADFORD), scaled)


def xyz(xy: tuple[float, float]) -> tuple[float, float, float]:
    """Return the XYZ of a chromaticity, with Y = 1."""
    x, y = xy
    return x / y, 1.0, (1 - x - y) / y


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
