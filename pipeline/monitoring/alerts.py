"""Finds what operators should know. Each alert is a sentence that also says what to do. No I/O and no clock."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

from pipeline.monitoring.metrics import PARTS, RESTART_REASONS, TASKS
from pipeline.monitoring.sample import Sample
from pipeline.queues.redis_errors import REASONS, STEPS

T = TypeVar("T")
#: This many key frames in the queue are half a second of work for one worker.
LONG_QUEUE = 12
SLOW_LOOP_S = 0.05
#: If looks are renewed less often than this, people see that they lag behind.
SLOW_INTERVAL_S = 1.0


def labelled(name: str, **labels: str) -> str:
    """Return the name of a counter's sample, as in pipeline.monitoring.metrics_push."""
    return name + json.dumps(labels, sort_keys=True)


def reasons(name: str, sentences: Mapping[str, T], label: str = "reason") -> dict[str, T]:
    return {labelled(name, **{label: value}): sentence for value, sentence in sentences.items()}


#: By counter, what happened and what to do about it; the worst comes first.
TROUBLES: dict[str, tuple[str, str]] = {
    "mvs_alarms_total": ("Global models not written to disk", "free some space where the aggregator keeps its models"),
    **{
        labelled("mvs_restarts_total", part=part, reason=reason): (
            f"Restarts of the {part}, which {how}",
            "the log of up says more; memory may be short",
        )
        for part in PARTS
        for reason, how in zip(RESTART_REASONS, ("ended", "a signal killed", "gave no sign of life"), strict=True)
    },
    **reasons(
        "mvs_tasks_restarted_total",
        {task: (f"Restarts of the gateway's task {task}", "the gateway's log has the trace") for task in TASKS},
        "task",
    ),
    **reasons(
        "mvs_offers_refused_total",
        {
            "Busy": (
                "Offers refused for lack of a place",
                "add a gateway, or raise MVS_MAX_SESSIONS and MVS_CPU_BUDGET",
            ),
            "BadOffer": (
                "Offers refused as they cannot be answered",
                "the gateway's log (-v) says what is wrong with them",
            ),
        },
    ),
    **reasons(
        "mvs_requests_refused_total",
        {
            "rate": ("Requests refused as one address sends too many", "behind a proxy, set MVS_TRUSTED_PROXIES"),
            "host": ("Requests refused for the name they ask by", "add it to MVS_ALLOWED_HOSTS if it is yours"),
            "origin": (
                "Requests refused as another site's page sent them",
                "add its name to MVS_ALLOWED_HOSTS if it is yours",
            ),
            "busy": ("Requests refused as too many are under way", "add a gateway, or see who sends them"),
        },
    ),
    **reasons(
        "mvs_uploads_total",
        {
            "failed": ("Uploads that failed here", "the gateway's log has the trace"),
            "busy": ("Uploads refused for lack of room", "add a gateway, or see who sends them"),
        },
        "outcome",
    ),
    **reasons(
        "mvs_streams_refused_total",
        {
            "size": (
                "Streams ended for the size of their video",
                "the client sends more than it offered; see its version",
            ),
            "memory": (
                "Streams ended for the memory their video takes",
                "the client sends more than it offered; see its version",
            ),
            "changes": ("Streams ended as their size kept changing", "see what the client does"),
        },
    ),
    **reasons(
        "mvs_sessions_cut_total",
        {
            "flood": ("Sessions ended as their peer sent too much", "see who it is; no client of ours does"),
            "broken": ("Sessions ended as their peer sent nonsense", "see who it is; no client of ours does"),
            "pending": ("Sessions without video that made room for others", "add a gateway, or raise MVS_MAX_SESSIONS"),
        },
    ),
    **reasons(
        "mvs_edge_key_frames_total",
        {
            "failed": ("Key frames that a worker could not stylize", "the worker's log says why"),
            "refused": ("Key frames that a worker could not read", "run gateway and workers of one version"),
            "unreadable": ("Jobs that are not ours", "see who else writes to this Redis"),
            "late": ("Key frames that a worker took too late", "add workers, or give theirs more processor"),
        },
        "outcome",
    ),
    **reasons(
        "mvs_key_frames_dropped_total",
        {
            "deadline": ("Key frames without an answer in two seconds", "add workers, or see whether they are well"),
            "error": ("Key frames answered with an error", "the worker's log says why"),
            "redis": ("Key frames that Redis did not take", "see to Redis; its reason is in the gateway's log"),
        },
    ),
    **reasons(
        "mvs_answers_dropped_total",
        {
            "late": ("Answers that came too late", "add workers, or give theirs more processor"),
            "slow": (
                "Answers not sent, as the way to the client is full",
                "nothing, where it is one client's; else see to the network",
            ),
            "unreadable": ("Answers that could not be read", "run gateway and workers of one version"),
            "surprise": ("Answers that could not be delivered", "the gateway's log has the trace"),
        },
    ),
    "mvs_edge_workers_killed_total": ("Workers that hung or were killed", "their log says more; memory may be short"),
    "mvs_edge_threads_restarted_total": ("Restarts of a worker's threads", "the worker's log has the trace"),
    "mvs_edge_models_refused_total": ("Models that a worker could not adopt", "the worker's log says why"),
    "mvs_globals_refused_total": ("Models without this deployment's signature", "set one MVS_SNAPSHOT_KEY everywhere"),
    "mvs_snapshots_refused_total": ("What edges learned, refused by the aggregator", "its log says why"),
    "mvs_learning_failures_total": ("Failures of those who learn", "the log of trainer and aggregator has the trace"),
    "mvs_reports_refused_total": ("Reports of roles that could not be read", "run all roles of one version"),
}


def alerts(now: Sample, minute: Sequence[Sample], *, lag_s: float | None, old_look_s: float) -> dict[str, str]:
    """Return the alerts, the worst first: for each, a name that stays the same, and a sentence with its numbers.

    `minute` are the samples of the last minute, including `now`. `lag_s` is how late the event loop's timers are. A
    healthy stream shows no look for longer than `old_look_s`.
    """
    interval_s = now.reductions.look_interval_s or 0.0
    redis_state, waiting = now.redis_state, [stream for stream in now.streams if (stream.age_s or 0) > old_look_s]
    found = [
        ("Redis cannot be used", redis_alert(redis_state.trouble), bool(redis_state.trouble)),
        (
            "No edge worker is warm",
            "No edge worker is warm: no look is renewed. Start one, or see its log.",
            not (redis_state.trouble or redis_state.ready),
        ),
        (
            "The edge is busy",
            f"The edge is busy: looks are renewed every {interval_s:.1f} s. Add workers.",
            interval_s > SLOW_INTERVAL_S,
        ),
        (
            "Key frames pile up in the queue",
            f"{redis_state.queue} key frames wait in the queue: the workers do not keep up. Add one.",
            (redis_state.queue or 0) > LONG_QUEUE,
        ),
        (
            "Streams wait long for a look",
            f"{streams_wait(len(waiting))} for more than {old_look_s:g} s for a look.",
            bool(waiting),
        ),
        (
            "The gateway is short of processor",
            f"The gateway is short of processor: its timers are {1000 * (lag_s or 0):.0f} ms late. Add a gateway.",
            (lag_s or 0) > SLOW_LOOP_S,
        ),
    ]
    return {name: sentence for name, sentence, holds in found if holds} | troubles(grown(minute))


def redis_alert(trouble: str) -> str:
    if trouble in ("", "away"):
        return f"Redis does not answer: looks stay as they are. {STEPS['away']}"
    return f"Redis cannot be used ({REASONS[trouble]}): looks stay as they are. {STEPS[trouble]}"


def streams_wait(number: int) -> str:
    return "One stream waits" if number == 1 else f"{number} streams wait"


def troubles(growth: Mapping[str, float]) -> dict[str, str]:
    """Return an alert for each counter of TROUBLES that grew, by what happened."""
    return {
        what: f"{what}: {growth[name]:.0f} in the last minute; {step}."
        for name, (what, step) in TROUBLES.items()
        if growth.get(name, 0) >= 1
    }


def failures(now: Sample, minute: Sequence[Sample]) -> list[tuple[str, int, int]]:
    """Return what was ever refused or failed, in the order of TROUBLES: what, and how often in the last minute and in
    all.

    A gateway's own counts begin with it, and those of other roles with Redis.
    """
    growth, counts = grown(minute), {**now.redis_state.pushed.counts, **now.counts}
    return [
        (what, int(growth.get(name, 0)), int(counts[name]))
        for name, (what, _) in TROUBLES.items()
        if counts.get(name, 0) >= 1
    ]


def grown(samples: Sequence[Sample]) -> dict[str, float]:
    """Return how much each counter grew over the samples. Samples without Redis, and restarts of it, do not count."""
    known = [sample.redis_state.pushed.counts for sample in samples if not sample.redis_state.trouble]
    return steps((sample.counts for sample in samples), TROUBLES) | steps(known, TROUBLES)


def steps(counts: Iterable[Mapping[str, float]], names: Collection[str]) -> dict[str, float]:
    """Return how much each of these counters grew in all. Where one fell, it began anew."""
    total: dict[str, float] = {}
    wanted = set(names)
    for before, now in pairwise(counts):
        for name in wanted & now.keys():
            total[name] = total.get(name, 0.0) + max(0.0, now[name] - before.get(name, 0.0))
    return total
