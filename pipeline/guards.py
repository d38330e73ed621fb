"""Holes in aiortc 1.16 that any connected peer can reach, closed from outside until upstream does."""
from struct import unpack_from

from aiortc import rtcsctptransport

_decode_params = rtcsctptransport.decode_params


def decode_params(body: bytes) -> list[tuple[int, bytes]]:
    """aiortc's own, but a parameter shorter than its header, or longer than the rest, is an error.

    aiortc advances by the stated length: a zero would loop for ever and take all memory with it.
    """
    position = 0
    while position <= len(body) - 4:
        (length,) = unpack_from("!H", body, position + 2)
        if not 4 <= length <= len(body) - position:
            raise ValueError(f"SCTP parameter of length {length}")
        position += length + rtcsctptransport.padl(length)
    return _decode_params(body)


def install() -> None:
    rtcsctptransport.decode_params = decode_params
