"""Shared key frames over a real Redis: bounded, and gone when their sender takes them back."""
import pytest

from pipeline import topology
from pipeline.broker import connect
from pipeline.counts import counts
from pipeline.messages import TrainingSample
from pipeline.sharing import PAGE, Shared, Sharing


@pytest.fixture
def connection(redis_url):
    with connect(redis_url) as client:
        yield client


@pytest.fixture
def sharing(connection):
    return Sharing(connection, "edge")


def sample(shared_by: str = "me", picture: bytes = b"jpeg") -> TrainingSample:
    return TrainingSample(shared_by, "style", picture)


def read(sharing: Sharing) -> list[Shared]:
    return sharing.read("0")[0]


def test_samples_are_read_in_order_a_page_at_a_time_from_where_one_was(sharing):
    for i in range(PAGE + 3):
        sharing.add(sample(picture=b"%d" % i))

    first, place = sharing.read("0")
    second, place = sharing.read(place)
    sharing.add(sample(picture=b"new"))
    (last,), end = sharing.read(place)

    assert len(first) == PAGE
    assert [shared.sample.picture for shared in first + second] == [b"%d" % i for i in range(PAGE + 3)]
    assert last.sample.picture == b"new"
    assert last.taken_s >= first[0].taken_s > 0
    assert sharing.read(end) == ([], end)


def test_samples_are_bounded_counted_and_expire(sharing, connection, monkeypatch):
    monkeypatch.setattr(topology, "SAMPLES_MAXLEN", 5)
    for i in range(8):
        sharing.add(sample(picture=b"%d" % i))

    assert [shared.sample.picture for shared in read(sharing)] == [b"3", b"4", b"5", b"6", b"7"]
    assert counts(connection) == {"mvs_samples_added_total": 8, "mvs_samples_dropped_total": 3}
    assert 0 < connection.ttl(topology.samples("edge")) <= topology.SAMPLES_TTL_S


def test_samples_of_yesterday_are_dropped_whatever_comes_today(sharing, connection):
    connection.xadd(topology.samples("edge"), {"by": "a", "sample": sample().pack()}, id="1000-0")
    sharing.add(sample(picture=b"new"))

    oldest_s = sharing.expire()

    assert [shared.sample.picture for shared in read(sharing)] == [b"new"]
    assert oldest_s > 1000
    assert counts(connection)["mvs_samples_expired_total"] == 1


def test_what_a_stream_takes_back_is_gone_and_its_trainer_told(sharing, connection):
    for shared_by in ("a", "b", "a"):
        sharing.add(sample(shared_by, picture=f"picture of {shared_by}".encode()))

    sharing.withdraw("a")

    assert [(shared.shared_by, shared.sample is None) for shared in read(sharing)] == [("b", False), ("a", True)]
    assert b"picture of a" not in b"".join(b"".join(f.values()) for _, f in connection.xrange(topology.samples("edge")))


def test_a_key_frame_on_its_way_does_not_come_in_after_that(sharing):
    sharing.withdraw("a")

    sharing.add(sample("a"))

    assert [shared.sample for shared in read(sharing)] == [None]


def test_a_stream_may_share_again(sharing):
    sharing.withdraw("a")
    sharing.allow("a")

    sharing.add(sample("a"))

    assert [shared.sample for shared in read(sharing)] == [None, sample("a")]


def test_rubbish_among_the_samples_is_left_out_and_counted(sharing, connection):
    connection.xadd(topology.samples("edge"), {"sample": b"rubbish"})
    connection.xadd(topology.samples("edge"), {"other": b""})
    sharing.add(sample())

    assert [shared.sample for shared in read(sharing)] == [sample()]
    _, place = sharing.read("0")
    assert sharing.read(place) == ([], place)
    assert counts(connection)["mvs_samples_refused_total"] == 4  # of two readings
