"""Shared key frames over a real Redis: bounded, kept only by consent, and gone when their sender takes them back."""

import time
from dataclasses import replace

import pytest

from pipeline.contract import redis_keys
from pipeline.contract.messages import KeyFrame, TrainingSample
from pipeline.monitoring.metrics import LEARNING
from pipeline.queues.broker import GatewayBroker
from pipeline.queues.counters import counts
from pipeline.queues.training_samples import PAGE, Sharing, public_name

LAST_ID = "18446744073709551615-18446744073709551615"


@pytest.fixture
def sharing(connection):
    return Sharing(connection, "edge")


def sample(sharing: Sharing, shared_by: str = "me", picture: bytes = b"jpeg") -> TrainingSample:
    """A sample of a client who agrees."""
    return TrainingSample(shared_by, "style", picture, sharing.allow(shared_by))


def counted(connection) -> dict[str, float]:
    return counts(connection, [f"mvs_{name}_total" for name in LEARNING])


def pictures(sharing: Sharing) -> list[bytes]:
    return [shared.sample.picture for shared in sharing.read("0")[0]]


def test_samples_are_read_in_order_a_page_at_a_time_from_where_one_was(sharing):
    for i in range(PAGE + 3):
        sharing.append(sample(sharing, picture=b"%d" % i))

    first, place = sharing.read("0")
    second, place = sharing.read(place)
    sharing.append(sample(sharing, picture=b"new"))
    (last,), end = sharing.read(place)

    assert len(first) == PAGE
    assert [shared.sample.picture for shared in first + second] == [b"%d" % i for i in range(PAGE + 3)]
    assert last.sample.picture == b"new"
    assert last.taken_s >= first[0].taken_s > 0
    assert sharing.read(end) == ([], end)


def test_samples_are_bounded_counted_and_expire(sharing, connection, monkeypatch):
    monkeypatch.setattr(redis_keys, "SAMPLES_MAXLEN", 5)
    for i in range(8):
        sharing.append(sample(sharing, picture=b"%d" % i))

    assert pictures(sharing) == [b"3", b"4", b"5", b"6", b"7"]
    assert counted(connection) == {"mvs_samples_added_total": 8, "mvs_samples_dropped_total": 3}
    assert connection.llen(redis_keys.shared("edge", "me")) == 5
    for key in connection.keys("mvs:*"):
        assert key == redis_keys.COUNTS.encode() or 0 < connection.ttl(key) <= redis_keys.SAMPLES_TTL_S


def test_samples_of_yesterday_are_dropped_whatever_comes_today(sharing, connection):
    connection.xadd(redis_keys.samples("edge"), {"by": "a", "sample": sample(sharing).pack()}, id="1000-0")
    sharing.append(sample(sharing, picture=b"new"))

    oldest_s = sharing.expire()

    assert pictures(sharing) == [b"new"]
    assert oldest_s > 1000
    assert counted(connection)["mvs_samples_expired_total"] == 1


def test_what_somebody_takes_back_is_gone_and_the_rest_stays(sharing, connection):
    for shared_by in ("a", "b", "a"):
        sharing.append(sample(sharing, shared_by, picture=f"picture of {shared_by}".encode()))

    sharing.withdraw("a")

    assert pictures(sharing) == [b"picture of b"]
    kept = connection.xrange(redis_keys.samples("edge"))
    assert b"picture of a" not in b"".join(b"".join(fields.values()) for _, fields in kept)
    assert counted(connection)["mvs_samples_withdrawn_total"] == 2


def test_a_key_frame_on_its_way_does_not_come_in_after_that(sharing, connection):
    on_its_way = sample(sharing, "a")
    sharing.withdraw("a")

    sharing.append(on_its_way)

    assert pictures(sharing) == []
    assert counted(connection)["mvs_samples_without_consent_total"] == 1


def test_who_shares_again_does_so_with_what_comes_then(sharing):
    before = sample(sharing, "a", picture=b"before")
    sharing.withdraw("a")
    after = sample(sharing, "a", picture=b"after")

    sharing.append(before)
    sharing.append(after)

    assert pictures(sharing) == [b"after"]


def test_who_shares_in_two_sessions_has_one_agreement(sharing):
    assert sharing.allow("a") == sharing.allow("a")


def test_agreements_stand_until_they_are_withdrawn(sharing):
    mine, yours = ("me", sharing.allow("me")), ("you", sharing.allow("you"))
    sharing.withdraw("you")

    assert sharing.standing([mine, yours, ("nobody", ""), ("me", "other")]) == {mine}


def test_what_withdrawing_costs_depends_on_what_one_shared(sharing, connection):
    """The 500 samples of others are not read, and a client that never shared costs and leaves nothing."""
    for _ in range(500):
        sharing.append(sample(sharing, "others", bytes(2000)))
    sharing.append(sample(sharing, "me"))
    keys = connection.dbsize()

    def commands(of: str) -> tuple[int, int]:
        before = connection.info("all")
        sharing.withdraw(of)
        after = connection.info("all")
        read = after["total_net_output_bytes"] - before["total_net_output_bytes"]
        deleted = [s.get("cmdstat_xdel", {"calls": 0})["calls"] for s in (before, after)]
        return read, deleted[1] - deleted[0]

    (stranger_bytes, stranger_deletes), (mine_bytes, mine_deletes) = commands("a stranger"), commands("me")

    assert (stranger_deletes, mine_deletes) == (0, 1)
    assert max(stranger_bytes, mine_bytes) < 20_000  # mostly what INFO says
    assert connection.xlen(redis_keys.samples("edge")) == 500
    assert connection.dbsize() <= keys  # counters aside, nothing was left behind


def test_rubbish_among_the_samples_is_taken_out_and_counted(sharing, connection):
    connection.xadd(redis_keys.samples("edge"), {"sample": b"rubbish"})
    connection.xadd(redis_keys.samples("edge"), {"other": b""})
    sharing.append(sample(sharing))

    assert pictures(sharing) == [b"jpeg"]
    assert pictures(sharing) == [b"jpeg"]
    assert counted(connection)["mvs_samples_refused_total"] == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda c, key, s: c.xadd(key, {"sample": s}, id=LAST_ID),
        lambda c, key, s: c.xadd(key, {"sample": s}, id=f"{int(time.time() * 1000) + 10**7}-0"),
        lambda c, key, s: c.set(key, b"no stream"),
    ],
    ids=["the last id there is", "an id from the future", "another type"],
)
def test_a_stream_that_was_spoilt_takes_samples_again(sharing, connection, spoil):
    """A sample from the future would never become a day old, and neither would those after it."""
    spoil(connection, redis_keys.samples("edge"), sample(sharing).pack())
    found, place = sharing.read("0")

    sharing.append(sample(sharing, picture=b"new"))
    now, _ = sharing.read(place)

    assert found == []
    assert [shared.sample.picture for shared in now] == [b"new"]
    assert abs(now[0].taken_s - time.time()) < 60


def test_a_reader_finds_its_way_in_a_stream_that_began_anew(sharing, connection):
    sharing.append(sample(sharing))
    place = f"{int(time.time() * 1000) + 10**6}-0"  # a clock that was set back
    connection.delete(redis_keys.samples("edge"))

    _, start = sharing.read(place)
    sharing.append(sample(sharing, picture=b"new"))
    _, again = sharing.read(place)

    assert start == again == "0"
    assert pictures(sharing) == [b"new"]


def test_the_word_that_takes_pictures_back_is_not_in_redis(redis_url, connection):
    """So whoever sees queues and streams cannot take back what somebody else shared."""
    broker, secret = GatewayBroker(redis_url, edge_id="edge", gateway_id="gateway"), "0123456789abcdef"
    frame = KeyFrame("gateway", "stream", 1, "style", False, b"jpeg", shared_by=secret)
    broker.submit(frame)
    private = KeyFrame.unpack(connection.getdel(redis_keys.blob("stream", 1)))
    broker.share(secret, True)
    broker.submit(replace(frame, frame_id=2))
    queued = KeyFrame.unpack(connection.get(redis_keys.blob("stream", 2)))
    Sharing(connection, "edge").append(TrainingSample(queued.shared_by, "style", b"jpeg", queued.consent))

    assert (private.shared_by, private.consent) == ("", "")  # nobody agreed yet
    assert queued.shared_by == public_name(secret)
    assert connection.xlen(redis_keys.samples("edge")) == 1
    texts = [key + (connection.dump(key) or b"") for key in connection.keys()]
    assert not any(secret.encode() in text for text in texts)
    broker.share(queued.shared_by, False)  # the public name does not suffice
    assert connection.xlen(redis_keys.samples("edge")) == 1
    broker.share(secret, False)
    assert connection.xlen(redis_keys.samples("edge")) == 0
    broker.submit(replace(frame, frame_id=3))
    assert KeyFrame.unpack(connection.get(redis_keys.blob("stream", 3))).shared_by == ""
    broker.close()
