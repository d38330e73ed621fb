"""Both jitter buffers before both kinds of decoder threads: padding, empty payloads and disorder do no harm."""

import asyncio
import functools
import queue
import threading
from types import SimpleNamespace

import av
import pytest
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtcrtpreceiver import decoder_worker
from aiortc.rtp import RtpPacket
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.load.recording import record
from pipeline.monitoring.metrics import GatewayMetrics
from pipeline.webrtc.media import guarded_decoder
from pipeline.webrtc.media.decoder_pool import EncodedStream
from pipeline.webrtc.media.guarded_decoder import MOST_FAILURES, GuardedDecoder
from pipeline.webrtc.media.handover import Handover
from pipeline.webrtc.media.jitter_buffer import jitter_buffer
from pipeline.webrtc.media.native_decoder import NativeDecoder
from pipeline.webrtc.media.video_header import VP8_START_CODE
from pipeline.webrtc.media.video_limits import MOST_PIXELS, Memory
from support.webrtc.our_parts import counters

COUNTERS = counters(GatewayMetrics())
VP8 = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000, payloadType=97)
#: The last ones fare well; aiortc's buffer, in which frames pile up, releases one with each.
FRAMES, LAST_FRAMES = 6, 20
AT_ITS_END = av.error.EOFError(0, "end")


class Watched(NativeDecoder):
    """Keeps what reaches FFmpeg."""

    reached: list[bytes] = []

    def decode(self, encoded_frame: JitterFrame) -> list:
        self.reached.append(encoded_frame.data)
        return super().decode(encoded_frame)


@functools.cache
def recorded() -> list[bytes]:
    return record(None, (64, 48), frames=FRAMES).packets


@functools.cache
def intra_frame() -> bytes:
    """Of another size, so that it is told from all others."""
    return record(None, (96, 64), frames=2).packets[0]


#: What becomes of a packet; a recording's frames have two each.
fates = st.lists(
    st.sampled_from(["comes"] * 4 + ["padding before", "padding after", "keep-alive", "emptied", "doubled", "late"]),
    min_size=2 * FRAMES,
    max_size=2 * FRAMES,
)


def packets(fates: list[str]) -> list[RtpPacket]:
    """A recording with all this done to it, then intra frames in packets that fare well."""
    made: list[RtpPacket] = []
    late: list[RtpPacket] = []
    number = 65_530
    fate = iter(fates)

    def add(data: bytes, timestamp: int, *, marker: bool = False) -> RtpPacket:
        nonlocal number
        packet = RtpPacket(
            payload_type=97, sequence_number=number % 65536, timestamp=timestamp, marker=int(marker), ssrc=1
        )
        packet._data = data
        number += 1
        return packet

    for frame, data in enumerate(recorded()):
        half, timestamp = len(data) // 2, 3000 * frame
        for part, is_last in ((data[:half], False), (data[half:], True)):
            what = next(fate)
            if what == "padding before":
                made.append(add(b"", timestamp))
            packet = add(b"" if what == "emptied" else part, timestamp, marker=is_last)
            (late if what == "late" else made).append(packet)
            made += [packet] if what == "doubled" else []
            if what == "padding after":
                made.append(add(b"", timestamp))
            elif what == "keep-alive":
                made.append(add(b"", timestamp + 1500, marker=True))
            if len(late) > 2:
                made.append(late.pop(0))
    made += late
    return made + [add(intra_frame(), 3000 * (FRAMES + count), marker=True) for count in range(LAST_FRAMES)]


def released(buffer: JitterBuffer, arriving: list[RtpPacket]) -> list[JitterFrame]:
    return [frame for packet in arriving if (frame := buffer.add(packet)[1])]


def by_aiortcs_threads(frames: list[JitterFrame]) -> list[av.VideoFrame]:
    decoder, shown = GuardedDecoder(VP8), []
    for frame in frames:
        try:
            shown += decoder.decode(frame)
        except av.FFmpegError:
            continue  # aiortc asks for an intra frame
    return shown


def by_our_threads(frames: list[JitterFrame]) -> list[av.VideoFrame]:
    turns: queue.SimpleQueue[EncodedStream] = queue.SimpleQueue()
    shown: list[av.VideoFrame] = []
    stream = EncodedStream(turns, COUNTERS, Memory())
    at_once = SimpleNamespace(call_soon_threadsafe=lambda call, *arguments: call(*arguments))
    stream.begin(at_once, Handover(shown.append, lambda: MOST_PIXELS, lambda why: None), threading.Event())
    for frame in frames:
        stream.put((VP8, frame))
        while not turns.empty():
            turns.get().take_turn()
    return shown


@settings(max_examples=60)
@given(fates)
@pytest.mark.parametrize(
    "buffer, decoded",
    [(JitterBuffer, by_aiortcs_threads), (JitterBuffer, by_our_threads), (jitter_buffer, by_our_threads)],
)
def test_nothing_that_is_empty_reaches_a_decoder_and_the_next_intra_frame_is_shown(buffer, decoded, fates):
    with pytest.MonkeyPatch.context() as patch:
        for module in ("guarded_decoder", "decoder_pool"):
            patch.setattr(f"pipeline.webrtc.media.{module}.native_decoder", lambda codec: Watched("vp8"))
        patch.setattr(Watched, "reached", [])

        shown = decoded(released(buffer(capacity=64, is_video=True), packets(fates)))

        assert all(Watched.reached)
    assert shown[-1].width == 96


def test_a_decoder_at_its_end_is_made_anew_and_an_intra_frame_asked_for(monkeypatch):
    made = failing(monkeypatch, AT_ITS_END)
    decoder = GuardedDecoder(VP8)

    with pytest.raises(av.FFmpegError):
        decoder.decode(JitterFrame(intra_frame(), 0))

    assert len(made) == 2


def test_a_decoder_that_fails_for_long_is_made_anew(monkeypatch):
    made = failing(monkeypatch, av.error.InvalidDataError(0, "broken"))
    decoder = GuardedDecoder(VP8)

    for _ in range(2 * MOST_FAILURES):
        with pytest.raises(av.FFmpegError):
            decoder.decode(JitterFrame(intra_frame(), 0))

    assert len(made) == 3


def failing(monkeypatch, error: Exception) -> list[object]:
    """The decoders that are made from now on, of which none works."""
    made: list[object] = []

    def fail(frame: JitterFrame) -> list:
        raise error

    def make(codec: object) -> SimpleNamespace:
        made.append(codec)
        return SimpleNamespace(decode=fail)

    monkeypatch.setattr(guarded_decoder, "native_decoder", make)
    return made


@pytest.mark.parametrize("size", [(16_000, 16_000), (16, 16_383)])
def test_a_header_that_claims_too_much_reaches_no_decoder(monkeypatch, size):
    monkeypatch.setattr(guarded_decoder, "native_decoder", lambda codec: Watched("vp8"))
    monkeypatch.setattr(Watched, "reached", [])
    width, height = (side.to_bytes(2, "little") for side in size)

    with pytest.raises(av.FFmpegError):
        GuardedDecoder(VP8).decode(JitterFrame(b"\x50\1\0" + VP8_START_CODE + width + height + bytes(149), 0))

    assert Watched.reached == []


async def test_aiortcs_own_thread_goes_on_after_whatever_comes(monkeypatch):
    """It would end with an error that is not FFmpeg's, and nobody would take frames any more."""
    monkeypatch.setattr("aiortc.rtcrtpreceiver.get_decoder", GuardedDecoder)
    encoded, shown, failed = queue.Queue(), asyncio.Queue(), threading.Event()
    for data in (intra_frame(), b"", b"\x10", b"\x11\0\0", intra_frame()):
        encoded.put((VP8, JitterFrame(data, 0)))
    encoded.put(None)

    await asyncio.to_thread(decoder_worker, asyncio.get_running_loop(), encoded, shown, failed)
    frames = [await asyncio.wait_for(shown.get(), 20) for _ in range(3)]

    assert [frame and frame.width for frame in frames] == [96, 96, None] and failed.is_set()
