"""The load generator with a real gateway, and its output."""

import json
import subprocess
import sys

import pytest

from workers.__main__ import main


def test_a_load_test_from_two_processes(up, tmp_path):
    report = tmp_path / "load.html"
    options = [
        "--max-lost",
        "99",
        "--clients",
        "3",
        "--seconds",
        "3",
        "--ramp",
        "0",
        "--processes",
        "2",
        "--size",
        "192x108",
    ]

    done = subprocess.run(
        [sys.executable, "-m", "workers", "load", up.url, *options, "--report", str(report)],
        capture_output=True,
        text=True,
        timeout=120,
    )

    summary = json.loads(done.stdout.splitlines()[-1])
    assert 1 <= summary["clients"] <= summary["asked_clients"] == 3
    assert done.returncode == (summary["clients"] < 3), done.stderr
    assert 0 < summary["served"] <= summary["served"] + summary["lost"] <= 18  # 3 clients, 2 a second, 3 seconds
    assert set(summary["key_frame_round_trip_ms"]) == {"p50", "p95", "p99"}
    assert {"generator", "gateway", "stylize", "redis"} <= set(summary["roles"])
    assert summary["fps"] > 0 and "stage stylize" in summary["stages"]
    assert "Load test" in report.read_text()


def test_a_load_test_that_leaves_looks_to_the_gateway(up):
    options = [
        "--rate",
        "auto",
        "--max-lost",
        "99",
        "--clients",
        "2",
        "--seconds",
        "3",
        "--ramp",
        "0",
        "--size",
        "192x108",
    ]

    done = subprocess.run(
        [sys.executable, "-m", "workers", "load", up.url, *options], capture_output=True, text=True, timeout=120
    )

    summary = json.loads(done.stdout.splitlines()[-1])
    looks, ages = summary["looks_per_s"], summary["look_age_ms"]
    assert summary["served"] > 0 and 0 < looks["min"] <= looks["mean"] <= looks["max"] and 0.5 <= looks["jain"] <= 1
    assert 0 < ages["p50"] <= ages["p95"] and 0 < summary["uplink_mbit_per_s"] < 1
    assert 0 < summary["sent_fps"] <= summary["shown_fps"]
    assert summary["control_messages_per_s"]["said"] == 0 < summary["control_messages_per_s"]["heard"]


def test_a_load_test_without_any_session_says_why(capsys):
    options = ["--clients", "1", "--seconds", "0.1", "--ramp", "0", "--size", "64x36"]

    with pytest.raises(SystemExit) as ended:
        main(["load", "http://127.0.0.1:1", *options])

    assert ended.value.code == 2 and "No gateway answers at http://127.0.0.1:1" in capsys.readouterr().err
