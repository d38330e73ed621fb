import asyncio
import os
import queue
import sys
import threading
from types import SimpleNamespace

import av
import numpy as np
import pytest
from aiortc import rtcrtpreceiver
from aiortc.codecs.vpx import Vp8Decoder
from aiortc.jitterbuffer import JitterFrame

from clients.recording import record
from pipeline import decoding
from pipeline.decoding import NativeVp8Decoder, Stream
from pipeline.metrics import GatewayMetrics
from pipeline.picking import planes
from pipeline.watch import counted


@pytest.fixture
def installed():
    """The counter of dropped frames."""
    return GatewayMetrics().frames_dropped


class Decoder:
    """Gives back what it is given, but for what is broken."""

    def decode(self, frame):
        if frame.broken:
            raise av.error.InvalidDataError(1, "broken")
        return [frame.number]


async def decoded(frames, dropped, monkeypatch) -> tuple[list, threading.Event]:
    """What comes out of a stream that all of this waits in, and whether it asks for a whole picture."""
    monkeypatch.setattr(rtcrtpreceiver, "get_decoder", lambda codec: Decoder())
    turns, out, failed = queue.SimpleQueue(), asyncio.Queue(), threading.Event()
    stream = Stream(turns, dropped)
    stream.begin(asyncio.get_running_loop(), out, failed)
    for frame in frames:
        stream.put((SimpleNamespace(name="VP8"), frame))
    stream.put(None)
    await asyncio.to_thread(take_all, turns)
    await asyncio.sleep(0)
    return [out.get_nowait() for _ in range(out.qsize())], failed


def take_all(turns) -> list[Stream]:
    """Who took turns, until nobody has one."""
    took = []
    while not turns.empty():
        took.append(turns.get())
        took[-1].take_turn()
    return took


def encoded_frame(number, *, whole=False, broken=False) -> SimpleNamespace:
    return SimpleNamespace(number=number, data=b"\x00" if whole else b"\x01", broken=broken)


async def test_a_frame_that_cannot_be_decoded_is_told_and_the_next_one_is_decoded(installed, monkeypatch):
    numbers, failed = await decoded([encoded_frame(0, broken=True), encoded_frame(1)], installed, monkeypatch)

    assert numbers == [1, None]
    assert failed.is_set()
    assert counted(installed.labels("broken")) == 1


async def test_a_decoder_that_is_behind_goes_on_with_the_next_whole_picture(installed, monkeypatch):
    frames = [encoded_frame(number, whole=number in (0, 20)) for number in range(30)]

    numbers, failed = await decoded(frames, installed, monkeypatch)

    assert numbers == [0, *range(20, 30), None]
    assert failed.is_set()
    assert counted(installed.labels("behind")) == 19


async def test_a_decoder_that_keeps_up_skips_nothing(installed, monkeypatch):
    frames = [encoded_frame(number, whole=number == 0) for number in range(decoding.MOST_WAITING)]

    numbers, failed = await decoded(frames, installed, monkeypatch)

    assert numbers == [*range(decoding.MOST_WAITING), None] and not failed.is_set()


async def test_a_stream_with_much_to_decode_lets_the_others_go_first(installed, monkeypatch):
    monkeypatch.setattr(rtcrtpreceiver, "get_decoder", lambda codec: Decoder())
    turns = queue.SimpleQueue()
    heavy, light = Stream(turns, installed), Stream(turns, installed)
    for stream, frames in ((heavy, 5), (light, 2)):
        stream.begin(asyncio.get_running_loop(), asyncio.Queue(), threading.Event())
        for number in range(frames):
            stream.put((SimpleNamespace(name="VP8"), encoded_frame(number)))

    assert take_all(turns) == [heavy, light, heavy, light, heavy, heavy, heavy]


async def test_threads_share_streams_and_keep_each_ones_order(installed, monkeypatch):
    monkeypatch.setattr(rtcrtpreceiver, "get_decoder", lambda codec: Decoder())
    turns = queue.SimpleQueue()
    outs, streams = [asyncio.Queue() for _ in range(5)], [Stream(turns, installed) for _ in range(5)]
    for _ in range(3):
        threading.Thread(target=decoding.work, args=(turns,), daemon=True).start()
    for stream, out in zip(streams, outs):
        stream.begin(asyncio.get_running_loop(), out, threading.Event())
    for number in range(200):
        for stream in streams:
            stream.put((SimpleNamespace(name="VP8"), encoded_frame(number, whole=True)))

    for out in outs:
        assert [await asyncio.wait_for(out.get(), 20) for _ in range(200)] == list(range(200))


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness of their own on Linux only")
def test_decoders_leave_the_processor_to_the_event_loop():
    turns, said = queue.SimpleQueue(), queue.SimpleQueue()
    threading.Thread(target=decoding.work, args=(turns,), daemon=True).start()

    turns.put(SimpleNamespace(take_turn=lambda: said.put(os.getpriority(os.PRIO_PROCESS, 0))))

    assert said.get(timeout=5) > os.getpriority(os.PRIO_PROCESS, 0)


async def test_a_stream_whose_decoder_fails_goes_on(installed):
    turns, out = queue.SimpleQueue(), asyncio.Queue()
    stream = Stream(turns, installed)
    stream.begin(asyncio.get_running_loop(), out, threading.Event())
    stream.put((None, encoded_frame(1)))
    stream.put(None)

    threading.Thread(target=decoding.work, args=(turns,), daemon=True).start()

    assert await asyncio.wait_for(out.get(), 20) is None


async def test_a_decoder_that_fails_takes_no_other_stream_along(installed, monkeypatch):
    monkeypatch.setattr(rtcrtpreceiver, "get_decoder", lambda codec: Decoder())
    turns, out = queue.SimpleQueue(), asyncio.Queue()
    broken, sound = Stream(turns, installed), Stream(turns, installed)
    for stream, codec in ((broken, None), (sound, SimpleNamespace(name="VP8"))):
        stream.begin(asyncio.get_running_loop(), out, threading.Event())
        stream.put((codec, encoded_frame(1)))

    threading.Thread(target=decoding.work, args=(turns,), daemon=True).start()

    assert await asyncio.wait_for(out.get(), 20) == 1


def pictures(decoder, packets) -> list[np.ndarray | None]:
    """None for what cannot be decoded."""
    shown = []
    for number, packet in enumerate(packets):
        try:
            frames = decoder.decode(JitterFrame(packet, 3000 * number))
        except av.FFmpegError:
            frames = [None]
        shown += [frame and np.concatenate([plane.ravel() for plane in planes(frame)]) for frame in frames]
    return shown


@pytest.mark.parametrize("size", [(192, 108), (130, 66)])
def test_our_decoder_shows_what_libvpx_shows(size):
    packets = record(None, size, frames=100).packets

    for ours, theirs in zip(pictures(NativeVp8Decoder(), packets), pictures(Vp8Decoder(), packets), strict=True):
        assert np.array_equal(ours, theirs)


def test_our_decoder_survives_damage_and_shows_the_next_whole_picture():
    """Every packet but the whole pictures is damaged, or cut short."""
    rng = np.random.default_rng(5)
    packets = [bytearray(packet) for packet in record(None, (192, 108), frames=200).packets]
    for packet in (packet for number, packet in enumerate(packets) if number not in (0, 90, 180)):
        for at in rng.integers(1, len(packet), 4):
            packet[at] = rng.integers(256)
        del packet[rng.integers(1, len(packet) + 1) :]
    whole = {number: pictures(Vp8Decoder(), [bytes(packets[number])])[0] for number in (0, 90, 180)}

    decoder = NativeVp8Decoder()
    for number, packet in enumerate(packets):
        shown = pictures(decoder, [bytes(packet)])
        assert number not in whole or np.array_equal(shown[0], whole[number])


def test_a_picture_that_refers_to_none_is_refused():
    assert pictures(NativeVp8Decoder(), [record(None, (192, 108), frames=3).packets[1]]) == [None]
