"""An attacker with a session, which can send anything."""

import asyncio
import contextlib
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiortc import MediaStreamTrack, RTCRtpTransceiver

from clients.load.fast_rtp_sender import SENT_AT
from pipeline.styles.catalog import shipped
from pipeline.webrtc.internals import ice
from security.fort import AS_ATTACKER, ATTACKER, Target
from security.innocents import ConnectionFrom

_HEADER = struct.Struct("!BBHII")
ONE_BYTE_IDS = 0xBEDE


class Silent(MediaStreamTrack):
    """A track that sends nothing by itself."""

    kind = "video"

    async def recv(self):
        return await asyncio.Future()


class Peer(ConnectionFrom):
    """A client that is connected, and sends whatever it is told to."""

    def __init__(self, url: str, **callbacks: object) -> None:
        super().__init__(url, ATTACKER, headers=AS_ATTACKER, **callbacks)
        self.sequence = 0

    @property
    def dtls(self):
        return self.video.sender.transport

    def payload_type(self, kind: str = "video/VP8") -> int:
        return next(codec.payloadType for codec in self.video._codecs if codec.mimeType == kind)

    def extension_id(self, uri: str = SENT_AT) -> int:
        return next(e.id for e in self.video._headerExtensions if e.uri == uri)

    def rtp(
        self,
        payload: bytes,
        *,
        sequence: int | None = None,
        ssrc: int | None = None,
        marker: bool = True,
        extension: bytes = b"",
        kind: str = "video/VP8",
        at_s: float | None = None,
    ) -> None:
        """One packet of video, of a frame of `at_s` by time.monotonic().

        `extension` is all of a header extension, with its own header, or nothing.
        """
        if sequence is None:
            self.sequence = sequence = (self.sequence + 1) % 65536
        first = 0x90 if extension else 0x80
        ssrc = self.video.sender._ssrc if ssrc is None else ssrc
        header = _HEADER.pack(
            first,
            marker << 7 | self.payload_type(kind),
            sequence,
            int((at_s or time.monotonic()) * 90_000) % 2**32,
            ssrc,
        )
        ice.send(self.dtls.transport._connection, self.dtls._tx_srtp.protect(header + extension + payload))


@asynccontextmanager
async def connected(target: Target, **callbacks: object) -> AsyncIterator[Peer]:
    """A peer with a session and all codecs, which leaves at the end. If it is cut off, the block ends."""
    peer = Peer(target.url, **callbacks)
    RTCRtpTransceiver.setCodecPreferences = lambda self, codecs: None  # a normal client asks for VP8 alone
    try:
        await peer.open(Silent(), size=(640, 360), style=shipped()[0].id)
        with contextlib.suppress(ConnectionError):
            yield peer
    finally:
        await peer.close()
