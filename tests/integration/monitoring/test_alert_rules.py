"""Alert rules as Prometheus itself evaluates them."""

import json
import shutil
import subprocess
from pathlib import Path

import yaml

from pipeline.monitoring.alerts import LONG_QUEUE, SLOW_INTERVAL_S, SLOW_LOOP_S, TROUBLES
from pipeline.monitoring.metrics import LAG_BUCKETS, GatewayMetrics
from support.missing import missing
from support.paths import ROOT

FILE = ROOT / "pipeline" / "monitoring" / "alerts.yml"
RULES = {rule["alert"]: rule for group in yaml.safe_load(FILE.read_text())["groups"] for rule in group["rules"]}
OF_A = {"instance": "a", "job": "mvstylizer"}
MINUTES = "x24"  # two minutes of a sample each 5 s, as compose scrapes


def series(name: str, **labels: str) -> str:
    pairs = ", ".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{pairs}}}"


def lags(slow: int) -> dict[str, str]:
    """A loop with 100 timers in 5 s, of which `slow` are later than SLOW_LOOP_S."""
    bounds = {f"{bound:g}": 100 if bound > SLOW_LOOP_S else 100 - slow for bound in LAG_BUCKETS} | {"+Inf": 100}
    name = "mvs_event_loop_lag_seconds_bucket"
    return {series(name, **OF_A, le=bound): f"0+{count}{MINUTES}" for bound, count in bounds.items()}


def constant(**metrics: float) -> dict[str, str]:
    return {series(name, **OF_A): f"{value}+0{MINUTES}" for name, value in metrics.items()}


#: What Prometheus scrapes, an alert, and whether it must be raised.
CASES = {
    "down": (constant(up=0), "MvsGatewayDown", True),
    "up": (constant(up=1), "MvsGatewayDown", False),
    "no redis": (constant(mvs_redis_usable=0, mvs_worker_ready=0), "MvsRedisUnusable", True),
    "no redis is no missing worker": (constant(mvs_redis_usable=0, mvs_worker_ready=0), "MvsNoWorker", False),
    "no worker": (constant(mvs_redis_usable=1, mvs_worker_ready=0), "MvsNoWorker", True),
    "a long queue": (constant(mvs_queue_depth=LONG_QUEUE + 1), "MvsQueueLong", True),
    "a queue": (constant(mvs_queue_depth=LONG_QUEUE), "MvsQueueLong", False),
    "seldom": (constant(mvs_look_interval_seconds=SLOW_INTERVAL_S + 0.5), "MvsEdgeBusy", True),
    "often": (constant(mvs_look_interval_seconds=SLOW_INTERVAL_S), "MvsEdgeBusy", False),
    "old": (constant(mvs_oldest_look_seconds=2.6, mvs_old_look_seconds=2.5), "MvsStreamsWait", True),
    "young": (constant(mvs_oldest_look_seconds=2.5, mvs_old_look_seconds=2.5), "MvsStreamsWait", False),
    "late timers": (lags(slow=2), "MvsGatewayShortOfProcessor", True),
    "timers": (lags(slow=0), "MvsGatewayShortOfProcessor", False),
}


def expectation(series: dict[str, str], alert: str, raised: list[dict[str, str]]) -> dict[str, object]:
    """A test for promtool: after 90 s exactly these alerts are raised, each with its labels."""
    rule = RULES[alert]
    expected = [{"exp_labels": labels | rule["labels"], "exp_annotations": rule["annotations"]} for labels in raised]
    return {
        "interval": "5s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": "90s", "alertname": alert, "exp_alerts": expected}],
    }


def promtool(tests: list[dict[str, object]], folder: Path) -> str:
    if not shutil.which("promtool"):
        missing("promtool")
    file = folder / "tests.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(FILE)], "evaluation_interval": "5s", "tests": tests}))
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, timeout=60)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_states_are_alerts_beyond_the_thresholds_of_status(tmp_path):
    said = promtool([expectation(found, alert, [OF_A] * raised) for found, alert, raised in CASES.values()], tmp_path)

    assert not said, said


def test_each_trouble_is_an_alert_of_its_gateway_or_of_the_system(tmp_path):
    """A counter of two gateways grows by one. Other roles' counters are the same at both, and one alert is enough."""
    tests = []
    for alert, sample in zip(list(RULES)[-len(TROUBLES) :], TROUBLES, strict=True):
        name, _, text = sample.partition("{")
        labels = json.loads(f"{{{text}") if text else {}
        found = {series(name, instance=at, **labels): "3+0x12 4+0x12" for at in "ab"}
        is_own = name.removesuffix("_total") in {family.name for family in GatewayMetrics().registry.collect()}
        tests.append(expectation(found, alert, [{"instance": at, **labels} for at in "ab"] if is_own else [labels]))

    said = promtool(tests, tmp_path)

    assert not said, said
