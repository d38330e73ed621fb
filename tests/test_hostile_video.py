"""Real peers whose video means harm, at a gateway with all that a running one has."""
import asyncio
import fractions
import itertools
from collections.abc import Iterator

import av
import pytest
from aiortc import MediaStreamTrack, codecs, rtcrtpreceiver

from peers import Client, Running, restored_afterwards, unlimited_afterwards, until
from pipeline import decoding, express, guards, jitter


@pytest.fixture
async def fort(redis_url, web_root, monkeypatch):
    """A gateway as `workers.gateway` runs it."""
    for module, names in (
        (rtcrtpreceiver, ("JitterBuffer", "get_decoder", "queue", "threading")),
        (codecs, ("Vp8Decoder", "H264Decoder")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, getattr(module, name))
    restored_afterwards(monkeypatch)
    unlimited_afterwards(monkeypatch)
    async with Running(redis_url, web_root) as running:
        metrics = running.gateway.metrics
        guards.install(metrics.refused)
        jitter.install()
        express.install(decoding.Counters(metrics.frames_dropped, metrics.streams_refused), metrics.refused)
        yield running


class PacketCamera(MediaStreamTrack):
    """Sends encoded frames as they are, 30 a second."""

    kind = "video"

    def __init__(self, frames: Iterator[bytes]) -> None:
        super().__init__()
        self._frames, self.size, self._count = frames, (320, 240), 0

    async def recv(self) -> av.Packet:
        await asyncio.sleep(1 / 30)
        packet = av.Packet(next(self._frames))
        packet.pts, packet.time_base = 3000 * self._count, fractions.Fraction(1, 90_000)
        self._count += 1
        return packet


def claiming(width: int, height: int) -> bytes:
    """159 bytes that claim a VP8 picture of this size."""
    return b"\x50\1\0\x9d\1\x2a" + width.to_bytes(2, "little") + height.to_bytes(2, "little") + bytes(149)


async def test_a_claim_of_16000_pixels_squared_ends_the_session_with_a_sentence(fort):
    client = Client(fort.url)
    client.camera = PacketCamera(itertools.repeat(claiming(16000, 16000)))

    await client.open()

    await until(lambda: any("larger than this server takes" in message.get("error", "") for message in client.heard))
    await until(lambda: not fort.gateway._sessions, 10)
    await client.close()
    assert fort.count("mvs_streams_refused_total", reason="size") == 1
