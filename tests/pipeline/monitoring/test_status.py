"""The state for the operators' page, from samples made by hand."""

import json
import math
from dataclasses import replace

from pipeline.monitoring.metrics import STAGES
from pipeline.monitoring.metrics_push import PushedMetrics, WorkerReport
from pipeline.monitoring.sample import GlobalModel, RedisState, Sample, StreamSample
from pipeline.monitoring.status import HOUR_STEP, HOUR_VALUES, MINUTE_SAMPLES, SAMPLES, Board

STREAM = StreamSample(
    3, "Dusk", (640, 360), frames=0, key_frames=4, answers=3, in_flight=1, drops={"late": 1}, age_s=0.4
)
NO_STAGES = dict.fromkeys(STAGES, (0.0, 0))
FINE = RedisState(trouble="", ready=True, queue=0)


def sample(at_s: float = 0.0, **values: object) -> Sample:
    empty = {1.0: 0, math.inf: 0}
    plain = dict(
        redis_state=FINE,
        streams=[],
        frames=0,
        answers=0,
        stages=NO_STAGES,
        trips=empty,
        lags=empty,
        cpu_s=0.0,
        memory_bytes=0,
    )
    return Sample(at_s=at_s, **(plain | values))


def told(counts: dict | None = None, gauges: dict | None = None) -> RedisState:
    return replace(FINE, pushed=PushedMetrics(counts or {}, gauges or {}))


def board(*samples: Sample) -> Board:
    board = Board(2.5)
    for each in samples:
        board.record(each)
    return board


def test_before_the_first_tick_there_is_nothing_to_show():
    assert Board(2.5).state() == {}


def test_all_of_it_is_json():
    samples = [
        sample(i, streams=[STREAM], redis_state=replace(FINE, rounds=[GlobalModel(1, 9, 0.5, 0.4)])) for i in range(3)
    ]

    assert json.loads(json.dumps(board(*samples).state()))["rounds"] == [
        {"version": 1, "images": 9, "loss_before": 0.5, "loss_after": 0.4}
    ]


def test_rates_are_of_the_last_seconds():
    samples = [sample(i, frames=(90 if i < 50 else 30) * i, cpu_s=0.25 * i) for i in range(60)]

    state = board(*samples).state()

    assert state["figures"]["fps"] == 30
    assert state["roles"][0] == {"role": "gateway", "processes": 1, "cpu": 0.25, "memory_bytes": 0, "details": {}}


def test_a_streams_frames_count_from_when_it_came():
    samples = [sample(i, streams=[replace(STREAM, frames=25 * i)] if i >= 58 else []) for i in range(60)]

    (stream,) = board(*samples).state()["streams"]

    assert stream["fps"] == 25 and stream["number"] == 3 and stream["drops"] == {"late": 1}


def test_stages_are_means_of_the_last_minute():
    old = {stage: (100.0, 100) for stage in STAGES}
    new = {stage: (100.0 + 0.03, 103) for stage in STAGES}
    before = [sample(i, stages=NO_STAGES) for i in range(5)] + [sample(5, stages=old)]
    samples = [*before, *(sample(6 + i, stages=new) for i in range(MINUTE_SAMPLES))]

    assert board(*samples).state()["stages_ms"] == dict.fromkeys(STAGES, 10.0)
    assert board(*samples[-3:]).state()["stages_ms"] == {}


def test_the_history_has_an_end():
    kept = board(*(sample(i, answers=2 * i) for i in range(3 * SAMPLES)))

    history = kept.state()["history"]

    assert len(history["queue"]) == len(history["key_frames_per_s"]) == len(history["oldest_s"]) == SAMPLES
    assert set(history["key_frames_per_s"]) == {2}


def test_roles_show_what_they_told():
    label = '{"role": "stylize"}'
    gauges = {
        f"mvs_processes{label}": 2,
        f"mvs_process_memory_bytes{label}": 9e8,
        'mvs_model_info{"version": "ab"}': 2,
        "mvs_round": 7,
    }
    answered = 'mvs_edge_key_frames_total{"outcome": "answered"}'
    samples = [
        sample(i, redis_state=told({answered: 6 * i, "mvs_edge_busy_seconds_total": 0.2 * i}, gauges)) for i in range(9)
    ]

    state = board(*samples).state()
    roles = {role["role"]: role for role in state["roles"]}

    assert roles["stylize"]["processes"] == 2 and roles["train"]["processes"] == 0
    assert roles["stylize"]["details"] == {"key_frames_per_s": 6, "busy": 0.1}  # each of the two
    assert roles["aggregate"]["details"]["round"] == 7
    assert state["models"] == {"ab": 2}


def test_a_redis_that_began_anew_is_no_negative_work():
    answered = 'mvs_edge_key_frames_total{"outcome": "answered"}'

    state = board(sample(0, redis_state=told({answered: 500})), sample(1, redis_state=told({answered: 2}))).state()

    assert state["roles"][1]["details"]["key_frames_per_s"] == 0


def test_an_hour_is_kept_in_coarser_steps_with_the_worst_of_each():
    seconds = HOUR_VALUES * HOUR_STEP
    waiting = {7: 40, seconds - 1: 9}

    kept = board(
        *(
            sample(i, answers=2 * i, redis_state=replace(FINE, queue=waiting.get(i % seconds, 0)))
            for i in range(seconds + HOUR_STEP + 1)
        )
    )

    hour = kept.state()["hour"]
    assert hour["step_s"] == HOUR_STEP
    assert [len(hour[name]) for name in ("queue", "key_frames_per_s", "oldest_s")] == [HOUR_VALUES] * 3
    assert hour["queue"][-2:] == [9, 40] and set(hour["queue"][:-2]) == {0}
    assert set(hour["key_frames_per_s"]) == {2} and set(hour["oldest_s"]) == {None}


def test_events_are_told_newest_first_with_their_age():
    samples = [sample(0), sample(1, streams=[STREAM]), *(sample(i) for i in range(2, 30))]

    assert board(*samples).state()["events"] == [
        {"ago_s": 27, "kind": "session", "text": "Stream 3 closed."},
        {"ago_s": 28, "kind": "session", "text": "Stream 3 opened."},
    ]


def test_what_was_refused_or_failed_is_counted_for_the_last_minute_and_in_all():
    busy, failed = 'mvs_offers_refused_total{"reason": "Busy"}', 'mvs_edge_key_frames_total{"outcome": "failed"}'
    samples = [
        sample(i, counts={busy: min(i, 30), "mvs_other": 7}, redis_state=told({failed: 4 if i > 95 else 0}))
        for i in range(100)
    ]

    assert board(*samples).state()["failures"] == [
        {"what": "Offers refused for lack of a place", "minute": 0, "total": 30},
        {"what": "Key frames that a worker could not stylize", "minute": 4, "total": 4},
    ]


def test_each_worker_is_shown_with_its_age_and_model_the_oldest_first():
    workers = [WorkerReport(12.4, 9, "ab"), WorkerReport(7000.6, 8, "cd"), WorkerReport(None, 7, None)]
    state = board(sample(0, redis_state=replace(FINE, pushed=PushedMetrics(workers=workers)))).state()

    assert state["workers"] == [
        {"age_s": 7001, "memory_bytes": 8, "model": "cd"},
        {"age_s": 12, "memory_bytes": 9, "model": "ab"},
        {"age_s": None, "memory_bytes": 7, "model": None},
    ]


def test_it_links_to_what_there_is():
    linked = Board(2.5, {"Grafana": "http://127.0.0.1:3000"})
    linked.record(sample(0))

    assert linked.state()["links"] == [{"name": "Grafana", "url": "http://127.0.0.1:3000"}]
    assert board(sample(0)).state()["links"] == []
