"""Writes ICC profiles for the colour spaces that PNG and AVIF declare in a few numbers: primaries and one curve.

The profiles follow ICC.1:2022. The same numbers give the same bytes.
"""

import struct

from pipeline.pictures.colour.primaries import D50, Primaries, adaptation, product, transposed, xyz
from pipeline.pictures.colour.transfer import Curve


def matrix_profile(primaries: Primaries, curve: Curve, name: str) -> bytes:
    """Return an RGB display profile; raises ValueError or ZeroDivisionError if no colour space has such primaries."""
    adapted = adaptation(xyz(primaries.white), D50)
    colorants = transposed(product(adapted, primaries.matrix()))
    if any(abs(value) > 100 for column in colorants for value in column):
        raise ValueError("These primaries are far beyond all colours.")
    trc = b"para" + struct.pack(">IHH", 0, 3, 0) + _fixed(*curve)
    tags = {
        b"desc": _text(name),
        b"cprt": _text("No copyright"),
        b"wtpt": b"XYZ " + bytes(4) + _fixed(*D50),
        b"chad": b"sf32" + bytes(4) + _fixed(*(value for row in adapted for value in row)),
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
