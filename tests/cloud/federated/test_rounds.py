"""Which updates count, and when a round ends."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.federated.rounds import MOST_STALENESS, Line, Round, Update, refusal

LINE = Line(version=7, floor=5, counted={"a": 6, "b": 7})


def update(edge_id: str = "new", base_version: int = 7, num_examples: int = 100) -> Update:
    return Update(edge_id, base_version, num_examples, {}, f"{edge_id}-{base_version}-{num_examples}".encode())


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        (update(), ""),
        (update(base_version=5), ""),
        (update("a"), ""),
        (update("b"), "already"),
        (update("a", 6), "already"),
        (update(base_version=8), "there is none"),
        (update(base_version=4), "too old"),
        (update(num_examples=0), "no images"),
        (update(num_examples=-5), "no images"),
    ],
)
def test_an_update_is_judged_by_what_it_builds_on(candidate, reason):
    said = refusal(candidate, LINE)

    assert reason in said if reason else said == ""


def test_after_some_versions_an_update_is_too_old():
    line = Line(version=20)

    assert refusal(update(base_version=20 - MOST_STALENESS), line) == ""
    assert "too old" in refusal(update(base_version=19 - MOST_STALENESS), line)


def test_a_round_closes_with_its_quorum():
    gathering = Round(quorum=2, deadline_s=60)

    gathering.take(update("a"), 0)
    assert not gathering.due(1)
    gathering.take(update("b"), 1)

    assert gathering.due(1)
    assert [u.edge_id for u in gathering.updates()] == ["a", "b"]
    gathering.clear()
    assert gathering.updates() == [] and not gathering.due(10**9)


def test_a_round_closes_at_its_deadline_with_whoever_is_there():
    gathering = Round(quorum=3, deadline_s=60)
    gathering.take(update("a"), 100)

    assert not gathering.due(159)
    assert gathering.due(160)
    assert gathering.updates() == [update("a")]


def test_an_empty_round_is_never_due():
    assert not Round(quorum=1, deadline_s=60).due(10**9)


def test_an_edge_is_in_a_round_once_with_its_newest():
    gathering, old, new = Round(quorum=2, deadline_s=60), update("a", num_examples=50), update("a", num_examples=90)

    assert gathering.take(old, 0) is None
    assert gathering.take(new, 1) == old
    assert gathering.take(old, 2) == old
    assert not gathering.due(3)
    assert gathering.holds(new.entry_id) and not gathering.holds(old.entry_id)
    assert gathering.updates() == [new]


def test_the_same_update_twice_is_one():
    gathering = Round(quorum=2, deadline_s=60)
    gathering.take(update("a"), 0)
    again = replace(update("a"), entry_id=b"again")

    assert gathering.take(again, 1) == again
    assert gathering.updates() == [update("a")]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(5, 9), st.integers(-1, 3)), max_size=30))
def test_no_edge_counts_twice_from_one_base_and_versions_only_rise(arrivals):
    line, gathering, seen, versions = Line(5), Round(quorum=2, deadline_s=60), set(), [5]
    for edge_id, base_version, num_examples in arrivals:
        candidate = update(edge_id, base_version, num_examples)
        if not refusal(candidate, line):
            gathering.take(candidate, 0)
        if gathering.due(0):
            bases = {u.edge_id: u.base_version for u in gathering.updates()}
            gathering.clear()
            assert not seen & bases.items()
            seen |= bases.items()
            line = Line(line.version + 1, counted={**line.counted, **bases})
            versions.append(line.version)

    assert versions == sorted(set(versions))
