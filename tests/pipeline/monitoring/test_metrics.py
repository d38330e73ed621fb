import re
from pathlib import Path

import pipeline
from pipeline.monitoring import metrics
from pipeline.monitoring.metrics import GatewayMetrics
from pipeline.queues.redis_errors import REASONS

#: The places where a reason is named: labels("x"), stats.lost("x"), self._drop(frame_id, "x").
NAMED = re.compile(r'(?:labels|lost|dropped|_drop|Unfit)\((?:[\w.]+, )?"(\w+)"\)')


def counters() -> dict[str, set[str]]:
    """The samples that a gateway exports for each counter with a label, before anything has happened."""
    found = {}
    for family in GatewayMetrics().registry.collect():
        for sample in family.samples:
            if sample.name.endswith("_total") and sample.labels:
                assert sample.value == 0
                found.setdefault(sample.name, set()).update(sample.labels.values())
    return found


def test_every_reason_is_there_before_its_first_count():
    assert counters() == {
        "mvs_frames_dropped_total": set(metrics.FRAME_DROPS),
        "mvs_streams_refused_total": {"size", "memory", "changes"},
        "mvs_key_frames_total": {"first", "cut", "style", "asked", "interval", "change"},
        "mvs_key_frames_dropped_total": {"deadline", "error", "redis"},
        "mvs_answers_dropped_total": {"late", "style", "channel", "slow", "gone", "unreadable", "surprise"},
        "mvs_redis_errors_total": set(REASONS),
        "mvs_offers_refused_total": {"BadOffer", "Busy"},
        "mvs_requests_refused_total": set(metrics.REQUEST_REFUSALS),
        "mvs_http_connections_closed_total": set(metrics.CONNECTION_CLOSES),
        "mvs_network_bytes_total": {"in", "out"},
        "mvs_packets_refused_total": set(metrics.REFUSALS),
        "mvs_control_dropped_total": {"rate", "nonsense", "unread"},
        "mvs_sessions_cut_total": {"flood", "broken", "pending"},
        "mvs_previews_total": set(metrics.PREVIEW_OUTCOMES),
        "mvs_uploads_total": set(metrics.UPLOAD_OUTCOMES),
        "mvs_tasks_restarted_total": set(metrics.TASKS),
    }


def test_no_other_reason_is_named_anywhere():
    sources = "".join(path.read_text() for path in Path(pipeline.__file__).parent.rglob("*.py"))

    known = {*metrics.FRAME_DROPS, *metrics.KEY_FRAME_DROPS, *metrics.ANSWER_DROPS, *metrics.CONTROL_DROPS, "pending"}
    assert set(NAMED.findall(sources)) == known
