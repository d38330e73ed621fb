"""Consent, from a client to the edge's samples: nobody's pictures are learned from without it."""

import asyncio
import json
import logging

import pytest

from clients.headless.cli import allow_learning
from pipeline.contract import redis_keys
from pipeline.contract.control import ErrorMessage, SharingChanged, SharingForgotten
from pipeline.contract.messages import KeyFrame, StylizedFrame, TrainingSample
from pipeline.queues.broker import connect
from pipeline.queues.training_samples import Sharing, public_name
from support.webrtc.peers import Client, FlatEdge, flat_answer, until

WORD = "0123456789abcdef"


@pytest.fixture
def edge(redis_url, monkeypatch):
    """A flat edge that keeps what is shared, as a stylize worker does."""

    def answer(frame: KeyFrame, *shape: object) -> StylizedFrame:
        if frame.shared_by:
            with connect(redis_url) as client:
                sample = TrainingSample(frame.shared_by, frame.style_id, frame.picture, frame.consent)
                Sharing(client, "edge").append(sample)
        return flat_answer(frame, *shape)

    monkeypatch.setattr("support.webrtc.peers.flat_answer", answer)
    edge = FlatEdge(redis_url)
    yield edge
    edge.close()


async def say(client: Client, on: object, **more: object) -> None:
    await until(lambda: client.connection.control.readyState == "open")
    client.connection.control.send(json.dumps({"type": "share", "on": on, **more}))


async def heard(client: Client, on: bool) -> None:
    await until(lambda: SharingChanged(on) in client.heard)


def last_word(client: Client) -> bool | None:
    return next((message.on for message in reversed(client.of(SharingChanged))), None)


async def test_key_frames_are_shared_from_the_clients_word_on_and_only_its_own(running, edge):
    sharing, private = Client(running.url), Client(running.url, colour=(10, 20, 200))
    stream_id, _ = await sharing.open(), await private.open()
    await until(lambda: len(edge.seen) >= 4)
    assert not any(frame.shared_by for frame in edge.seen)

    await say(sharing, True)
    await heard(sharing, True)
    seen = len(edge.seen)
    await until(lambda: sum(frame.shared_by != "" for frame in edge.seen) >= 2)

    await until(lambda: len({frame.stream_id for frame in edge.seen[seen:]}) == 2)
    assert {frame.stream_id for frame in edge.seen if frame.shared_by} == {stream_id}
    assert all(bool(frame.shared_by) == bool(frame.consent) for frame in edge.seen)
    for client in (sharing, private):
        await client.close()


def everything(connection) -> bytes:
    """Everything in Redis: queues, all jobs, streams and strings."""
    readers = {
        b"string": connection.get,
        b"hash": connection.hgetall,
        b"stream": connection.xrange,
        b"list": lambda key: connection.lrange(key, 0, -1),
        b"set": connection.smembers,
        b"zset": lambda key: connection.zrange(key, 0, -1),
    }
    return b"".join(flat(readers[connection.type(key)](key)) for key in connection.scan_iter())


def flat(value: object) -> bytes:
    """Every byte string in a reply of Redis."""
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    return b"".join(map(flat, value)) if isinstance(value, (list, tuple, set)) else value


async def test_a_headless_client_says_so_as_soon_as_it_can(running, edge):
    client = Client(running.url)
    await client.open()

    allow_learning(client.connection.control)

    await heard(client, True)
    await client.close()


async def test_taking_it_back_removes_what_was_shared(running, edge, connection, caplog):
    caplog.set_level(logging.DEBUG)
    client = Client(running.url)
    await client.open()
    await say(client, True)
    await until(lambda: len(Sharing(connection, "edge").read("0")[0]) >= 2)
    canary = Sharing(connection, "edge").read("0")[0][0].sample.picture[-200:]
    assert canary in everything(connection)

    await say(client, False)
    await heard(client, False)

    seen = len(edge.seen)
    await until(lambda: len(edge.seen) >= seen + 2)
    assert Sharing(connection, "edge").read("0")[0] == []
    assert edge.seen[-1].shared_by == ""
    await client.close()
    assert canary not in everything(connection)
    assert repr(canary)[2:-1] not in caplog.text


async def test_who_knows_a_streams_name_cannot_take_back_what_it_shared(running, edge, connection):
    """The names of streams are in jobs and logs, and so are no secret."""
    sharing, other = Client(running.url), Client(running.url)
    stream_id = await sharing.open()
    await say(sharing, True)
    await until(lambda: len(Sharing(connection, "edge").read("0")[0]) >= 2)
    (shared_by,) = {frame.shared_by for frame in edge.seen if frame.shared_by}
    await other.open()

    for name in (stream_id.ljust(16, "0"), stream_id, shared_by):
        await say(other, False, by=name)
    await heard(other, False)

    assert len(Sharing(connection, "edge").read("0")[0]) >= 2
    for client in (sharing, other):
        await client.close()


async def test_it_is_taken_back_in_a_later_session_by_the_same_name(running, edge, connection):
    first, later, name = Client(running.url), Client(running.url), WORD
    await first.open()
    await say(first, True, by=name)
    await until(lambda: len(Sharing(connection, "edge").read("0")[0]) >= 2)
    await first.close()

    await later.open()
    await say(later, False, by=name)
    await heard(later, False)

    assert Sharing(connection, "edge").read("0")[0] == []
    await later.close()


async def test_many_changes_of_mind_end_with_the_last(running, edge, connection):
    client = Client(running.url)
    await client.open()
    for on in (True, False) * 20:
        await say(client, on, by=WORD)
    await say(client, True, by=WORD)

    await until(lambda: last_word(client) is True and connection.exists(redis_keys.consent("edge", public_name(WORD))))
    await client.close()


UNCLEAR = [{"on": 1}, {"on": "yes"}, {"on": None}, {"on": True, "by": "*"}, {"on": True, "by": 7}]


@pytest.mark.parametrize("word", UNCLEAR)
async def test_only_a_clear_word_counts(running, edge, word):
    client = Client(running.url)
    await client.open()
    await say(client, **word)

    await until(lambda: client.of(ErrorMessage))
    assert not any(frame.shared_by for frame in edge.seen)
    await client.close()


async def test_a_redis_that_is_away_is_asked_again_until_it_forgets(running, edge, monkeypatch):
    client, tries = Client(running.url), []
    await client.open()

    def share(shared_by: str, on: bool) -> None:
        tries.append(on)
        if len(tries) < 3:
            raise ConnectionRefusedError

    monkeypatch.setattr("pipeline.gateway.consent.RETRY_S", 0.01)
    monkeypatch.setattr("pipeline.gateway.consent.redis.RedisError", ConnectionRefusedError)
    monkeypatch.setattr(running.gateway._broker, "share", share)
    await say(client, False)

    await heard(client, False)
    assert tries == [False, False, False]
    await asyncio.gather(client.close())


async def test_a_redis_that_forgot_who_agreed_has_the_client_asked_again(running, edge, connection):
    """Nothing is shared meanwhile, since only the client knows whether it still agrees."""
    client = Client(running.url)
    await client.open()
    await say(client, True)
    await until(lambda: len(Sharing(connection, "edge").read("0")[0]) >= 2)

    connection.flushall()
    await until(lambda: client.of(SharingForgotten))
    seen = len(edge.seen)
    await until(lambda: len(edge.seen) >= seen + 3)
    assert connection.xlen(redis_keys.samples("edge")) == 0 and edge.seen[-1].shared_by == ""

    await say(client, True)
    await until(lambda: len(Sharing(connection, "edge").read("0")[0]) >= 1)
    assert len(client.of(SharingForgotten)) == 1
    await client.close()


async def test_a_headless_client_says_it_again_by_itself(running, edge, connection):
    client = Client(running.url)
    await client.open()
    allow_learning(client.connection.control)
    await until(lambda: len(Sharing(connection, "edge").read("0")[0]) >= 2)

    connection.flushall()

    await until(lambda: len(Sharing(connection, "edge").read("0")[0]) >= 2)
    await client.close()
