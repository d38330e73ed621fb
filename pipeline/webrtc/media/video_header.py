"""How large a picture an encoded frame asks its decoder for, read before it gets there: VP8 and H.264. Pure.

What this module cannot read, or FFmpeg could read otherwise, is an error: it must reach no decoder.
"""

from dataclasses import dataclass
from typing import Self

VP8_START_CODE = b"\x9d\x01\x2a"
H264_START_CODE, H264_SPS = b"\0\0\1", 7
#: More units than a frame of 1200-byte slices has: each costs, and there is room for 250,000 in a frame.
MOST_UNITS = 1024
#: An encoder that changes between sizes sends one at a time; FFmpeg keeps 32.
MOST_SPS = 4
#: Bytes; with all scaling lists and what follows the size it may have 200.
LONGEST_SPS = 512
#: Baseline, main and extended; and those that go on with chroma format and bit depth.
PLAIN_PROFILES, HIGH_PROFILES = (66, 77, 88), (100, 110, 118, 122, 128, 244)
#: A macroblock's side.
BLOCK_PX = 16
#: H.264 appendix A.3: no level allows more.
MOST_REFERENCES = 16
#: What VP8 keeps: last, golden, alternate.
VP8_REFERENCES = 3
_LONGEST_CODE = 32


@dataclass(frozen=True, slots=True)
class Demand:
    """What a decoder has to make room for: whole macroblocks, before cropping."""

    width: int
    height: int
    #: Pictures that it keeps besides the one that it works on.
    references: int

    @classmethod
    def of(cls, width: int, height: int, references: int = MOST_REFERENCES) -> Self:
        """Of a picture, which lies in whole macroblocks."""
        return cls(-(-width // BLOCK_PX) * BLOCK_PX, -(-height // BLOCK_PX) * BLOCK_PX, references)

    @property
    def pixels(self) -> int:
        return self.width * self.height


def demands(codec: str, data: bytes) -> list[Demand]:
    """All that an encoded frame of "VP8" or "H264" asks for, usually nothing new; raises ValueError."""
    return _h264(data) if codec == "H264" else _vp8(data)


def _vp8(data: bytes) -> list[Demand]:
    """RFC 6386 section 9.1: only a key frame says its size."""
    if len(data) < 3:
        raise ValueError("a VP8 frame is cut short")
    if data[0] & 1:
        return []
    if len(data) < 10 or data[3:6] != VP8_START_CODE:
        raise ValueError("a VP8 key frame has no start code")
    width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    if not width or not height:
        raise ValueError("a VP8 key frame has no size")
    return [Demand.of(width, height, VP8_REFERENCES)]


def _h264(data: bytes) -> list[Demand]:
    """Of each sequence parameter set, wherever it is: H.264 section 7.3.1 and appendix B."""
    if data.count(H264_START_CODE) > MOST_UNITS:
        raise ValueError("a frame has too many units")
    sets = [unit for unit in data.split(H264_START_CODE)[1:] if unit and unit[0] & 0x1F == H264_SPS]
    if len(sets) > MOST_SPS:
        raise ValueError("a frame has too many parameter sets")
    return [_read_set(unit[1:]) for unit in sets]


def _read_set(escaped: bytes) -> Demand:
    """FFmpeg ends a set where it is wrongly escaped, and tries one that it cannot read again as it came."""
    escaped = escaped.rstrip(b"\0")  # may belong to the next unit's start code
    if len(escaped) > LONGEST_SPS or b"\0\0\2" in escaped or b"\0\0\0" in escaped:
        raise ValueError("a parameter set is not escaped, or too long")
    bits = _Bits(escaped.replace(b"\0\0\3", b"\0\0"))
    demand, first_escape = _sps(bits), escaped.find(b"\0\0\3")
    if 0 <= first_escape and bits.read > 8 * (first_escape + 2):
        raise ValueError("a parameter set's size depends on who reads it")
    return demand


class _Bits:
    """Reads a parameter set's numbers, H.264 section 9.1; raises ValueError past its end."""

    def __init__(self, data: bytes) -> None:
        self._bits, self._size, self.read = int.from_bytes(data, "big"), 8 * len(data), 0

    def take(self, count: int) -> int:
        self.read += count
        if self.read > self._size:
            raise ValueError("a parameter set is cut short")
        return self._bits >> (self._size - self.read) & (1 << count) - 1

    def unsigned(self) -> int:
        """An Exp-Golomb code."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros >= _LONGEST_CODE:
                raise ValueError("a number in a parameter set is too long")
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        code = self.unsigned()
        return (code + 1) // 2 if code & 1 else -(code // 2)


def _sps(bits: _Bits) -> Demand:
    """Section 7.3.2.1.1, as far as the size."""
    profile = bits.take(8)
    bits.take(16)  # constraints and level
    if bits.unsigned() > 31:
        raise ValueError("no number of a parameter set")
    if profile in HIGH_PROFILES:
        _check_format(bits)
    elif profile not in PLAIN_PROFILES:
        raise ValueError("an unknown profile")
    bits.unsigned()  # log2_max_frame_num_minus4
    _skip_picture_order(bits)
    references = bits.unsigned()
    bits.take(1)
    width, height = bits.unsigned() + 1, bits.unsigned() + 1
    height *= 2 - bits.take(1)  # of fields, where frames may be interlaced
    if references > MOST_REFERENCES:
        raise ValueError("more reference pictures than any level allows")
    return Demand(width * BLOCK_PX, height * BLOCK_PX, references)


def _check_format(bits: _Bits) -> None:
    """Raise ValueError for anything but 8 bits in 4:2:0, which is what browsers offer and what can be read here."""
    chroma = bits.unsigned()
    if chroma != 1 or bits.unsigned() or bits.unsigned():
        raise ValueError("not 8 bits in 4:2:0")
    bits.take(1)
    if bits.take(1):
        for size in (16,) * 6 + (64,) * 2:
            if bits.take(1):
                _skip_scaling_list(bits, size)


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    """Section 7.3.2.1.1.1."""
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _skip_picture_order(bits: _Bits) -> None:
    kind = bits.unsigned()
    if kind == 0:
        bits.unsigned()
    elif kind == 1:
        bits.take(1)
        bits.unsigned(), bits.unsigned()
        count = bits.unsigned()
        if count > 255:
            raise ValueError("too long an order of pictures")
        for _ in range(count):
            bits.unsigned()
    elif kind != 2:
        raise ValueError("an unknown order of pictures")
