"""Closes holes in aiortc 1.16 that a peer can exploit with one message, until a release of aiortc closes them."""

from struct import unpack_from

from aiortc import rtcsctptransport
from OpenSSL import SSL

from pipeline.webrtc.internals.dtls import OpenCertificate

_decode_params = rtcsctptransport.decode_params


def decode_params(body: bytes) -> list[tuple[int, bytes]]:
    """Parse the parameters of an SCTP chunk as aiortc does, but raise ValueError for one with an impossible length.

    aiortc advances by the stated length, so that a length of zero would loop for ever and use up all memory.
    """
    position = 0
    while position <= len(body) - 4:
        (length,) = unpack_from("!H", body, position + 2)
        if not 4 <= length <= len(body) - position:
            raise ValueError(f"SCTP parameter of length {length}")
        position += length + rtcsctptransport.padl(length)
    return _decode_params(body)


class Certificate(OpenCertificate):
    """aiortc's certificate, for connections that refuse renegotiation: each new handshake would cost a signature."""

    def prepare(self, context: SSL.Context) -> None:
        context.set_options(SSL.OP_NO_RENEGOTIATION)
