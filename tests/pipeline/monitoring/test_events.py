"""What happened from one sample to the next, from samples made by hand."""

from dataclasses import replace

from pipeline.monitoring.events import CUTS, MOST_EVENTS, QUIET_S, Events
from pipeline.monitoring.metrics import STAGES, GatewayMetrics
from pipeline.monitoring.metrics_push import PushedMetrics, key
from pipeline.monitoring.sample import RedisState, Sample, StreamSample

FINE = RedisState(trouble="", ready=True, queue=0)
FLOOD = 'mvs_sessions_cut_total{"reason": "flood"}'


def sample(at_s: float, streams: tuple[int, ...] = (), workers: int = 0, **values: object) -> Sample:
    pushed = PushedMetrics(gauges={'mvs_processes{"role": "stylize"}': workers})
    plain = dict(
        redis_state=replace(FINE, pushed=pushed),
        streams=[StreamSample(n, "Dusk", (640, 360), 0, 0, 0, 0, {}, 0.0) for n in streams],
        frames=0,
        answers=0,
        stages=dict.fromkeys(STAGES, (0.0, 0)),
        trips={},
        lags={},
        cpu_s=0.0,
        memory_bytes=0,
    )
    return Sample(at_s=at_s, **(plain | values))


def told(*samples: Sample, alerts: tuple[tuple[str, ...], ...] = ()) -> list[str]:
    """The texts of all events, oldest first; `alerts` are the names that hold with each sample."""
    events = Events()
    for index, each in enumerate(samples):
        events.record(each, alerts[index] if index < len(alerts) else ())
    return [event.text for event in reversed(events.newest_first())]


def test_streams_open_and_close():
    assert told(sample(0, (1,)), sample(1, (1, 2, 3)), sample(2, (2, 3)), sample(3, (2, 3))) == [
        "Stream 2 opened.",
        "Stream 3 opened.",
        "Stream 1 closed.",
    ]


def test_a_crowd_is_one_event():
    assert told(sample(0), sample(1, tuple(range(40))), sample(2, (7,))) == ["40 streams opened.", "39 streams closed."]


def test_a_session_that_is_cut_is_told_with_the_reason():
    before, now = sample(0, (1,), counts={FLOOD: 2.0}), sample(1, counts={FLOOD: 3.0})

    assert told(before, now) == ["A session was cut: its peer sent too much.", "Stream 1 closed."]
    assert told(before, replace(now, counts={FLOOD: 9.0}))[0] == "7 sessions were cut: its peer sent too much."


def test_every_reason_to_cut_a_session_is_told():
    metrics = GatewayMetrics()
    counters = (metrics.sessions_cut, metrics.streams_refused)

    assert set(CUTS) == {key(s) for counter in counters for family in counter.collect() for s in family.samples}


def test_workers_come_and_go():
    assert told(sample(0, workers=1), sample(1, workers=3), sample(2, workers=2), sample(3), sample(4)) == [
        "An edge worker came; 1 in all.",
        "2 edge workers came; 3 in all.",
        "An edge worker is gone; 2 are left.",
        "2 edge workers are gone; none is left.",
    ]


def test_a_redis_that_is_away_for_a_while_tells_nothing_of_workers():
    away = sample(1, redis_state=RedisState())

    assert told(sample(0, workers=1), away, sample(2, workers=1)) == ["An edge worker came; 1 in all."]
    assert told(sample(0, workers=1), away, sample(2))[1:] == ["An edge worker is gone; none is left."]


def test_an_alert_begins_and_ends_once():
    busy = ("The edge is busy",)
    holds = [busy if at in (2, 3, 5) else () for at in range(40)]

    events = told(*(sample(at) for at in range(40)), alerts=tuple(holds))

    assert events == ["The edge is busy.", "Over: The edge is busy."]


def test_an_alert_is_over_when_it_did_not_hold_for_a_while():
    holds = (("Trouble",),)
    short, long = ([sample(at) for at in range(int(QUIET_S) + more)] for more in (0, 1))

    assert told(*short, alerts=holds) == ["Trouble."]
    assert told(*long, alerts=holds) == ["Trouble.", "Over: Trouble."]


def test_only_the_last_events_are_kept():
    events = told(*(sample(at, (at,)) for at in range(100)))

    assert len(events) == MOST_EVENTS and events[-1] == "Stream 98 closed."
