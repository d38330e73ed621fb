"""One session's key frames, from a received frame to the edge: which frame goes, when its turn comes."""

import asyncio
from types import SimpleNamespace

import av
import numpy as np
import pytest
import redis

from pipeline.capacity.turns import KeyFrameTurns
from pipeline.contract.control import FrameRequest, GatewayMessage, KeyFrameDropped, KeyFramePicked
from pipeline.contract.frame_strip import stamp
from pipeline.contract.messages import KeyFrame
from pipeline.gateway.key_frame_flow import FRESH_S, KeyFrameFlow
from pipeline.gateway.session_context import SessionContext
from pipeline.key_frames.picker import KeyFramePicker
from pipeline.monitoring.metrics import GatewayMetrics
from pipeline.monitoring.stream_stats import StreamStats
from support.at_once import AtOnce


def frame(frame_id: int) -> av.VideoFrame:
    picture = np.full((90, 640, 3), 120, np.uint8)
    return av.VideoFrame.from_ndarray(stamp(picture, frame_id), format="rgb24").reformat(format="yuv420p")


class Stream:
    """One stream's flow between a control channel that keeps what is said and a queue that keeps what is submitted."""

    def __init__(self, turns: KeyFrameTurns, name: str) -> None:
        self.said: list[GatewayMessage] = []
        self.queued: list[KeyFrame] = []
        self.error: Exception | None = None
        self._tasks: set[asyncio.Task] = set()
        broker = SimpleNamespace(submit=self._submit)
        control = SimpleNamespace(send=self.said.append, is_open=True)
        context = SessionContext(name, broker, AtOnce(), control, turns, self._spawn)
        self.flow = KeyFrameFlow(
            context=context,
            picker=KeyFramePicker(picture_height=90),
            stats=StreamStats(GatewayMetrics(), number=1, shown_s=0.0),
            style=SimpleNamespace(id="dusk"),
            consent=SimpleNamespace(shared_by="", check=lambda: None),
            gateway_id="gateway",
        )
        self.flow.attach(SimpleNamespace(readyState="open", bufferedAmount=0, send=lambda chunk: None))

    def _submit(self, key_frame: KeyFrame) -> None:
        if self.error:
            raise self.error
        self.queued.append(key_frame)

    def _spawn(self, coroutine) -> None:
        self._tasks.add(asyncio.ensure_future(coroutine))

    async def settle(self) -> None:
        while tasks := [task for task in self._tasks if not task.done()]:
            await asyncio.gather(*tasks)

    def of(self, kind: type[GatewayMessage]) -> list[GatewayMessage]:
        return [message for message in self.said if isinstance(message, kind)]


@pytest.fixture
def turns():
    """One place at the edge, for one worker."""
    turns = KeyFrameTurns()
    turns.window.size = 1.0
    return turns


async def test_a_stream_alone_sends_its_frame_at_once(turns):
    stream = Stream(turns, "one")

    stream.flow.inspect(frame(7), 0.0)
    await stream.settle()

    assert stream.of(KeyFramePicked) == [KeyFramePicked(7, "first")]
    assert [key_frame.frame_id for key_frame in stream.queued] == [7]


async def test_a_stream_that_waited_sends_its_newest_frame(turns):
    first, second = Stream(turns, "first"), Stream(turns, "second")
    first.flow.inspect(frame(0), 0.0)
    await first.settle()
    for number in range(4):
        second.flow.inspect(frame(number), number / 30)
    assert not second.said

    turns.give_back("first")
    turns.advance(0.11)
    await second.settle()

    assert second.of(KeyFramePicked) == [KeyFramePicked(3, "first")]


async def test_a_stream_whose_frames_are_old_is_asked_for_a_new_one(turns):
    first, second = Stream(turns, "first"), Stream(turns, "second")
    first.flow.inspect(frame(0), 0.0)
    second.flow.inspect(frame(0), 0.0)

    turns.give_back("first")
    turns.advance(FRESH_S + 0.01)
    assert second.said == [FrameRequest()]
    second.flow.inspect(frame(5), 0.2)
    await second.settle()

    assert second.said == [FrameRequest(), KeyFramePicked(5, "first")]


async def test_a_key_frame_that_redis_does_not_take_gives_its_place_back(turns):
    first, second = Stream(turns, "first"), Stream(turns, "second")
    first.error = redis.ConnectionError("away")
    first.flow.inspect(frame(0), 0.0)
    second.flow.inspect(frame(0), 0.0)
    await first.settle()

    second.flow.inspect(frame(1), 0.05)
    await second.settle()

    assert first.of(KeyFrameDropped) == [KeyFrameDropped(0, "redis")]
    assert second.of(KeyFramePicked) == [KeyFramePicked(1, "first")]


async def test_a_stream_whose_client_reads_nothing_leaves_its_turn_to_others(turns):
    first, second = Stream(turns, "first"), Stream(turns, "second")
    first.flow.inspect(frame(0), 0.0)
    second.flow.inspect(frame(0), 0.0)
    third = Stream(turns, "third")
    third.flow.inspect(frame(0), 0.0)
    second.flow._frames.bufferedAmount = 100_000

    turns.give_back("first")
    turns.advance(0.05)
    await third.settle()

    assert not second.said and third.of(KeyFramePicked)
