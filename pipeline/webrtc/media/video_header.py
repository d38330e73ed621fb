"""Reads from an encoded VP8 or H.264 frame how large a picture its decoder will have to make room for.

Everything here is pure. A frame that cannot be read here, or that FFmpeg could read differently, raises ValueError and
must reach no decoder.
"""

from dataclasses import dataclass
from typing import Self

VP8_START_CODE = b"\x9d\x01\x2a"
H264_START_CODE, H264_SPS = b"\0\0\1", 7
#: Each NAL unit costs time. A frame has room for 250,000 of them, but one of 1200-byte slices has fewer than this.
MOST_UNITS = 1024
#: An encoder that changes its size sends one sequence parameter set at a time; FFmpeg would keep 32.
MOST_SPS = 4
#: This is in bytes; a parameter set with everything that the standard allows in it has about 200.
LONGEST_SPS = 512
#: The plain profiles are baseline, main and extended. Parameter sets of the high ones also have chroma and bit depth.
PLAIN_PROFILES, HIGH_PROFILES = (66, 77, 88), (100, 110, 118, 122, 128, 244)
#: The side of a macroblock.
BLOCK_PX = 16
#: No level of H.264 allows more reference pictures (appendix A.3).
MOST_REFERENCES = 16
#: VP8 keeps the last, the golden and the alternate picture.
VP8_REFERENCES = 3
_LONGEST_CODE = 32


@dataclass(frozen=True, slots=True)
class Demand:
    """The pictures that a decoder has to make room for; width and height are whole macroblocks, before cropping."""

    width: int
    height: int
    #: How many pictures the decoder keeps besides the one that it decodes.
    references: int

    @classmethod
    def of(cls, width: int, height: int, references: int = MOST_REFERENCES) -> Self:
        """Return the demand of a picture of any size, which is rounded up to whole macroblocks."""
        return cls(-(-width // BLOCK_PX) * BLOCK_PX, -(-height // BLOCK_PX) * BLOCK_PX, references)

    @property
    def pixels(self) -> int:
        return self.width * self.height


def demands(codec: str, data: bytes) -> list[Demand]:
    """Return what an encoded frame asks of its decoder: an empty list if it declares no size. Raises ValueError.

    `codec` is "VP8" or "H264".
    """
    return _h264(data) if codec == "H264" else _vp8(data)


def _vp8(data: bytes) -> list[Demand]:
    """Read the size of a VP8 frame (RFC 6386 section 9.1), which only an intra frame declares."""
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
    """Read every sequence parameter set in an H.264 frame, wherever it is (section 7.3.1 and appendix B)."""
    if data.count(H264_START_CODE) > MOST_UNITS:
        raise ValueError("a frame has too many units")
    sets = [unit for unit in data.split(H264_START_CODE)[1:] if unit and unit[0] & 0x1F == H264_SPS]
    if len(sets) > MOST_SPS:
        raise ValueError("a frame has too many parameter sets")
    return [_read_set(unit[1:]) for unit in sets]


def _read_set(escaped: bytes) -> Demand:
    """Read a sequence parameter set, and refuse one that FFmpeg could read differently.

    FFmpeg ends a set where it is escaped wrongly, and reads a set that it could not parse again without unescaping it.
    """
    escaped = escaped.rstrip(b"\0")  # trailing zeros may belong to the next unit's start code
    if len(escaped) > LONGEST_SPS or b"\0\0\2" in escaped or b"\0\0\0" in escaped:
        raise ValueError("a parameter set is not escaped, or too long")
    bits = _Bits(escaped.replace(b"\0\0\3", b"\0\0"))
    demand, first_escape = _sps(bits), escaped.find(b"\0\0\3")
    if 0 <= first_escape and bits.read > 8 * (first_escape + 2):
        raise ValueError("a parameter set's size depends on who reads it")
    return demand


class _Bits:
    """Reads the numbers in a parameter set (H.264 section 9.1) one after the other; raises ValueError past its end."""

    def __init__(self, data: bytes) -> None:
        self._bits, self._size, self.read = int.from_bytes(data, "big"), 8 * len(data), 0

    def take(self, count: int) -> int:
        self.read += count
        if self.read > self._size:
            raise ValueError("a parameter set is cut short")
        return self._bits >> (self._size - self.read) & (1 << count) - 1

    def unsigned(self) -> int:
        """Read an unsigned Exp-Golomb code."""
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
    """Parse a sequence parameter set (section 7.3.2.1.1) up to the size of the picture."""
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
    height *= 2 - bits.take(1)  # if frames may be interlaced, the height is that of a field
    if references > MOST_REFERENCES:
        raise ValueError("more reference pictures than any level allows")
    return Demand(width * BLOCK_PX, height * BLOCK_PX, references)


def _check_format(bits: _Bits) -> None:
    """Raise ValueError for anything but 8 bits in 4:2:0: browsers offer nothing else, and the gateway reads only it."""
    chroma = bits.unsigned()
    if chroma != 1 or bits.unsigned() or bits.unsigned():
        raise ValueError("not 8 bits in 4:2:0")
    bits.take(1)
    if bits.take(1):
        for size in (16,) * 6 + (64,) * 2:
            if bits.take(1):
                _skip_scaling_list(bits, size)


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    """Skip a scaling list (section 7.3.2.1.1.1) of `size` entries."""
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
