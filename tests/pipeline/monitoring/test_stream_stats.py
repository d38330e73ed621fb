import pytest

from pipeline.contract.messages import StylizedFrame
from pipeline.monitoring.metrics import STAGES, GatewayMetrics
from pipeline.monitoring.stream_stats import ENCODINGS, StreamStats


@pytest.fixture
def stats() -> StreamStats:
    return StreamStats(GatewayMetrics(), number=1, shown_s=0.0)


def value(stats: StreamStats, name: str, **labels: str) -> float:
    return stats.metrics.registry.get_sample_value(name, labels) or 0.0


def answer(frame_id: int = 7, queue_ms: float = 20, decode_ms: float = 5, stylize_ms: float = 30) -> StylizedFrame:
    return StylizedFrame("s", frame_id, "t", "edge", "v", False, (), b"", decode_ms, stylize_ms, "", queue_ms)


def test_stages_add_up_to_the_whole(stats):
    stats.encoded(7, 0.010)
    stats.answered(answer(), seconds=0.080, now_s=100.0)

    stages = {stage: value(stats, "mvs_stage_seconds_sum", stage=stage) for stage in STAGES}
    wanted = {"encode": 0.010, "queue": 0.020, "decode": 0.005, "stylize": 0.030, "return": 0.015}
    assert stages == pytest.approx(wanted)
    assert value(stats, "mvs_key_frame_answer_seconds_sum") == pytest.approx(sum(stages.values()))


def test_a_worker_that_claims_more_time_than_passed_leaves_none_for_the_way_back(stats):
    stats.answered(answer(stylize_ms=900), seconds=0.080, now_s=100.0)

    assert value(stats, "mvs_stage_seconds_sum", stage="return") == 0


def test_a_looks_age_counts_from_its_key_frame_until_the_next_is_shown(stats):
    stats.answered(answer(1), seconds=0.1, now_s=10.0)
    stats.answered(answer(2), seconds=0.2, now_s=10.5)

    assert value(stats, "mvs_key_frame_age_seconds_count") == 1
    assert value(stats, "mvs_key_frame_age_seconds_sum") == pytest.approx(0.6)
    assert stats.shown_s == pytest.approx(10.3)


def test_encodings_of_key_frames_that_were_never_answered_are_forgotten(stats):
    for frame_id in range(20):
        stats.encoded(frame_id, 1.0)

    assert len(stats._encodings_s) == ENCODINGS


def test_drops_count_for_the_stream_and_for_the_gateway(stats):
    other = StreamStats(stats.metrics, number=2, shown_s=0.0)
    stats.dropped("deadline")
    other.dropped("deadline")
    other.lost("late")

    assert (stats.drops, other.drops) == ({"deadline": 1}, {"deadline": 1, "late": 1})
    assert value(stats, "mvs_key_frames_dropped_total", reason="deadline") == 2
    assert value(stats, "mvs_answers_dropped_total", reason="late") == 1


def test_bytes_are_added_since_the_last_time_and_never_taken_back(stats):
    stats.network(1000, 300)
    stats.network(1500, 300)
    stats.network(0, 0)  # a connection that was closed

    assert value(stats, "mvs_network_bytes_total", direction="in") == 1500
    assert value(stats, "mvs_network_bytes_total", direction="out") == 300
