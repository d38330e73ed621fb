"""What a busy service gives up, in which order, and how it recovers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.capacity.giving_way import (
    LONG_WAIT_S,
    MORE_AFTER,
    MOST_STRETCH,
    RATES,
    Concessions,
    GivingWay,
    Load,
    session_cores,
    steps,
)

IDLE = Load(cores=0.05, turn_wait_s=0.0, turns_per_s=4, streams=2)
EDGE_FULL = Load(cores=0.2, turn_wait_s=1.0, turns_per_s=20, streams=40)


def test_an_idle_service_gives_nothing_up():
    giving_way = GivingWay(0.8)

    assert {giving_way.update(IDLE) for _ in range(20)} == {Concessions()}


def test_key_frames_give_way_before_frames_do():
    giving_way = GivingWay(0.8)

    found = [giving_way.update(EDGE_FULL) for _ in range(20)]

    first_fewer = next(n for n, concessions in enumerate(found) if concessions.fps < RATES[0])
    assert found[0].stretch > 1 and found[first_fewer].stretch >= 2
    assert found[-1] == Concessions(MOST_STRETCH, RATES[-1], look_interval_s=2.0, capacity=20)


def test_all_of_it_is_taken_back():
    giving_way = GivingWay(0.8)
    for _ in range(20):
        giving_way.update(EDGE_FULL)

    found = [giving_way.update(IDLE) for _ in range(60)]

    assert found[-1] == Concessions()
    assert all(a.fps <= b.fps and a.stretch >= b.stretch for a, b in zip(found, found[1:]))
    assert found[0].look_interval_s is None


def test_a_gateway_beyond_its_budget_asks_for_the_fewest_frames_at_once():
    assert GivingWay(0.8).update(Load(cores=0.9, turn_wait_s=0, turns_per_s=40, streams=20)).fps == RATES[-1]


@pytest.mark.parametrize("streams", range(1, 120, 7))
def test_a_gateway_settles_at_one_rate(streams):
    """Its load follows from the rate that it asks for, so the rate must not oscillate."""
    giving_way, fps = GivingWay(0.8), RATES[0]
    for second in range(60):
        load = Load(streams * session_cores(fps), turn_wait_s=0, turns_per_s=streams, streams=streams)
        before, fps = fps, giving_way.update(load).fps
        assert second < 4 * MORE_AFTER or fps == before

    assert streams * session_cores(fps) <= 0.7 * 0.8 or fps == RATES[-1]


@given(st.lists(st.builds(Load, st.floats(0, 4), st.floats(0, 9), st.floats(0, 99), st.integers(0, 99)), max_size=60))
def test_whatever_happens_concessions_stay_within_their_limits(loads):
    giving_way = GivingWay(0.8)
    for load in loads:
        concessions = giving_way.update(load)
        assert 1 <= concessions.stretch <= MOST_STRETCH and concessions.fps in RATES
        assert (concessions.look_interval_s is None) == (concessions.capacity is None)


def test_operators_read_the_order():
    concessions = GivingWay(0.8).update(Load(0.9, LONG_WAIT_S + 1, 10, 40))

    assert steps(concessions, training_waits=True, refuses=False) == (
        ("training waits for key frames", True),
        ("key frames for 1.2 times as much change", True),
        ("2.5 frames a second from each client", True),
        ("nobody new is let in", False),
    )
