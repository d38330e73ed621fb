"""Key frames to the edge and answers back, over a real Redis."""

import asyncio
import socket
from contextlib import aclosing

import pytest

from pipeline.contract import redis_keys
from pipeline.contract.messages import KeyFrame, StylizedFrame
from pipeline.queues import answers
from pipeline.queues.broker import GatewayBroker, stylize_queue
from pipeline.queues.edge_broker import EdgeBroker
from support.webrtc.peers import until

KEY_FRAME = KeyFrame("gateway", "stream", 7, "style", False, b"jpeg")


def answer(frame_id: int) -> StylizedFrame:
    return StylizedFrame("stream", frame_id, "style", "edge", "v", False, (), b"", 0.0, 0.0, error="none")


@pytest.fixture
def gateway(redis_url):
    broker = GatewayBroker(redis_url, edge_id="edge", gateway_id="gateway")
    yield broker
    broker.close()


def test_a_key_frame_reaches_the_edge_once(gateway, connection):
    gateway.submit(KEY_FRAME)

    assert stylize_queue(connection, "edge").count == 1
    taken, waited_ms = EdgeBroker(connection).take("stream", 7)
    assert taken == KEY_FRAME and 0 <= waited_ms < redis_keys.KEY_FRAME_DEADLINE_MS
    assert EdgeBroker(connection).take("stream", 7) is None


def test_bytes_never_travel_in_job_arguments_and_everything_expires(gateway, connection):
    gateway.submit(KEY_FRAME)

    (job,) = stylize_queue(connection, "edge").jobs
    assert job.args == ("stream", 7)
    assert job.timeout == redis_keys.JOB_TIMEOUT_S
    assert 0 < connection.pttl(redis_keys.blob("stream", 7)) <= redis_keys.KEY_FRAME_DEADLINE_MS
    assert 0 < connection.ttl(job.key) <= redis_keys.KEY_FRAME_DEADLINE_MS // 1000 + 1


def test_a_withdrawn_key_frame_leaves_nothing_behind(gateway, connection):
    gateway.submit(KEY_FRAME)

    gateway.withdraw("stream", 7)

    assert stylize_queue(connection, "edge").count == 0
    assert EdgeBroker(connection).take("stream", 7) is None


async def test_answers_arrive_in_order(gateway, connection):
    edge = EdgeBroker(connection)
    for frame_id in range(3):
        edge.answer("gateway", answer(frame_id))

    async with aclosing(gateway.answers()) as answers:
        got = [(await anext(answers)).frame_id for _ in range(3)]

    assert got == [0, 1, 2]


async def test_answers_are_bounded_and_the_newest_stay(gateway, connection):
    edge = EdgeBroker(connection)
    for frame_id in range(3 * redis_keys.RESULTS_MAXLEN):
        edge.answer("gateway", answer(frame_id))

    async with aclosing(gateway.answers()) as answers:
        first = (await anext(answers)).frame_id

    assert connection.xlen(redis_keys.results("gateway")) == redis_keys.RESULTS_MAXLEN
    assert first == 2 * redis_keys.RESULTS_MAXLEN


async def test_a_damaged_answer_is_skipped(gateway, connection):
    connection.xadd(redis_keys.results("gateway"), {"frame": b"rubbish"})
    connection.xadd(redis_keys.results("gateway"), {"other": b""})
    EdgeBroker(connection).answer("gateway", answer(5))

    async with aclosing(gateway.answers()) as answers:
        assert (await anext(answers)).frame_id == 5


async def test_a_redis_that_hangs_is_noticed(monkeypatch):
    monkeypatch.setattr(answers, "READ_TIMEOUT_S", 0.05)
    troubles: list[str] = []

    async def read(url: str) -> None:
        async for _ in GatewayBroker(url, edge_id="edge", gateway_id="gateway").answers(on_trouble=troubles.append):
            pass

    with socket.create_server(("127.0.0.1", 0)) as hangs:
        reader = asyncio.create_task(read(f"redis://127.0.0.1:{hangs.getsockname()[1]}/0"))
        await until(lambda: troubles)
        reader.cancel()
        await asyncio.wait({reader})

    assert set(troubles) == {"away"}


async def test_a_reader_that_is_cancelled_while_it_connects_ends(redis_url, monkeypatch):
    """redis-py loses a cancellation then, and who waited for the reader would wait for a whole read, or for ever."""
    monkeypatch.setattr(answers, "READ_BLOCK_MS", 60_000)
    monkeypatch.setattr(answers, "READ_TIMEOUT_S", 90.0)

    async def read() -> None:
        async for _ in GatewayBroker(redis_url, edge_id="edge", gateway_id="gateway").answers():
            pass

    async def ends(turns: int) -> bool:
        reader = asyncio.create_task(read())
        for _ in range(turns):
            await asyncio.sleep(0)
        reader.cancel()
        return bool((await asyncio.wait({reader}, timeout=5))[0])

    ended = await asyncio.gather(*(ends(turns) for turns in range(20)))

    assert [turns for turns, done in enumerate(ended) if not done] == []
