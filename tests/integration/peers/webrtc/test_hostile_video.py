"""Real peers whose video means harm, at a gateway with all that a running one has."""

import asyncio
import fractions
import itertools
import logging
import time
from collections.abc import Iterator

import av
import pytest
from aiortc import MediaStreamTrack
from aiortc.rtp import RtpPacket

from pipeline.contract.control import ErrorMessage
from pipeline.monitoring.monitor import counted
from pipeline.webrtc.media import packet_intake
from support.webrtc.peers import Client, Running, until

pytestmark = pytest.mark.patched_only("the limits of received video")


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


async def test_a_claim_of_16000_pixels_squared_ends_the_session_with_a_sentence(webrtc, running):
    client = Client(running.url)
    client.camera = PacketCamera(itertools.repeat(claiming(16000, 16000)))

    await client.open()

    await until(lambda: any("larger than this server takes" in message.error for message in client.of(ErrorMessage)))
    await until(lambda: not running.gateway._sessions, 10)
    await client.close()
    assert counted(webrtc.streams_refused.labels("size")) == 1


async def attacker(running: Running) -> Client:
    client = Client(running.url)
    await client.open()
    await until(lambda: running.count("mvs_frames_received_total") >= 3)
    return client


def sender(client: Client):
    """(its RTP packets' sender, the last one's number): a peer that keeps to SRTP, and to nothing else."""
    return client.connection.video.sender


async def send(client: Client, packets: Iterator[RtpPacket]) -> None:
    for number, packet in enumerate(packets):
        await sender(client).transport._send_rtp(packet.serialize())
        if number % 50 == 49:
            await asyncio.sleep(0)  # others of this process have their turn


async def test_two_hundred_sources_leave_a_session_that_ends_as_any_other(webrtc, running):
    client = await attacker(running)
    (live,) = running.gateway._sessions.values()
    receiver = live._peer.getReceivers()[0]

    await send(client, (RtpPacket(97, 1, n, 0, 1_000 + n, b"\x10\x11\0\0") for n in range(200)))
    await until(lambda: counted(webrtc.refused.labels("source")) >= 150)
    await asyncio.wait_for(live.close(), 3)
    await client.close()

    assert len(receiver._RTCRtpReceiver__remote_streams) <= packet_intake.MOST_SOURCES
    assert not running.gateway._sessions


async def test_numbers_that_jump_make_nobody_wait(webrtc, running):
    """450 a second of these stopped the event loop."""
    client = await attacker(running)
    lag, ssrc = [], 77  # its own: SRTP holds a source to its numbers

    async def probe() -> None:
        while True:
            began_s = time.monotonic()
            await asyncio.sleep(0.01)
            lag.append(time.monotonic() - began_s)

    task = asyncio.create_task(probe())
    await send(
        client, (RtpPacket(97, 0, n * 32_767 % 65536, n * 90_000 % 2**32, ssrc, b"\x10\x11\0\0") for n in range(2000))
    )
    task.cancel()
    await client.close()

    assert max(lag) < 1.0  # aiortc took ten seconds, and who asks for nothing lost waits with all others


async def test_short_extensions_write_no_line(webrtc, running, caplog):
    client = await attacker(running)
    caplog.set_level(logging.INFO)
    caplog.clear()
    packet = RtpPacket(97, 1, 0, 0, 78, b"")
    data = packet.serialize()

    for number in range(50):
        head = bytes([data[0] | 0x10, data[1]]) + number.to_bytes(2, "big") + data[4:]
        await sender(client).transport._send_rtp(head + b"\xbe\xde\0\1\x30\1\0\0\x10\x11\0\0")

    await until(lambda: counted(webrtc.refused.labels("extension")) >= 40)
    assert not [record for record in caplog.records if record.exc_info or record.levelno > logging.INFO]
    await client.close()
