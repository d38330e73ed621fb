"""Video on its way to a decoder: RTP, RTCP, what packets carry, and what decoders get."""

import asyncio
import queue
import struct
import threading
from random import Random
from types import SimpleNamespace

import av
from aiortc import rtcrtpreceiver
from aiortc.codecs import depayload
from aiortc.codecs.vpx import VpxPayloadDescriptor
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcrtpparameters import (
    RTCRtcpParameters,
    RTCRtpCodecParameters,
    RTCRtpDecodingParameters,
    RTCRtpHeaderExtensionParameters,
    RTCRtpReceiveParameters,
)

from harness import Finding, Target, in_loop
from mutations import flipped, joined, number, of_records, records, split
from pipeline.webrtc.media import packet_intake
from pipeline.webrtc.media.decoder_pool import FORMATS, EncodedStream
from pipeline.webrtc.media.fast_receive import FastReceivePath
from pipeline.webrtc.media.handover import Handover
from pipeline.webrtc.media.jitter_buffer import is_intra_frame
from pipeline.webrtc.media.rtp import Packet, vp8_data
from pipeline.webrtc.media.video_header import VP8_START_CODE
from pipeline.webrtc.media.video_limits import Memory
from targets.peer import COUNTERS, Dtls

VP8 = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000, payloadType=97)
H264 = RTCRtpCodecParameters(mimeType="video/H264", clockRate=90_000, payloadType=99)
RTX = RTCRtpCodecParameters(mimeType="video/rtx", clockRate=90_000, payloadType=98, parameters={"apt": 97})
SENT_AT = RTCRtpHeaderExtensionParameters(id=3, uri="http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time")
SSRC, RTX_SSRC = 0x1234, 0x1235
#: Reports, requests and estimates that one packet may cause.
MOST_SENT = 4
#: Of a client that said its pictures are 640x480.
MOST_PIXELS = 640 * 512


async def rtp(data: bytes) -> None:
    """Packets, then a receiver report: none raises, all are answered with little, few senders are remembered."""
    dtls, receiver = await _receiver()
    short = FastReceivePath(dtls, receiver)
    for packet in split(data):
        before = len(dtls.sent)
        short.data_received(packet, 1)
        if len(dtls.sent) > before + MOST_SENT or any(len(sent) > 1200 for sent in dtls.sent[before:]):
            raise Finding(f"one packet causes {len(dtls.sent) - before}")
    senders = len(receiver._RTCRtpReceiver__remote_streams)
    if max(senders, len(dtls._rtp_router.ssrc_table)) > packet_intake.MOST_SOURCES:
        raise Finding(f"{senders} senders")
    _report(receiver)
    frames = receiver._RTCRtpReceiver__decoder_queue
    while not frames.empty():
        _, frame = frames.get()
        is_intra_frame(frame.data)


async def rtcp(data: bytes) -> None:
    dtls, receiver = await _receiver()
    for packet in split(data):
        await dtls._handle_rtcp_data(packet)
    _report(receiver)
    await asyncio.sleep(0)


async def _receiver() -> tuple[Dtls, packet_intake.Receiver]:
    """One of video, whose decoder is a queue, and which does not report by itself."""
    dtls = Dtls()
    receiver = packet_intake.Receiver("video", dtls)
    receiver._track = SimpleNamespace(_queue=asyncio.Queue())
    receiver._set_rtcp_ssrc(3)
    parameters = RTCRtpReceiveParameters(
        codecs=[VP8, RTX, H264],
        headerExtensions=[SENT_AT],
        muxId="0",
        rtcp=RTCRtcpParameters(cname="peer", mux=True),
        encodings=[RTCRtpDecodingParameters(ssrc=SSRC, payloadType=97)],
    )
    own = "_RTCRtpReceiver__"
    for codec in parameters.codecs:
        getattr(receiver, own + "codecs")[codec.payloadType] = codec
    getattr(receiver, own + "rtx_ssrc")[RTX_SSRC] = SSRC
    setattr(receiver, own + "decoder_queue", queue.SimpleQueue())
    setattr(receiver, own + "decoder_thread", SimpleNamespace(join=lambda: None))
    dtls._register_rtp_receiver(receiver, parameters)
    return dtls, receiver


def _report(receiver: packet_intake.Receiver) -> None:
    """Have it make one receiver report, as it does each second."""
    nap, rtcrtpreceiver.random = rtcrtpreceiver.random, SimpleNamespace(random=lambda: -0.5)
    reporting = receiver._run_rtcp()
    try:
        reporting.send(None)
        reporting.send(None)
    finally:
        reporting.close()
        rtcrtpreceiver.random = nap


def payload(data: bytes) -> None:
    """What a packet carries: both codecs' bytes, as aiortc reads them, or ValueError."""
    try:
        packet = Packet.parse(data)
    except ValueError:
        packet = None
    if packet and len(packet.payload) > len(data):
        raise Finding("a payload longer than its packet")
    _vp8(data)
    try:
        depayload(H264, data)
    except ValueError:
        pass
    is_intra_frame(data)


def _vp8(data: bytes) -> None:
    if not data:
        return
    try:
        ours = vp8_data(data)
    except ValueError:
        ours = None
    try:
        theirs = VpxPayloadDescriptor.parse(data)[1]
    except ValueError:
        return
    if ours != theirs:
        raise Finding(f"{ours!r:.40} where aiortc reads {theirs!r:.40}")


async def video(data: bytes) -> None:
    """Encoded frames, VP8's (even first byte) or H.264's: pictures no larger than was said, or none."""
    codec = H264 if data[:1] and data[0] & 1 else VP8
    turns: queue.SimpleQueue[EncodedStream] = queue.SimpleQueue()
    stream, track = EncodedStream(turns, COUNTERS, Memory()), Handover(_inspect, lambda: MOST_PIXELS, lambda why: None)
    stream.begin(asyncio.get_running_loop(), track, threading.Event())
    for count, encoded in enumerate(split(data[1:])):
        stream.put((codec, JitterFrame(encoded, 3000 * count)))
        while not turns.empty():
            turns.get().take_turn()
        await asyncio.sleep(0)


def _inspect(picture: av.VideoFrame) -> None:
    if picture.width * picture.height > MOST_PIXELS or picture.format.name not in FORMATS:
        raise Finding(f"a picture of {picture.width}x{picture.height} in {picture.format.name}")


def _frame(data: bytes, rng: Random) -> bytes:
    """Another size in a key frame's header, or in a parameter set; or any other change, its start kept."""
    if data[3:6] == VP8_START_CODE and rng.random() < 0.5:
        sides = rng.choices((0, 1, 16, 17, 96, 300, 4096, 0x3FFF, number(rng) % 65536), k=2)
        return data[:6] + struct.pack("<HH", *sides) + data[10:]
    keep = rng.choice((0, 3, 10, 40))
    return data[:keep] + flipped(data[keep:], rng)


def _packet(data: bytes, rng: Random) -> bytes:
    """Other numbers, clocks, senders and flags in a header that stays one."""
    if len(data) < 12:
        return flipped(data, rng)
    first, second, sequence_number, timestamp, ssrc = struct.unpack_from("!BBHII", data)
    match rng.randrange(8):
        case 0:
            sequence_number += number(rng)
        case 1:
            timestamp += number(rng)
        case 2:
            ssrc = rng.choice((SSRC, RTX_SSRC, number(rng), rng.randrange(2**32)))
        case 3:
            second ^= 0x80
        case 4:
            second = rng.choice((97, 98, 99, 97 | 0x80, 99 | 0x80, rng.randrange(256)))
        case 5:
            first = 0x80 | rng.randrange(64)
        case 6:
            return data[:12] + flipped(data[12:], rng)
        case _:
            return flipped(data, rng)
    head = struct.pack("!BBHII", first, second, sequence_number % 2**16, timestamp % 2**32, ssrc % 2**32)
    return head + data[12:]


def _reports(data: bytes, rng: Random) -> bytes:
    """A compound's other count, kind or words, its length put right; or more of them."""
    if len(data) < 8:
        return flipped(data, rng)
    body = flipped(data[4:], rng) if rng.random() < 0.7 else data[4:]
    body = body[: len(body) & ~3]
    first = 0x80 | rng.choice((data[0] & 31, rng.randrange(64)))
    kind = rng.choice((data[1], rng.randint(200, 207)))
    return struct.pack("!BBH", first, kind, len(body) // 4) + body + (data if rng.random() < 0.2 else b"")


RTP = Target("rtp", in_loop(rtp), of_records(_packet), max_bytes=32 * 1024)
RTCP = Target("rtcp", in_loop(rtcp), of_records(_reports))
PAYLOAD = Target("payload", payload)
VIDEO = Target(
    "video",
    in_loop(video),
    lambda data, rng: data[:1] + joined(records(split(data[1:]), rng, _frame)),
    max_bytes=32 * 1024,
)
