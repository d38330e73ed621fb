"""Holes in aiortc 1.16, closed from outside until upstream does: what peers can reach with one message."""

from struct import unpack_from

from aiortc import rtcsctptransport
from OpenSSL import SSL

from pipeline.webrtc.internals.dtls import OpenCertificate

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


class Certificate(OpenCertificate):
    """Makes connections without new handshakes on an old one, each of which costs a signature."""

    def prepare(self, context: SSL.Context) -> None:
        context.set_options(SSL.OP_NO_RENEGOTIATION)
