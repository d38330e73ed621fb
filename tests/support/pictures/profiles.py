"""Makes ICC profiles of version 2, like those of old cameras and presses, and computes the colours that are right."""

import struct

import numpy as np

ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
DISPLAY_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
PROPHOTO = ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491))
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
D50 = (0.9642, 1.0, 0.8249)


def rgb_profile(colorants: tuple, gamma: float) -> bytes:
    """A display's profile: the XYZ of red, green and blue under D50, and one power for all."""
    tags = {name: _xyz(xyz) for name, xyz in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colorants)}
    return profile(b"mntr", b"RGB ", b"XYZ ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(gamma)))


def grey_profile(gamma: float) -> bytes:
    return profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": _curve(gamma)})


def table_profile(space: bytes, channels: int, steps: int = 3) -> bytes:
    """A press's profile, in which every ink darkens only L; no formula of RGB gives the same."""
    nodes = np.stack(np.meshgrid(*[np.linspace(0, 1, steps)] * channels, indexing="ij"), -1).reshape(-1, channels)
    light = (1 - nodes).mean(-1) if space == b"CMYK" else nodes.mean(-1)
    lab = np.stack([light * 255, 128 + 60 * (nodes[:, 0] - nodes[:, 1]), 128 + 40 * nodes[:, 2]], -1)
    ramp = bytes(range(256))
    matrix = b"".join(struct.pack(">i", 65536 if index % 4 == 0 else 0) for index in range(9))
    body = b"mft1" + bytes(4) + bytes([channels, 3, steps, 0]) + matrix
    body += ramp * channels + lab.round().astype(np.uint8).tobytes() + ramp * 3
    return profile(b"prtr", space, b"Lab ", {b"A2B0": body})


def program_bomb(steps: int) -> bytes:
    """A pipeline of matrices and curves, of 8 bytes each, which all refer to the same two in the file."""
    matrix = b"matf" + struct.pack(">4xHH12f", 3, 3, 1, 0.01, 0, 0, 1, 0.01, 0.01, 0, 1, 0.01, 0, 0)
    formula = b"parf" + struct.pack(">4xHH4f", 0, 0, 1.1, 1, 0, 0)
    curve = b"curf" + struct.pack(">4xHHf", 2, 0, 0.5) + formula * 2
    curves = b"cvst" + struct.pack(">4xHH6I", 3, 3, *[36, len(curve)] * 3) + curve
    start = 16 + 16 * steps
    places = struct.pack(">4I", start, len(matrix), start + len(matrix), len(curves)) * steps
    body = b"mpet" + struct.pack(">4xHHI", 3, 3, 2 * steps) + places + matrix + curves
    bomb = profile(b"mntr", b"RGB ", b"XYZ ", {b"D2B0": body})
    return bomb[:8] + b"\x04\x30\0\0" + bomb[12:]


def profile(kind: bytes, space: bytes, between: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = {b"desc": b"desc" + struct.pack(">4xI", 5) + b"test\0" + bytes(78), b"wtpt": _xyz(D50), **tags}
    table, data = struct.pack(">I", len(tags)), b""
    for name, body in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(data), len(body))
        data += body + bytes(-len(body) % 4)
    head = struct.pack(">4xI", 0x02400000) + kind + space + between + struct.pack(">6H", 2020, 1, 1, 0, 0, 0)
    head += b"acsp" + bytes(28) + _fixed(D50) + bytes(48)
    return struct.pack(">I", 4 + len(head + table + data)) + head + table + data


def shown(rgb: np.ndarray, colorants: tuple, gamma: float) -> np.ndarray:
    """The sRGB levels of pixels (0..255) under `rgb_profile(colorants, gamma)`."""
    xyz = (rgb / 255) ** gamma @ np.array(colorants)
    return encoded(xyz @ np.linalg.inv(np.array(SRGB)))


def encoded(linear: np.ndarray) -> np.ndarray:
    """The sRGB levels of linear light, where 1 is white."""
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def _xyz(xyz: tuple) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(xyz)


def _fixed(values: tuple) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def _curve(gamma: float) -> bytes:
    return b"curv" + struct.pack(">4xIH", 1, round(gamma * 256))
