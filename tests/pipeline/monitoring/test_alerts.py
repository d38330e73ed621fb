"""The alerts for operators, from samples made by hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.monitoring import metrics_push
from pipeline.monitoring.alerts import TROUBLES, alerts, grown, reasons
from pipeline.monitoring.metrics import STAGES, GatewayMetrics
from pipeline.monitoring.metrics_push import PushedMetrics
from pipeline.monitoring.sample import RedisState, Sample, StreamSample
from pipeline.queues.redis_errors import REASONS, STEPS

STREAM = StreamSample(3, "Dusk", (640, 360), frames=0, key_frames=4, answers=3, in_flight=1, drops={}, age_s=0.4)
FINE = RedisState(trouble="", ready=True, queue=0)
BUSY = 'mvs_offers_refused_total{"reason": "Busy"}'
FAILED = 'mvs_edge_key_frames_total{"outcome": "failed"}'
DEADLINE = 'mvs_key_frames_dropped_total{"reason": "deadline"}'

#: Counts of what clients and strangers do by themselves, which need no action.
HARMLESS = {
    *reasons("mvs_answers_dropped_total", dict.fromkeys(("style", "gone", "channel"))),
    *reasons("mvs_requests_refused_total", dict.fromkeys(("head", "method", "encoding", "length"))),
    *reasons(
        "mvs_uploads_total",
        dict.fromkeys(("kept", "type", "size", "slow", "picture", "limit", "left")),
        "outcome",
    ),
    *reasons("mvs_edge_key_frames_total", {"answered": None}, "outcome"),
}


def sample(counts: dict | None = None, **values: object) -> Sample:
    plain = dict(redis_state=FINE, streams=[], frames=0, answers=0, stages=dict.fromkeys(STAGES, (0.0, 0)))
    return Sample(
        **plain | values,
        at_s=0.0,
        trips={},
        lags={},
        cpu_s=0.0,
        memory_bytes=0,
        counts=counts or {},
    )


def pushed(counts: dict | None, trouble: str = "") -> Sample:
    """The counts of other roles; None if Redis is away."""
    return sample(redis_state=replace(FINE, trouble=trouble, pushed=PushedMetrics(counts or {}, {})))


def told(*minute: Sample, lag_s: float | None = None, old_look_s: float = 2.5) -> list[str]:
    return list(alerts(minute[-1], minute, lag_s=lag_s, old_look_s=old_look_s).values())


@pytest.mark.parametrize(
    ("redis_state", "streams", "lag_s", "beginning"),
    [
        (FINE, [STREAM], 0.004, None),
        (FINE, [], None, None),
        (RedisState(), [], 0.004, "Redis does not answer"),
        (replace(FINE, trouble="memory"), [], 0.004, "Redis cannot be used (out of memory)"),
        (replace(FINE, ready=False), [], None, "No edge worker is warm"),
        (replace(FINE, queue=40), [], None, "40 key frames wait in the queue"),
        (FINE, [replace(STREAM, age_s=3.0), STREAM], None, "One stream waits for more than 2.5 s"),
        (FINE, [replace(STREAM, age_s=3.0)] * 2, None, "2 streams wait"),
        (FINE, [], 0.12, "The gateway is short of processor: its timers are 120 ms late"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(redis_state, streams, lag_s, beginning):
    found = told(sample(redis_state=redis_state, streams=streams), lag_s=lag_s)

    assert len(found) == bool(beginning)
    assert all(sentence.startswith(beginning) and sentence.endswith(".") for sentence in found)


def test_a_stream_whose_key_frames_are_to_come_slowly_is_well():
    stream = replace(STREAM, age_s=4.5)

    assert told(sample(streams=[stream]), old_look_s=6.0) == []
    assert len(told(sample(streams=[stream]), old_look_s=2.5)) == 1


@pytest.mark.parametrize("name", TROUBLES)
def test_whatever_goes_wrong_is_told_with_its_number_and_a_next_step(name):
    make = pushed if name in metrics_push.known_samples() else sample

    found = told(make({name: 4}), make({name: 4}), make({name: 6}))

    (sentence,) = found
    what, step = TROUBLES[name]
    assert sentence == f"{what}: 2 in the last minute; {step}."


def test_every_trouble_has_a_name_of_its_own():
    assert len({what for what, _ in TROUBLES.values()}) == len(TROUBLES)


def test_what_is_long_over_is_no_alert():
    assert told(sample({BUSY: 9, DEADLINE: 9}), sample({BUSY: 9, DEADLINE: 9})) == []


@pytest.mark.parametrize("trouble", REASONS)
def test_whatever_ails_redis_has_its_next_step(trouble):
    (sentence,) = told(sample(redis_state=RedisState(trouble=trouble)))

    assert STEPS[trouble] in sentence and "looks stay as they are" in sentence


def test_a_redis_that_comes_back_or_begins_anew_is_no_failure():
    away = pushed(None, "away")

    assert told(pushed({FAILED: 7}), away, pushed({FAILED: 7})) == []
    assert told(away, away, pushed({FAILED: 7})) == []
    assert told(pushed({FAILED: 7}), pushed({}), pushed({FAILED: 1}))[0].split(": ")[1].startswith("1 ")


def test_every_reason_of_a_gateway_is_told_or_known_to_be_harmless():
    metrics = GatewayMetrics()
    counters = (
        metrics.offers_refused,
        metrics.requests_refused,
        metrics.uploads,
        metrics.streams_refused,
        metrics.sessions_cut,
        metrics.key_frames_dropped,
        metrics.answers_dropped,
        metrics.tasks_restarted,
    )
    found = {metrics_push.key(s) for counter in counters for family in counter.collect() for s in family.samples}
    outcomes = {name for name in metrics_push.known_samples() if name.startswith("mvs_edge_key_frames_total")}

    assert found | outcomes <= TROUBLES.keys() | HARMLESS
    assert not TROUBLES.keys() & HARMLESS
    assert TROUBLES.keys() | HARMLESS <= found | metrics_push.known_samples()  # none that nobody counts


@given(st.lists(st.dictionaries(st.sampled_from([BUSY, DEADLINE]), st.integers(0, 9)), max_size=6))
def test_growth_is_never_negative_nor_more_than_what_was_counted(counts):
    growth = grown([sample(each) for each in counts])

    for name, value in growth.items():
        assert 0 <= value <= sum(each.get(name, 0) for each in counts)
