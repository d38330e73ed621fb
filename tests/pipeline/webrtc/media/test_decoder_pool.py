import asyncio
import functools
import gc
import logging
import os
import queue
import sys
import threading
import weakref
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import psutil
import pytest
from aiortc.jitterbuffer import JitterFrame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clients.load.recording import record
from pipeline.monitoring.metrics import GatewayMetrics
from pipeline.monitoring.monitor import counted
from pipeline.webrtc.media import decoder_pool, video_limits
from pipeline.webrtc.media.decoder_pool import EncodedStream
from pipeline.webrtc.media.handover import Handover
from pipeline.webrtc.media.native_decoder import NativeDecoder
from pipeline.webrtc.media.video_header import VP8_START_CODE, Demand
from pipeline.webrtc.media.video_limits import FULL_HD_PIXELS, MOST_PIXELS, SHARED_BYTES, Memory
from support.webrtc.h264 import claiming


@pytest.fixture
def installed():
    """The counter of dropped frames."""
    return counters()


def counters() -> decoder_pool.Counters:
    metrics = GatewayMetrics()
    return decoder_pool.Counters(metrics.frames_dropped, metrics.streams_refused)


def stream(turns: queue.SimpleQueue, counters: decoder_pool.Counters, memory: Memory | None = None) -> EncodedStream:
    return EncodedStream(turns, counters, memory or Memory())


class Decoder:
    """Shows pictures that are but numbers, of one macroblock."""

    def decode(self, frame):
        if frame.broken:
            raise frame.broken
        return [SimpleNamespace(number=frame.number, width=16, height=16, format=SimpleNamespace(name="yuv420p"))]


def numbers(out: asyncio.Queue) -> list[int | None]:
    shown = [out.get_nowait() for _ in range(out.qsize())]
    return [picture and picture.number for picture in shown]


async def decoded(frames, counters, monkeypatch) -> tuple[list, threading.Event]:
    """What comes out of a stream that all of this waits in, and whether it asks for an intra frame."""
    monkeypatch.setattr(decoder_pool, "native_decoder", lambda codec: Decoder())
    monkeypatch.setattr(decoder_pool, "MOST_HANDED", len(frames))
    turns, out, failed = queue.SimpleQueue(), asyncio.Queue(), threading.Event()
    made = stream(turns, counters)
    made.begin(asyncio.get_running_loop(), out, failed)
    for frame in frames:
        made.put((VP8, frame))
    made.put(None)
    await asyncio.to_thread(take_all, turns)
    await asyncio.sleep(0)
    return numbers(out), failed


def take_all(turns) -> list[EncodedStream]:
    """Who took turns, until nobody has one."""
    took = []
    while not turns.empty():
        took.append(turns.get())
        took[-1].take_turn()
    return took


VP8, H264 = SimpleNamespace(name="VP8"), SimpleNamespace(name="H264")
BROKEN, AT_ITS_END = av.error.InvalidDataError(1, "broken"), av.error.EOFError(1, "End of file")


def key_frame(width: int, height: int, size: int = 10) -> bytes:
    """The header of a VP8 picture, and nothing that makes sense."""
    header = b"\x10\0\0" + VP8_START_CODE + width.to_bytes(2, "little") + height.to_bytes(2, "little")
    return header + bytes(size - len(header))


def encoded_frame(number, *, whole=False, broken=None, data=None) -> SimpleNamespace:
    data = data if data is not None else key_frame(16, 16) if whole else b"\x11\0\0"
    return SimpleNamespace(number=number, data=data, broken=broken, timestamp=0)


async def test_a_frame_that_cannot_be_decoded_is_told_and_the_next_one_is_decoded(installed, monkeypatch):
    numbers, failed = await decoded([encoded_frame(0, broken=BROKEN), encoded_frame(1)], installed, monkeypatch)

    assert numbers == [1, None]
    assert failed.is_set()
    assert counted(installed.dropped.labels("broken")) == 1


async def test_a_decoder_that_is_behind_goes_on_with_the_next_intra_frame(installed, monkeypatch):
    frames = [encoded_frame(number, whole=number in (0, 20)) for number in range(30)]

    numbers, failed = await decoded(frames, installed, monkeypatch)

    assert numbers == [0, *range(20, 30), None]
    assert failed.is_set()
    assert counted(installed.dropped.labels("behind")) == 19


async def test_a_decoder_that_keeps_up_skips_nothing(installed, monkeypatch):
    frames = [encoded_frame(number, whole=number == 0) for number in range(decoder_pool.MOST_WAITING)]

    numbers, failed = await decoded(frames, installed, monkeypatch)

    assert numbers == [*range(decoder_pool.MOST_WAITING), None] and not failed.is_set()


async def test_a_stream_with_much_to_decode_lets_the_others_go_first(installed, monkeypatch):
    monkeypatch.setattr(decoder_pool, "native_decoder", lambda codec: Decoder())
    turns = queue.SimpleQueue()
    heavy, light = stream(turns, installed), stream(turns, installed)
    for made, frames in ((heavy, 5), (light, 2)):
        made.begin(asyncio.get_running_loop(), asyncio.Queue(), threading.Event())
        for number in range(frames):
            made.put((VP8, encoded_frame(number)))

    assert take_all(turns) == [heavy, light, heavy, light, heavy, heavy, heavy]


async def test_threads_share_streams_and_keep_each_ones_order(installed, monkeypatch):
    monkeypatch.setattr(decoder_pool, "native_decoder", lambda codec: Decoder())
    monkeypatch.setattr(decoder_pool, "MOST_HANDED", 50)
    turns = queue.SimpleQueue()
    outs, streams = [asyncio.Queue() for _ in range(5)], [stream(turns, installed) for _ in range(5)]
    for _ in range(3):
        threading.Thread(target=decoder_pool.run_decoder_thread, args=(turns,), daemon=True).start()
    for made, out in zip(streams, outs):
        made.begin(asyncio.get_running_loop(), out, threading.Event())
    for number in range(50):
        for made in streams:
            made.put((VP8, encoded_frame(number, whole=True)))

    for out in outs:
        assert [(await asyncio.wait_for(out.get(), 20)).number for _ in range(50)] == list(range(50))


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness of their own on Linux only")
def test_decoders_leave_the_processor_to_the_event_loop():
    turns, said = queue.SimpleQueue(), queue.SimpleQueue()
    threading.Thread(target=decoder_pool.run_decoder_thread, args=(turns,), daemon=True).start()

    turns.put(SimpleNamespace(take_turn=lambda: said.put(os.getpriority(os.PRIO_PROCESS, 0))))

    assert said.get(timeout=5) > os.getpriority(os.PRIO_PROCESS, 0)


@pytest.mark.parametrize("trouble", [AttributeError("not FFmpeg's"), MemoryError(), BROKEN])
async def test_a_stream_whose_decoder_fails_goes_on(installed, monkeypatch, trouble):
    frames = [encoded_frame(0, whole=True), encoded_frame(1, broken=trouble), encoded_frame(2, whole=True)]

    assert (await decoded(frames, installed, monkeypatch))[0] == [0, 2, None]


async def test_a_decoder_that_fails_takes_no_other_stream_along(installed, monkeypatch):
    monkeypatch.setattr(decoder_pool, "native_decoder", lambda codec: Decoder())
    turns, out = queue.SimpleQueue(), asyncio.Queue()
    broken, sound = stream(turns, installed), stream(turns, installed)
    for made, codec in ((broken, None), (sound, VP8)):
        made.begin(asyncio.get_running_loop(), out, threading.Event())
        made.put((codec, encoded_frame(1, whole=True)))

    threading.Thread(target=decoder_pool.run_decoder_thread, args=(turns,), daemon=True).start()

    assert (await asyncio.wait_for(out.get(), 20)).number == 1


async def test_a_decoder_at_its_end_is_made_anew(installed, monkeypatch):
    made = []
    frames = [encoded_frame(0, whole=True), encoded_frame(1, broken=AT_ITS_END), encoded_frame(2, whole=True)]
    make = SimpleNamespace(decode=Decoder().decode)
    turns, failed = queue.SimpleQueue(), threading.Event()
    monkeypatch.setattr(decoder_pool, "native_decoder", lambda codec: made.append(codec) or make)
    one = stream(turns, installed)
    one.begin(asyncio.get_running_loop(), asyncio.Queue(), failed)
    for frame in frames:
        one.put((VP8, frame))

    take_all(turns)

    assert len(made) == 2 and failed.is_set()


async def test_a_decoder_that_fails_for_long_is_made_anew(installed, monkeypatch):
    made = []
    monkeypatch.setattr(decoder_pool, "native_decoder", lambda codec: made.append(codec) or Decoder())
    turns = queue.SimpleQueue()
    one = stream(turns, installed)
    one.begin(asyncio.get_running_loop(), asyncio.Queue(), threading.Event())
    for number in range(2 * decoder_pool.MOST_FAILURES):
        one.put((VP8, encoded_frame(number, broken=BROKEN)))
        take_all(turns)

    assert len(made) == 2


class Track:
    """A track whose frames go to a session that said how large they are."""

    def __init__(self, counters: decoder_pool.Counters, memory: Memory | None = None) -> None:
        self.turns, self.shown, self.said, self.failed = queue.SimpleQueue(), [], [], threading.Event()
        self.most_pixels = FULL_HD_PIXELS
        self.stream = stream(self.turns, counters, memory)
        handover = Handover(self.shown.append, lambda: self.most_pixels, self.said.append)
        self.stream.begin(SimpleNamespace(call_soon_threadsafe=lambda call, *args: call(*args)), handover, self.failed)

    def send(self, *frames: bytes, codec=VP8) -> None:
        for data in frames:
            self.stream.put((codec, JitterFrame(data, 0)))
            take_all(self.turns)


def resident_mb() -> float:
    return psutil.Process().memory_info().rss / 1e6


@pytest.mark.parametrize("size", [(16000, 16000), (16383, 16383), (16383, 600), (4096, 2320), (16, 16383)])
def test_a_header_that_claims_too_much_ends_the_stream_before_it_costs_anything(installed, size):
    track, before_mb = Track(installed), resident_mb()

    track.send(key_frame(*size, 159))
    track.send(*record(None, (192, 108), frames=2).packets)  # what comes after it is nobody's any more

    assert len(track.said) == 1 and "larger than this server takes" in track.said[0]
    assert track.shown == []
    assert counted(installed.refused.labels("size")) == 1
    assert resident_mb() - before_mb < 50


@pytest.mark.parametrize("size", [(16000, 16000), (8192, 4320)])
def test_ffmpeg_refuses_by_itself_what_our_reader_might_miss(size):
    before_mb = resident_mb()

    with pytest.raises(av.FFmpegError):
        NativeDecoder("vp8").decode(JitterFrame(key_frame(*size, 159), 0))
    with pytest.raises(av.FFmpegError):
        NativeDecoder("h264").decode(JitterFrame(claiming(x264((192, 112))[0], *size), 0))

    assert resident_mb() - before_mb < 300


@functools.cache
def x264(size: tuple[int, int], frames: int = 1, **options: str) -> list[bytes]:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = *size, "yuv420p", Fraction(1, 30)
    encoder.options = {"tune": "zerolatency", "preset": "ultrafast", **options}
    grey = av.VideoFrame.from_ndarray(np.full((size[1] * 3 // 2, size[0]), 128, np.uint8), format="yuv420p")
    return [bytes(packet) for _ in range(frames) for packet in encoder.encode(grey)]


def test_h264_larger_than_anybodys_ends_the_stream(installed):
    track, frame = Track(installed), x264((192, 112))[0]

    track.send(frame, claiming(frame, 8192, 4320), codec=H264)

    assert len(track.shown) == 1 and len(track.said) == 1


def test_video_larger_than_was_said_is_dropped_and_refused_when_it_stays_so(installed, monkeypatch):
    """Its announcement may be on its way."""
    clock = Clock()
    monkeypatch.setattr(decoder_pool, "time", clock)
    track = Track(installed)

    track.send(key_frame(2560, 1456), b"\x11\0\0")
    assert track.shown == track.said == [] and track.failed.is_set()
    clock.now_s += video_limits.GRACE_S + 0.1
    track.send(b"\x11\0\0")

    assert len(track.said) == 1 and "larger than declared" in track.said[0]


def test_video_whose_size_is_said_late_goes_on(installed, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(decoder_pool, "time", clock)
    track = Track(installed)

    track.send(key_frame(2560, 1456), b"\x11\0\0")
    track.most_pixels = 2560 * 1456
    clock.now_s += video_limits.GRACE_S + 0.1
    track.send(b"\x11\0\0", vp8((2560, 1440)))

    assert track.said == [] and len(track.shown) == 1


@functools.cache
def vp8(size: tuple[int, int]) -> bytes:
    return record(None, size, frames=2).packets[0]


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


def test_video_that_keeps_changing_its_size_is_refused(installed):
    track = Track(installed)

    track.send(*(key_frame(160 + 16 * number, 160, 100) for number in range(60)))

    assert len(track.said) == 1 and "too often" in track.said[0]
    assert counted(installed.refused.labels("changes")) == 1


def test_a_decoder_that_goes_back_and_forth_between_earlier_sizes_counts_them_too(installed):
    """H.264 may name sizes once, and use them in turn."""
    room = video_limits.Room(Memory(), 0.0)
    room.enter([Demand.of(160, 160)], FULL_HD_PIXELS, 0.0)

    with pytest.raises(video_limits.StreamRefused, match="too often"):
        for number in range(20):
            room.check(SimpleNamespace(width=320 + 16 * number, height=160), 0.0)


def test_all_large_videos_share_one_memory_and_give_it_back(installed):
    memory = Memory()
    tracks = [Track(installed, memory) for _ in range(12)]
    for track in tracks:
        track.most_pixels = MOST_PIXELS
        track.send(key_frame(4096, 2304, 300))

    refused = [track for track in tracks if track.said]
    small = Track(installed, memory)
    small.send(vp8((192, 112)))

    assert 4 <= len(refused) < 12 and all("no room" in track.said[0] for track in refused)
    assert memory.held <= SHARED_BYTES
    assert len(small.shown) == 1
    for track in tracks:
        track.stream.put(None)
        take_all(track.turns)
    assert memory.held == 0


def test_as_many_full_hd_sessions_as_there_are_places_need_nothing_of_what_is_shared(installed):
    memory = Memory()
    tracks = [Track(installed, memory) for _ in range(32)]

    for track in tracks:
        track.send(key_frame(1920, 1096, 300))

    assert memory.held == 0 and not any(track.said for track in tracks)


def test_a_decoder_is_given_back_at_the_end(installed):
    track = Track(installed)
    track.send(vp8((192, 112)))
    codec = weakref.ref(track.stream._decoder)

    track.stream.put(None)
    take_all(track.turns)
    gc.collect()

    assert codec() is None and track.shown[-1] is None


@pytest.mark.parametrize(
    "codec, packets",
    [(VP8, lambda: record(None, (192, 112), frames=6).packets), (H264, lambda: x264((192, 112), 6))],
    ids=["VP8", "H264"],
)
def test_empty_frames_reach_no_decoder(installed, codec, packets):
    """They are what padding makes; FFmpeg takes one for the end of all."""
    packets, track = packets(), Track(installed)

    track.send(*(part for packet in packets for part in (b"", packet, b"")), codec=codec)

    assert len(track.shown) == len(packets)
    assert counted(installed.dropped.labels("empty")) == 2 * len(packets)
    assert counted(installed.dropped.labels("broken")) == 0


@pytest.mark.parametrize("decoder", ["vp8", "h264"])
def test_ffmpeg_takes_an_empty_frame_for_the_end(decoder):
    """Why none may reach it; when this fails, upstream has changed."""
    made = NativeDecoder(decoder)
    made.decode(JitterFrame(b"", 0))

    with pytest.raises(av.error.EOFError):
        made.decode(JitterFrame(x264((192, 112))[0], 0))


def test_more_frames_than_any_camera_sends_are_dropped(installed, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(decoder_pool, "time", clock)
    track, picture = Track(installed), record(None, (192, 112), frames=2).packets[0]

    for _ in range(1000):
        clock.now_s += 0.001
        track.send(picture)

    most = decoder_pool.FRAMES_AT_ONCE + decoder_pool.FRAMES_PER_S
    assert decoder_pool.FRAMES_PER_S <= len(track.shown) <= most
    assert counted(installed.dropped.labels("budget")) >= 1000 - most


def test_what_waits_for_a_decoder_is_bounded_in_bytes_and_number(installed):
    """Whole pictures are never skipped, so nothing else bounds them."""
    track = Track(installed)

    for _ in range(500):
        track.stream.put((VP8, JitterFrame(key_frame(160, 160, 500_000), 0)))

    assert track.stream._waiting_bytes <= decoder_pool.MOST_QUEUED_BYTES
    take_all(track.turns)
    for _ in range(500):
        track.stream.put((VP8, JitterFrame(key_frame(160, 160), 0)))

    assert len(track.stream._encoded) <= decoder_pool.MOST_QUEUED


def test_pictures_wait_for_the_event_loop_only_so_many(installed):
    track, kept = Track(installed), []
    track.stream._loop = SimpleNamespace(call_soon_threadsafe=lambda *call: kept.append(call))

    track.send(*record(None, (192, 112), frames=30).packets)

    assert len(kept) == decoder_pool.MOST_HANDED


def test_trouble_is_logged_once_a_stream(installed, caplog):
    caplog.set_level(logging.INFO)
    track = Track(installed)

    track.send(*(b"\x11\0\0\xff" for _ in range(60)))

    assert len(caplog.records) == 1 and caplog.records[0].exc_info is None


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=60), max_size=8), st.sampled_from([VP8, H264]))
def test_any_frames_are_decoded_or_dropped_and_the_next_intra_frame_is_shown(installed, frames, codec):
    whole = {"VP8": lambda: vp8((192, 112)), "H264": lambda: x264((192, 112))[0]}[codec.name]()
    track = Track(installed)

    track.send(*frames, codec=codec)
    before = len(track.shown)
    track.send(whole, codec=codec)

    assert track.said or len(track.shown) > before
