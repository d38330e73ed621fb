"""Attacks by a peer with RTP, once it has a session."""

import asyncio
import random
import struct
import time

from security.fort import ATTACKER, Target
from security.offers import kept
from security.peer import ONE_BYTE_IDS, connected

VP8_BEGINS = b"\x10"


def vp8_key_frame(width: int, height: int) -> bytes:
    """159 bytes that claim to be a picture of this size, RFC 6386 section 9.1."""
    first_part = 120
    tag = first_part << 5 | 1 << 4
    return tag.to_bytes(3, "little") + b"\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(149)


async def many_sources(target: Target) -> str:
    """200 SSRCs in one stream: more than a receiver report has room for."""
    async with connected(target) as peer:
        for ssrc in range(1, 201):
            peer.rtp(VP8_BEGINS + vp8_key_frame(640, 376), ssrc=ssrc)
            await asyncio.sleep(0.005)
        await asyncio.sleep(3)  # so that reports are sent meanwhile
    return await kept(target)


async def huge_vp8(target: Target) -> str:
    """Key frames of 159 bytes that claim 16000 x 16000 pixels, ten of them."""
    async with connected(target) as peer:
        for _ in range(10):
            peer.rtp(VP8_BEGINS + vp8_key_frame(16000, 16000))
            await asyncio.sleep(0.2)
        await asyncio.sleep(2)
    return await kept(target)


async def changing_vp8(target: Target) -> str:
    """A new size with each intra frame, thirty a second, each of which is allowed by itself."""
    async with connected(target) as peer:
        for number in range(120):
            peer.rtp(VP8_BEGINS + vp8_key_frame(640 - 16 * (number % 20), 376))
            await asyncio.sleep(1 / 30)
    return await kept(target)


class Bits:
    """Writes bits and Exp-Golomb codes; ITU-T H.264, section 9.1."""

    def __init__(self) -> None:
        self.text = ""

    def ue(self, *values: int) -> "Bits":
        for value in values:
            digits = f"{value + 1:b}"
            self.text += "0" * (len(digits) - 1) + digits
        return self

    def raw(self, bits: str) -> "Bits":
        self.text += bits
        return self

    def nal(self, header: int) -> bytes:
        text = self.text + "1"
        text += "0" * (-len(text) % 8)
        data = int(text, 2).to_bytes(len(text) // 8)
        for three in (b"\0\0\0", b"\0\0\1", b"\0\0\2", b"\0\0\3"):
            data = data.replace(three, b"\0\0\3" + three[2:])
        return bytes([header]) + data


def h264_key_frame(width: int, height: int) -> list[bytes]:
    """The SPS, PPS and the beginning of an IDR slice of a picture of this size, in baseline profile."""
    sps = Bits().raw(f"{66:08b}{0xC0:08b}{62:08b}").ue(0, 0, 2, 1).raw("0").ue(width // 16 - 1, height // 16 - 1)
    sps.raw("1000")
    pps = Bits().ue(0, 0).raw("00").ue(0, 0, 0).raw("000").ue(0, 0, 0).raw("000")
    idr = Bits().ue(0, 7, 0).raw("0000").ue(0).raw("00").ue(0, 0).raw("1" * 64)
    return [sps.nal(0x67), pps.nal(0x68), idr.nal(0x65)]


async def huge_h264(target: Target) -> str:
    """H.264 whose SPS claims 16000 x 16000 pixels, ten times."""
    kind = "video/H264"
    async with connected(target) as peer:
        for _ in range(10):
            nals, at_s = h264_key_frame(16000, 16000), time.monotonic()
            for nal in nals:
                peer.rtp(nal, kind=kind, marker=nal is nals[-1], at_s=at_s)
            await asyncio.sleep(0.2)
        await asyncio.sleep(2)
    return await kept(target)


async def sequence_jumps(target: Target) -> str:
    """450 packets a second, each half the circle of sequence numbers ahead."""
    return await jumps(target, 32_000)


async def small_jumps(target: Target) -> str:
    """450 packets a second, each numbered 2,000 ahead, so that all those between are missing."""
    return await jumps(target, 2_000)


async def jumps(target: Target, ahead: int) -> str:
    async with connected(target) as peer:
        for number in range(450 * 4):
            peer.rtp(VP8_BEGINS + bytes(20), sequence=number * ahead % 65536)
            await asyncio.sleep(1 / 450)
    return ""


async def short_send_time(target: Target) -> str:
    """A header extension abs-send-time of one byte instead of three, and others that are cut short."""
    log = target.log.stat().st_size
    async with connected(target) as peer:
        number = peer.extension_id()
        bodies = ([number << 4, 1, 0, 0], [number << 4 | 15, 1, 2, 3], [number << 4 | 2, 1, 2, 3], [255] * 4)
        for body in [*map(bytes, bodies)] * 100:
            extension = struct.pack("!HH", ONE_BYTE_IDS, len(body) // 4) + body
            peer.rtp(VP8_BEGINS + bytes(20), extension=extension)
            await asyncio.sleep(0.005)
        own = [candidate.ip for candidate in peer.dtls.transport.iceGatherer.getLocalCandidates()]
    with target.log.open() as text:
        text.seek(log)
        written = text.read()
    if "Traceback" in written:
        return f"{written.count('Traceback')} traces in the log"
    return "the log holds the peer's address" if any(a in written for a in (*own, ATTACKER)) else ""


async def empty_and_garbage(target: Target) -> str:
    """Empty payloads, payloads of one byte, and of random bytes, with VP8's payload type, 300 a second."""
    dice = random.Random(0)
    async with connected(target) as peer:
        for _ in range(900):
            peer.rtp(dice.randbytes(dice.choice((0, 1, 2, 5, 50, 1000))), marker=dice.random() < 0.5)
            await asyncio.sleep(1 / 300)
    return await kept(target)
