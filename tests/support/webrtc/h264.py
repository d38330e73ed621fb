"""H.264's parameter sets, by hand."""

START = b"\0\0\0\1"
#: What a parameter set begins with.
SET = b"\x67"


class Writer:
    """Writes a parameter set's bits."""

    def __init__(self) -> None:
        self.bits = ""

    def put(self, value: int, count: int) -> "Writer":
        self.bits += format(value, f"0{count}b") if count else ""
        return self

    def code(self, *values: int) -> "Writer":
        for value in values:
            digits = format(value + 1, "b")
            self.bits += "0" * (len(digits) - 1) + digits
        return self

    def unit(self, *, escaped: bool = True) -> bytes:
        bits = self.bits + "1"
        bits += "0" * (-len(bits) % 8)
        raw = int(bits, 2).to_bytes(len(bits) // 8, "big")
        return SET + (escape(raw) if escaped else raw)


def escape(raw: bytes) -> bytes:
    """H.264 section 7.4.1."""
    out, zeros = bytearray(), 0
    for byte in raw:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


def sps(
    width: int,
    height: int,
    *,
    profile: int = 66,
    order: int = 2,
    frames_only: int = 1,
    references: int = 1,
    chroma: int = 1,
    depth: int = 0,
    lists: bool = False,
    crop: tuple = (),
) -> Writer:
    """Sides in macroblocks."""
    w = Writer().put(profile, 8).put(0, 8).put(40, 8).code(0)
    if profile in (100, 110, 118, 122, 128, 244):
        w.code(chroma)
        if chroma == 3:
            w.put(0, 1)
        w.code(depth, depth).put(0, 1).put(int(lists), 1)
        for size in (16,) * 6 + (64,) * 2 if lists else ():
            w.put(1, 1).code(*(0,) * size)
    w.code(0, order)
    if order == 0:
        w.code(2)
    if order == 1:
        w.put(0, 1).code(0, 0, 3, 1, 2, 3)
    w.code(references).put(0, 1).code(width - 1, height // (2 - frames_only) - 1).put(frames_only, 1)
    if not frames_only:
        w.put(0, 1)
    w.put(1, 1).put(int(bool(crop)), 1)
    if crop:
        w.code(*crop)
    return w.put(0, 1)


def claiming(frame: bytes, width: int, height: int) -> bytes:
    """An encoded frame, after a parameter set of another size in pixels."""
    units = frame.split(START)[1:]
    claim = sps(width // 16, height // 16).unit()
    return b"".join(START + (claim if unit.startswith(SET) else unit) for unit in units)
