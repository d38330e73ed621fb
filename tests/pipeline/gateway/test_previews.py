"""One session's previews: which frame is shown in which styles, when, and when not."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace

import av
import numpy as np
import pytest
import redis

from pipeline.capacity.giving_way import RATES, Concessions
from pipeline.capacity.turns import KeyFrameTurns
from pipeline.contract.chunks import ChunkAssembler
from pipeline.contract.frame_strip import stamp
from pipeline.contract.image_codec import decode_image
from pipeline.contract.messages import PreviewGrids, PreviewPicture
from pipeline.contract.redis_keys import PREVIEW_DEADLINE_MS
from pipeline.gateway import previews
from pipeline.gateway.previews import BURST, INTERVAL_S, PICTURE_SIDE_PX, Previews
from pipeline.gateway.session_context import SessionContext
from pipeline.key_frames.picker import KeyFramePicker
from pipeline.monitoring.metrics import GatewayMetrics
from support.at_once import AtOnce

STYLES = tuple(f"{number:016x}" for number in range(20))


def frame(frame_id: int) -> av.VideoFrame:
    picture = np.full((360, 640, 3), 120, np.uint8)
    return av.VideoFrame.from_ndarray(stamp(picture, frame_id), format="rgb24").reformat(format="yuv420p")


class Stream:
    """One stream's previews, between a client and a queue that keep what they get."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.queued: list[PreviewPicture] = []
        self.takes: bool | Exception = True
        self.turns, self.picker, self.metrics = KeyFrameTurns(), KeyFramePicker(picture_height=360), GatewayMetrics()
        self._tasks: set[asyncio.Task] = set()
        broker = SimpleNamespace(submit_previews=self._submit)
        context = SessionContext("stream", broker, AtOnce(), SimpleNamespace(), self.turns, self._spawn)
        self.previews = Previews(
            context=context, picker=self.picker, metrics=self.metrics, send=self._send, gateway_id="gateway"
        )

    def _submit(self, pictures: list[PreviewPicture]) -> bool:
        if isinstance(self.takes, Exception):
            raise self.takes
        self.queued += pictures if self.takes else []
        return self.takes

    def _send(self, chunks: Callable[[int], list[bytes]], lost: Callable[[str], None]) -> bool:
        self.sent += chunks(1)
        return True

    def _spawn(self, coroutine) -> None:
        self._tasks.add(asyncio.ensure_future(coroutine))

    async def see(self, frame_id: int, now_s: float) -> None:
        seen = frame(frame_id)
        self.picker.inspect(seen, now_s)
        self.previews.inspect(seen, now_s)
        await asyncio.gather(*self._tasks)

    def outcomes(self) -> dict[str, float]:
        (metric,) = self.metrics.previews.collect()
        return {s.labels["outcome"]: s.value for s in metric.samples if s.value and s.name.endswith("_total")}


@pytest.fixture
def now_s(monkeypatch) -> float:
    monkeypatch.setattr(previews.time, "monotonic", lambda: 100.0)
    return 100.0


@pytest.fixture
def stream(now_s) -> Stream:
    return Stream()


def answer_to(picture: PreviewPicture) -> PreviewGrids:
    shape = (1, 2 * len(picture.styles), 3)
    return PreviewGrids(picture.stream_id, picture.number, picture.frame_id, picture.style_ids, shape, b"grids")


async def test_the_next_frame_is_queued_once_in_a_job_for_eight_styles_at_most(stream, now_s):
    await stream.see(6, now_s)

    stream.previews.ask(STYLES, now_s)
    for frame_id in (7, 8):
        await stream.see(frame_id, now_s)

    assert {picture.frame_id for picture in stream.queued} == {7}
    assert [len(picture.styles) for picture in stream.queued] == [8, 8, 4]
    assert tuple(style for picture in stream.queued for style in picture.styles) == STYLES
    height, width, _ = decode_image(stream.queued[0].picture).shape
    assert (height, width) == (PICTURE_SIDE_PX * 360 // 640, PICTURE_SIDE_PX)


async def test_a_frame_whose_strip_is_unreadable_is_left_out(stream, now_s):
    stream.previews.ask(STYLES[:1], now_s)

    stream.picker.inspect(broken := frame(7).reformat(format="yuv420p", width=16, height=8), now_s)
    stream.previews.inspect(broken, now_s)
    await stream.see(8, now_s)

    assert [picture.frame_id for picture in stream.queued] == [8]


async def test_an_answer_goes_to_the_client_with_the_frame_and_the_styles_that_it_shows(stream, now_s):
    stream.previews.ask(STYLES[:2], now_s)
    await stream.see(7, now_s)

    stream.previews.deliver(answer_to(stream.queued[0]))

    joined = ChunkAssembler().push(stream.sent[0])
    assert joined == ({"frame_id": 7, "previews": list(STYLES[:2]), "grid": [1, 4, 3]}, b"grids")
    assert stream.outcomes() == {"answered": 1}


async def test_an_answer_that_nobody_waits_for_is_not_sent(stream, now_s, monkeypatch):
    stream.previews.ask(STYLES[:2], now_s)
    await stream.see(7, now_s)
    answer = answer_to(stream.queued[0])

    stream.previews.deliver(answer)
    stream.previews.deliver(answer)  # it came twice
    stream.previews.ask(STYLES[:2], now_s)
    await stream.see(8, now_s)
    monkeypatch.setattr(previews.time, "monotonic", lambda: now_s + PREVIEW_DEADLINE_MS / 1000 + 0.1)
    stream.previews.deliver(answer_to(stream.queued[1]))

    assert len(stream.sent) == 1
    assert stream.outcomes() == {"answered": 1, "late": 2}


async def test_a_client_has_one_request_at_a_time_and_one_in_ten_seconds(stream, now_s):
    stream.previews.ask(STYLES[:1], now_s)
    stream.previews.ask(STYLES[:1], now_s)
    await stream.see(7, now_s)
    stream.previews.ask(STYLES[:1], now_s)
    assert stream.outcomes() == {"rate": 2}

    for number in range(1, 8):
        stream.previews.deliver(answer_to(stream.queued[-1]))
        stream.previews.ask(STYLES[:1], now_s + number)
        await stream.see(7 + number, now_s)

    assert len(stream.queued) == BURST

    stream.previews.deliver(answer_to(stream.queued[-1]))
    stream.previews.ask(STYLES[:1], now_s + 2 * INTERVAL_S)
    await stream.see(99, now_s)

    assert len(stream.queued) == BURST + 1


async def test_a_request_that_was_never_answered_blocks_no_other_for_good(stream, now_s):
    stream.previews.ask(STYLES[:1], now_s)
    await stream.see(7, now_s)

    stream.previews.ask(STYLES[:1], now_s + PREVIEW_DEADLINE_MS / 1000 + 0.1)
    await stream.see(8, now_s)

    assert len(stream.queued) == 2


@pytest.mark.parametrize("busy", ["key frames", "frames", "turns"])
async def test_nothing_is_shown_while_the_service_gives_anything_up(stream, now_s, busy):
    if busy == "key frames":
        stream.previews.concessions = Concessions(stretch=1.25)
    elif busy == "frames":
        stream.previews.concessions = Concessions(fps=RATES[1])
    else:
        stream.turns.join("another", lambda now_s: None, now_s)

    stream.previews.ask(STYLES, now_s)
    await stream.see(7, now_s)

    assert not stream.queued
    assert stream.outcomes() == {"busy": 1}


@pytest.mark.parametrize("takes, outcome", [(False, "queue"), (redis.ConnectionError("away"), "redis")])
async def test_a_queue_that_takes_nothing_leaves_the_client_free_to_ask_again(stream, now_s, takes, outcome):
    stream.takes = takes
    stream.previews.ask(STYLES[:1], now_s)
    await stream.see(7, now_s)
    assert stream.outcomes() == {outcome: 1}

    stream.takes = True
    stream.previews.ask(STYLES[:1], now_s)
    await stream.see(8, now_s)

    assert [picture.frame_id for picture in stream.queued] == [8]
