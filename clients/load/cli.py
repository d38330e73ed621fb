"""`mvstylizer load`: how late do the looks of many clients come, and what do they cost the machine?

A look is the answer to one key frame: the grid that gives frames the style.
"""

import argparse
import json
import math
import multiprocessing
import os
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import numpy as np
from hdrh.histogram import HdrHistogram

from clients.load import virtual_clients
from clients.load.process_usage import Meter, Usage
from clients.load.prometheus import Exposition
from clients.load.recording import record
from clients.load.report import write_report
from clients.load.virtual_clients import LONGEST_US, OLDEST_US, LoadCounters, Plan
from pipeline.contract.errors import BadSetting, MVStylizerError
from pipeline.styles.catalog import shipped

#: This many clients take half of a core.
CLIENTS_PER_PROCESS = 32
#: Reasons for refusals and failures in the summary: the most frequent ones.
MOST_REASONS = 5
PERCENTILES = {"p50": 50.0, "p95": 95.0, "p99": 99.0}


#: What an outcome counts, of the counters.
COUNTED = (
    "shown", "frames", "sent_bytes", "said", "heard", "late_frames", "answers", "served", "lost", "refused", "failed",
)  # fmt: skip


def histogram_of_us(longest_us: int = LONGEST_US) -> HdrHistogram:
    """An empty histogram of microseconds, exact to three digits."""
    return HdrHistogram(1, 2 * longest_us, 3)


@dataclass(slots=True)
class Outcome:
    """The counts of all processes together, in total and second by second."""

    totals: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))
    reasons: Counter[str] = field(default_factory=Counter)
    latencies: HdrHistogram = field(default_factory=histogram_of_us)
    ages: HdrHistogram = field(default_factory=lambda: histogram_of_us(OLDEST_US))
    answers_of: dict[int, int] = field(default_factory=dict)  # to each client, by its number
    seconds: list[dict] = field(default_factory=list)
    live: int = 0
    most_live: int = 0

    def record(self, reports: list[LoadCounters]) -> dict:
        """Add what the processes reported in one second.

        Returns that second's counts, with its percentiles in milliseconds (None if no look came).
        """
        second = {name: sum(getattr(report, name) for report in reports) for name in self.totals}
        for name, count in second.items():
            self.totals[name] += count
        for report in reports:
            self.reasons += report.reasons
            self.answers_of |= report.answers_of
            for age_us in report.ages_us:
                self.ages.record_value(age_us)
        self.live = sum(report.live for report in reports)
        self.most_live = max(self.most_live, self.live)
        now_us = [latency for report in reports for latency in report.latencies_us]
        for latency in now_us:
            self.latencies.record_value(latency)
        middle_us = np.percentile(now_us, list(PERCENTILES.values())) if now_us else [None] * len(PERCENTILES)
        second |= {"clients": self.live} | dict(zip(PERCENTILES, map(_ms, middle_us), strict=True))
        self.seconds.append(second)
        return second


def percentiles_ms(histogram: HdrHistogram) -> dict[str, float | None]:
    """The percentiles of microseconds, by name; None if nothing was counted."""
    is_empty = not histogram.get_total_count()
    return {name: None if is_empty else _ms(histogram.get_value_at_percentile(p)) for name, p in PERCENTILES.items()}


def jain(shares: Sequence[float]) -> float | None:
    """Jain's index of fairness: 1 where all have the same, 1/n where one has all, None where nobody has anything."""
    squares = sum(share**2 for share in shares)
    return round(sum(shares) ** 2 / (len(shares) * squares), 3) if squares else None


def _ms(microseconds: float | None) -> float | None:
    return None if microseconds is None else round(float(microseconds) / 1e3, 1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", help="the gateway's address, for example http://127.0.0.1:8080")
    parser.add_argument("--clients", type=int, default=8, metavar="N", help="clients at once (default 8)")
    parser.add_argument("--seconds", type=float, default=30, metavar="S", help="how long to count (default 30)")
    parser.add_argument("--ramp", type=float, metavar="S", help="from the first client to the last one (N/5)")
    parser.add_argument(
        "--rate",
        type=rate,
        default=2,
        metavar="R",
        help="key frames due a second and client (2), or auto: the gateway's",
    )
    parser.add_argument("--clip", type=Path, nargs="+", default=[], metavar="FILE", help="videos to send (a pan)")
    parser.add_argument("--size", default="640x360", metavar="WxH", help="size of the sent picture (640x360)")
    parser.add_argument("--fps", type=int, default=30, help="frames a second (30)")
    parser.add_argument("--style", default=shipped()[0].id, help="a style's id or name")
    parser.add_argument("--processes", type=int, metavar="P", help="processes to send from (one per 32 clients)")
    parser.add_argument("--token", default=os.environ.get("MVS_OPERATOR_TOKEN"), help="to read a gateway's /metrics")
    parser.add_argument("--max-lost", type=int, default=0, metavar="N", help="looks that may be lost (0)")
    parser.add_argument("--max-p95", type=float, metavar="MS", help="95th percentile that may not be passed (none)")
    parser.add_argument("--report", type=Path, metavar="FILE", help="HTML report to write")
    parser.epilog = (
        "A look is the answer to one key frame. Looks are due at fixed times, and their latency counts from then,\n"
        "whatever was late before them. One that is missing after 2 s is lost, and the percentiles count it as 2 s.\n"
        "With --rate auto clients ask for nothing. The gateway decides when looks are renewed, and a key frame's\n"
        "latency counts from when the camera saw it.\n\n"
        "examples:\n"
        "  mvstylizer load http://127.0.0.1:8080 --clients 20 --seconds 60 --report load.html\n"
        "  mvstylizer load http://127.0.0.1:8080 --clients 100 --ramp 60 --clip walk.mp4 street.mp4\n"
        "  mvstylizer load http://127.0.0.1:8080 --clients 100 --rate auto\n\n"
        "The last line printed is JSON. The exit code is 1 if more looks are lost than --max-lost, if they come later\n"
        "than --max-p95, or if not all clients were in at the same time."
    )


def rate(text: str) -> float | None:
    """What --rate says; None is "auto". Raises ValueError for what is neither that nor a number."""
    return None if text == "auto" else float(text)


def run(args: argparse.Namespace) -> None:
    plan = planned(args)
    processes = args.processes or -(-plan.clients // CLIENTS_PER_PROCESS)
    print(f"{plan.clients} clients from {processes} processes, {args.fps} frames a second each.", flush=True)
    summary, outcome = measure(plan, processes, token=args.token, on_second=show_progress)
    print_summary(summary)
    if args.report:
        args.report.write_text(write_report(summary, outcome.seconds, outcome.latencies))
        print(f"Report: {args.report}")
    print(json.dumps(summary), flush=True)
    if wrong := failings(summary, max_lost=args.max_lost, max_p95_ms=args.max_p95):
        print(f"mvstylizer load: {' '.join(wrong)}", file=sys.stderr)
        sys.exit(1)


def failings(summary: dict, *, max_lost: int, max_p95_ms: float | None) -> list[str]:
    """One sentence for each limit that was passed."""
    p95_ms, missing = summary["key_frame_round_trip_ms"]["p95"], summary["asked_clients"] - summary["clients"]
    wrong = []
    if summary["lost"] > max_lost:
        wrong.append(f"{summary['lost']} looks were lost, more than {max_lost}.")
    if max_p95_ms is not None and (p95_ms is None or p95_ms > max_p95_ms):
        wrong.append(f"The 95th percentile is {'unknown' if p95_ms is None else f'{p95_ms} ms'}, not {max_p95_ms} ms.")
    if missing > 0:
        wrong.append(f"{missing} of {summary['asked_clients']} clients were never in at the same time as the others.")
    return wrong


def planned(args: argparse.Namespace) -> Plan:
    """The plan that the command's arguments describe. Raises BadSetting for arguments that make no sense."""
    if args.clients < 1 or not 0 < args.seconds < 1e5:
        raise BadSetting("--clients and --seconds must be above 0.")
    if not 1 <= args.fps <= 120 or not (args.rate is None or 0 < args.rate <= args.fps):
        raise BadSetting("--fps must be 1 to 120, and --rate auto, or above 0 and not above --fps.")
    width, _, height = args.size.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) >= 32 and int(height) >= 2):
        raise BadSetting(f"--size must be WIDTHxHEIGHT, for example 640x360, not {args.size}.")
    size = int(width) // 2 * 2, int(height) // 2 * 2
    recordings = tuple(record(clip, size, fps=args.fps) for clip in args.clip or [None])
    ramp_s = args.clients / 5 if args.ramp is None else args.ramp
    return Plan(args.url, args.style, recordings, args.rate, args.clients, ramp_s, args.seconds)


def measure(
    plan: Plan,
    processes: int,
    *,
    token: str | None = None,
    on_second: Callable[[dict, float], None] = lambda second, left_s: None,
) -> tuple[dict, Outcome]:
    """Run the load test; returns its summary and its counts. Raises MVStylizerError if no client ever got a session.

    `on_second(second, left_s)` is called each second with that second's counts and the seconds that are left.
    """
    outcome, before, after = Outcome(), Exposition(), Exposition()
    meter: Meter | None = None
    usage: dict[str, Usage] = {}
    pipes = started(plan, processes)
    plan = replace(plan, start_s=time.monotonic())
    for reports in reported(pipes, plan.start_s):
        now_s = time.monotonic()
        on_second(outcome.record(reports), plan.end_s - now_s)
        if meter is None and now_s >= plan.count_from_s:
            meter, before = Meter.beside(plan.url), scrape(plan.url, token)
        if meter and not usage and now_s >= plan.end_s:
            usage, after = meter.read(), scrape(plan.url, token)
    if not outcome.most_live:
        why = "".join(f" {reason}" for reason, _ in outcome.reasons.most_common(1))
        raise MVStylizerError(f"No client got a session at {plan.url}.{why}")
    return summarize(plan, outcome, usage, after.since(before)), outcome


def started(plan: Plan, processes: int) -> list[Pipe]:
    """Start the processes and wait until all are ready, which takes seconds; returns a pipe to each of them."""
    context, pipes = multiprocessing.get_context("spawn"), []
    for number in range(processes):
        mine, theirs = context.Pipe()
        clients = range(number, plan.clients, processes)
        context.Process(target=virtual_clients.run, args=(plan, clients, theirs), daemon=True).start()
        theirs.close()
        pipes.append(mine)
    for pipe in pipes:
        try:
            pipe.recv()
        except EOFError:
            raise MVStylizerError("A process of the load generator ended before it began; see above.") from None
    return pipes


def reported(pipes: list[Pipe], start_s: float) -> Iterator[list[LoadCounters]]:
    """Tell all processes to begin, then yield their reports, one list a second, until they have ended."""
    for pipe in pipes:
        pipe.send(start_s)
    while pipes:
        reports = []
        for pipe in list(pipes):
            try:
                reports.append(pipe.recv())
            except EOFError:
                pipes.remove(pipe)
        if reports:
            yield reports


def scrape(url: str, token: str | None) -> Exposition:
    """The gateway's metrics; empty if it does not let us read them."""
    request = urllib.request.Request(f"{url.rstrip('/')}/metrics")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return Exposition.parse(response.read().decode())
    except OSError:
        return Exposition()


def summarize(plan: Plan, outcome: Outcome, usage: dict[str, Usage], metrics: Exposition) -> dict:
    totals, client_seconds = outcome.totals, plan.seconds * max(1, outcome.most_live)
    received = metrics.total("mvs_frames_received_total")
    return {
        "key_frame_round_trip_ms": percentiles_ms(outcome.latencies),
        "lost": totals["lost"],
        "clients": outcome.most_live,
        "fps": round((totals["frames"] if math.isnan(received) else received) / client_seconds, 2),
        "asked_clients": plan.clients,
        "seconds": plan.seconds,
        "shown_fps": round(totals["shown"] / client_seconds, 2),
        "sent_fps": round(totals["frames"] / client_seconds, 2),
        "uplink_mbit_per_s": round(8e-6 * totals["sent_bytes"] / client_seconds, 3),
        "control_messages_per_s": {way: round(totals[way] / client_seconds, 2) for way in ("said", "heard")},
        "look_age_ms": percentiles_ms(outcome.ages),
        "looks_per_s": looks_per_s(plan, outcome),
        "key_frames_per_s": round(totals["answers"] / plan.seconds, 2),
        **{name: totals[name] for name in ("served", "refused", "failed", "late_frames")},
        "reasons": dict(outcome.reasons.most_common(MOST_REASONS)),
        "roles": {name: asdict(used) for name, used in usage.items()},
        "stages": {stage.name: asdict(stage) for stage in metrics.stages()},
    }


def looks_per_s(plan: Plan, outcome: Outcome) -> dict[str, float | None]:
    """Looks a second of each client, and how fairly all clients share them, also those that never got in."""
    each = [outcome.answers_of.get(client, 0) / plan.seconds for client in range(plan.clients)]
    return {"mean": round(sum(each) / len(each), 3), "min": round(min(each), 3), "max": round(max(each), 3)} | {
        "jain": jain(each)
    }


def show_progress(second: dict, left_s: float) -> None:
    trip = "" if second["p50"] is None else f"   round trip p50 {second['p50']:.0f}, p95 {second['p95']:.0f} ms"
    counts = "".join(f"   {second[name]} {name}" for name in ("lost", "refused", "failed") if second[name])
    line = f"{max(0, left_s):4.0f} s left   {second['clients']} clients   {second['served']} looks{trip}{counts}"
    print(line.ljust(100), end="\r" if sys.stdout.isatty() else "\n", flush=True)


def print_summary(summary: dict) -> None:
    trip, age, looks = (summary[name] for name in ("key_frame_round_trip_ms", "look_age_ms", "looks_per_s"))
    said, heard = summary["control_messages_per_s"].values()
    print(f"\n\n{'clients':24}{summary['clients']} of {summary['asked_clients']}")
    print(f"{'frames a second':24}{summary['fps']} received, {summary['sent_fps']} sent, each client")
    print(f"{'frames shown a second':24}{summary['shown_fps']}, each client")
    print(f"{'uplink, Mbit/s':24}{summary['uplink_mbit_per_s']}, each client")
    print(f"{'control messages':24}{said} said, {heard} heard, a second and client")
    print(f"{'answers a second':24}{summary['key_frames_per_s']}")
    print(f"{'looks a second':24}{looks['mean']}, each client, from {looks['min']} to {looks['max']}")
    print(f"{'fairness (Jain)':24}{looks['jain']}")
    print(f"{'late by, ms':24}" + ", ".join(f"{name} {value}" for name, value in trip.items()))
    print(f"{'age of looks, ms':24}" + ", ".join(f"{name} {value}" for name, value in age.items()))
    for name in ("served", "lost", "refused", "failed", "late_frames"):
        print(f"{name.replace('_', ' '):24}{summary[name]}")
    for reason, count in summary["reasons"].items():
        print(f"{count:>8} x {reason}")
    print(f"\n{'role':24}{'processes':>10}{'% of a core':>14}{'RSS, MB':>10}")
    for name, used in summary["roles"].items():
        print(f"{name:24}{used['processes']:>10}{used['core_percent']:>14}{used['rss_mb']:>10.0f}")
    print(f"\n{'stage, in the gateway':44}{'count':>8}{'mean, ms':>10}{'p95':>8}{'p99':>8}")
    for name, stage in summary["stages"].items():
        print(f"{name:44}{stage['count']:>8}{stage['mean_ms']:>10}{stage['p95_ms']:>8}{stage['p99_ms']:>8}")
    print()
