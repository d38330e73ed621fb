"""The report of a load test: one HTML page without scripts."""

import html
import json
import math
from collections.abc import Sequence

from hdrh.histogram import HdrHistogram

WIDTH, HEIGHT, MARGIN = 860, 240, 44
SERIES = {"p50": "#4c9f70", "p95": "#d9a441", "p99": "#c8553d"}
#: Percentiles shown by the curve; they come ever closer to 100.
QUANTILES = (0, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.9, 100)
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 900px; margin: 40px auto; padding: 0 16px;
  color: #1d1c1a; background: #fbfaf8 }
h1 { font-weight: 500 } h2 { font-weight: 500; font-size: 1.1em; margin-top: 2em }
table { border-collapse: collapse; width: 100% } td, th { text-align: right; padding: 4px 8px; font-weight: 400;
  border-bottom: 1px solid #e3dfd8 } th { color: #75706a } td:first-child, th:first-child { text-align: left }
svg { width: 100%; height: auto } text { font-size: 11px; fill: #75706a } pre { white-space: pre-wrap }
"""


def write_report(summary: dict, seconds: Sequence[dict], latencies: HdrHistogram) -> str:
    """The page's HTML, from the summary, the counts of each second, and the histogram of latencies in microseconds."""
    trip = summary["key_frame_round_trip_ms"]
    facts = {name: value for name, value in summary.items() if not isinstance(value, dict)}
    parts = [
        "<h1>Load test</h1>",
        f"<p>{summary['clients']} clients. Looks came {trip['p50']} ms after they were due in the median, "
        f"{trip['p95']} ms at the 95th percentile and {trip['p99']} ms at the 99th; {summary['lost']} were lost.</p>",
        "<h2>Second by second, milliseconds from due time</h2>",
        _over_time(seconds),
        "<h2>Percentiles, milliseconds from due time</h2>",
        _curve(latencies),
        "<h2>How old looks were, and who got how many</h2>",
        _table("", {"age of looks, ms": summary["look_age_ms"]}),
        _table("", {"looks a second and client": summary["looks_per_s"]}),
        "<h2>Roles</h2>",
        _table("role", summary["roles"]),
        "<h2>Stages</h2>",
        _table("stage", summary["stages"]),
        "<h2>Why clients were refused or failed</h2>",
        _table("reason", {reason: {"times": times} for reason, times in summary["reasons"].items()}, "None were."),
        "<h2>All counts</h2>",
        _table("", {name: {"value": value} for name, value in facts.items()}),
        f"<h2>The same as JSON</h2><pre>{html.escape(json.dumps(summary))}</pre>",
    ]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Load test</title><style>{STYLE}</style>"
        + "\n".join(parts)
    )


def _table(first: str, rows: dict[str, dict], nothing: str = "They cannot be measured from this machine.") -> str:
    if not rows:
        return f"<p>{nothing}</p>"
    names = [name for name in next(iter(rows.values())) if name != "name"]
    head = "".join(f"<th>{html.escape(name.replace('_', ' '))}</th>" for name in [first, *names])
    body = "".join(
        f"<tr><td>{html.escape(title)}</td>" + "".join(f"<td>{html.escape(str(row[name]))}</td>" for name in names)
        for title, row in rows.items()
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _over_time(seconds: Sequence[dict]) -> str:
    lines = {name: [(t, s[name]) for t, s in enumerate(seconds) if s[name] is not None] for name in SERIES}
    top = max((value for points in lines.values() for _, value in points), default=1.0)
    drawn = [_line(points, len(seconds), top, SERIES[name]) for name, points in lines.items()]
    legend = [
        f'<text x="{MARGIN + 60 * i}" y="14" style="fill:{c}">{n}</text>' for i, (n, c) in enumerate(SERIES.items())
    ]
    return _axes(
        top, {t: f"{t} s" for t in range(0, len(seconds), max(1, len(seconds) // 8))}, len(seconds), drawn + legend
    )


def _curve(latencies: HdrHistogram) -> str:
    """Latency over QUANTILES, which are evenly spaced, so that the rare late looks can be seen."""
    points = [(i, latencies.get_value_at_percentile(q) / 1e3) for i, q in enumerate(QUANTILES)]
    top = max(1.0, points[-1][1])
    labels = {i: f"{q:g} %" for i, q in enumerate(QUANTILES)}
    return _axes(top, labels, len(QUANTILES), [_line(points, len(QUANTILES), top, SERIES["p95"])])


def _x(position: float, count: int) -> float:
    return MARGIN + (WIDTH - 2 * MARGIN) * position / max(1, count - 1)


def _y(value: float, top: float) -> float:
    return HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * value / top


def _line(points: Sequence[tuple[float, float]], count: int, top: float, colour: str) -> str:
    path = " ".join(f"{_x(position, count):.1f},{_y(value, top):.1f}" for position, value in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'


def _axes(top: float, labels: dict[int, str], count: int, drawn: Sequence[str]) -> str:
    step = 10 ** math.floor(math.log10(top)) if top > 0 else 1
    ticks = [step * n for n in range(0, 10) if step * n <= top]
    rows = [
        f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{_y(v, top):.1f}" y2="{_y(v, top):.1f}" stroke="#e3dfd8"/>'
        f'<text x="{MARGIN - 6}" y="{_y(v, top) + 4:.1f}" text-anchor="end">{v:g}</text>'
        for v in ticks
    ]
    columns = [
        f'<text x="{_x(at, count):.1f}" y="{HEIGHT - MARGIN + 18}" text-anchor="middle">{text}</text>'
        for at, text in labels.items()
    ]
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join([*rows, *columns, *drawn])}</svg>'
