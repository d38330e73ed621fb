import asyncio
import importlib.metadata
import queue
import threading
from types import SimpleNamespace

import av
import pytest
from aiortc import rtcrtpreceiver
from aiortc.rate import RemoteBitrateEstimator
from aiortc.rtp import is_rtcp

from peers import Client, FlatEdge, Running, until
from pipeline import express, guards
from pipeline.metrics import GatewayMetrics
from pipeline.watch import counted


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    for name in ("decoder_worker", "RemoteBitrateEstimator"):
        monkeypatch.setattr(rtcrtpreceiver, name, getattr(rtcrtpreceiver, name))
    monkeypatch.setattr(guards.StunProtocol, "datagram_received", guards.StunProtocol.datagram_received)
    guards.install()
    dropped = GatewayMetrics().frames_dropped
    assert express.install(dropped)
    return dropped


@pytest.fixture
def edge(redis_url):
    edge = FlatEdge(redis_url)
    yield edge
    edge.close()


def test_it_is_written_for_the_installed_aiortc():
    assert importlib.metadata.version("aiortc").startswith(express.WRITTEN_FOR)


async def test_video_takes_the_short_way_and_nothing_else_does(redis_url, tmp_path, edge, monkeypatch):
    queued, short = [], []
    data_received = express._data_received

    def watched(dtls, otherwise, data, component):
        def queue(data, component):
            queued.append(data)
            otherwise(data, component)

        short.append(data)
        data_received(dtls, queue, data, component)

    monkeypatch.setattr(express, "_data_received", watched)
    async with Running(redis_url, tmp_path) as running:
        client = Client(running.url)
        await client.open()
        await until(lambda: len(client.grids) >= 3)
        await client.close()

    assert len(short) > len(queued) > 0
    assert not any(127 < data[0] < 192 and not is_rtcp(data) for data in queued)
    assert abs(client.colours() - (200, 40, 90)).max() < 12


async def test_a_handler_that_waits_is_not_left_half_done():
    async def waits():
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="waits"):
        express.finish(waits())


class Decoder:
    """Gives back what it is given, but for what is broken."""

    def decode(self, frame):
        if frame.broken:
            raise av.error.InvalidDataError(1, "broken")
        return [frame.number]


async def decoded(frames, dropped, monkeypatch) -> tuple[list, threading.Event]:
    """What comes out of a decoder thread that all of this waits for, and whether it asks for a whole picture."""
    monkeypatch.setattr(rtcrtpreceiver, "get_decoder", lambda codec: Decoder())
    encoded, out, failed = queue.Queue(), asyncio.Queue(), threading.Event()
    for frame in frames:
        encoded.put((SimpleNamespace(name="VP8"), frame))
    encoded.put(None)
    await asyncio.to_thread(express.decode, dropped, asyncio.get_running_loop(), encoded, out, failed)
    await asyncio.sleep(0)
    return [out.get_nowait() for _ in range(out.qsize())], failed


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
    frames = [encoded_frame(number, whole=number == 0) for number in range(express.MOST_WAITING)]

    numbers, failed = await decoded(frames, installed, monkeypatch)

    assert numbers == [*range(express.MOST_WAITING), None] and not failed.is_set()


def test_a_sender_is_not_told_its_rate_with_each_packet(monkeypatch):
    monkeypatch.setattr(RemoteBitrateEstimator, "add", lambda *_: (500_000, [1]))
    estimator = express.CalmEstimator()

    said = [ms for ms in range(1000) if estimator.add(ms, 0, 1200, 1)]

    assert said == list(range(0, 1000, express.ESTIMATE_MS))
