"""What the load generator plans, counts and says."""

import argparse
import json
from xml.etree import ElementTree

import pytest

from clients.load import cli
from clients.load.cli import Outcome, add_arguments, failings, histogram_of_us, looks_per_s, percentiles_ms, planned
from clients.load.report import write_report
from clients.load.virtual_clients import LONGEST_US, OLDEST_US, LoadCounters, Plan
from pipeline.contract.errors import BadSetting
from workers.__main__ import main


def test_lost_looks_stand_in_the_percentiles():
    outcome, counters = Outcome(), LoadCounters()
    for _ in range(8):
        counters.serve(0.05)
    counters.lose(2)

    second = outcome.record([counters])

    assert percentiles_ms(outcome.latencies) == {"p50": 50.0, "p95": 2000.9, "p99": 2000.9}
    assert (second["p50"], second["p99"], second["lost"]) == (50.0, 2000.0, 2)


def test_ages_of_looks_and_answers_of_each_client_are_kept():
    outcome, plan = Outcome(), Plan("", "", (), None, clients=4, ramp_s=0, seconds=2)
    first, second = LoadCounters(answers_of={0: 2, 2: 1}), LoadCounters(answers_of={1: 4})
    for age_s in (0.1, 0.2, None, 3600):
        first.show(1000, age_s)

    outcome.record([first, second])
    outcome.record([LoadCounters(answers_of={0: 4, 2: 4})])

    assert (outcome.totals["shown"], outcome.totals["sent_bytes"]) == (4, 4000)
    assert percentiles_ms(outcome.ages)["p50"] == pytest.approx(200, rel=1e-3)
    assert percentiles_ms(outcome.ages)["p99"] == pytest.approx(OLDEST_US / 1e3, rel=1e-3)
    assert looks_per_s(plan, outcome) == {"mean": 1.5, "min": 0, "max": 2, "jain": 0.75}  # the last one never got in


def test_reports_add_up_over_processes_and_seconds():
    outcome, counters = Outcome(), LoadCounters(live=2, frames=30, refused=1)
    counters.serve(0.1)

    outcome.record([counters, counters])
    second = outcome.record([LoadCounters(live=1)])

    assert outcome.totals["frames"] == 60 and outcome.totals["served"] == outcome.totals["refused"] == 2
    assert (outcome.most_live, outcome.live, second["p50"]) == (4, 1, None)
    assert outcome.latencies.get_total_count() == 2


def test_a_report_is_one_well_formed_page_without_scripts():
    histogram = histogram_of_us()
    for value in (50_000, 80_000, LONGEST_US):
        histogram.record_value(value)
    trip = percentiles_ms(histogram)
    summary = {
        "key_frame_round_trip_ms": trip,
        "look_age_ms": trip,
        "looks_per_s": {"mean": 1.0, "jain": 1.0},
        "lost": 1,
        "clients": 2,
        "reasons": {},
        "roles": {},
        "stages": {"<&>": {"count": 1}},
    }
    seconds = [{"p50": None, "p95": None, "p99": None}, trip, trip]

    page = write_report(summary, seconds, histogram)

    assert "<script" not in page and "&lt;&amp;&gt;" in page
    drawings = [
        ElementTree.fromstring(part + "</svg>")
        for part in page.split("</svg>")[:-1]
        for part in [part[part.index("<svg") :]]
    ]
    assert len(drawings) == 2 and all(drawing.findall("polyline") for drawing in drawings)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--clients", "0"], "--clients"),
        (["--rate", "40"], "--rate"),
        (["--rate", "often"], "--rate"),
        (["--size", "big"], "--size"),
        (["--clip", __file__], "not a readable video"),
    ],
)
def test_a_load_test_called_wrongly_says_so(options, sentence, capsys):
    with pytest.raises(SystemExit):
        main(["load", "http://127.0.0.1:1", *options])

    assert sentence in capsys.readouterr().err


def test_a_plan_spreads_its_clients_over_the_ramp():
    parser = argparse.ArgumentParser()
    add_arguments(parser)

    plan = planned(parser.parse_args(["http://gateway", "--clients", "4", "--ramp", "8", "--size", "64x36"]))

    begins_s = [plan.begins_s(client) - plan.start_s for client in range(4)]
    assert begins_s == pytest.approx([0, 2, 4, 6])
    assert plan.start_s + 8 < plan.count_from_s < plan.end_s
    with pytest.raises(BadSetting):
        planned(parser.parse_args(["http://gateway", "--fps", "0"]))


@pytest.mark.parametrize(
    ("lost", "p95_ms", "clients", "limits", "words"),
    [
        (0, 80.0, 4, {}, []),
        (3, 80.0, 4, {"max_lost": 3, "max_p95_ms": 80.0}, []),
        (1, 80.0, 4, {}, ["1 looks were lost"]),
        (0, 80.1, 4, {"max_p95_ms": 80.0}, ["95th percentile is 80.1 ms"]),
        (0, None, 4, {"max_p95_ms": 80.0}, ["95th percentile is unknown"]),
        (0, 80.0, 3, {}, ["1 of 4 clients"]),
    ],
)
def test_what_fails_a_load_test(lost, p95_ms, clients, limits, words):
    summary = {"lost": lost, "key_frame_round_trip_ms": {"p95": p95_ms}, "clients": clients, "asked_clients": 4}

    wrong = failings(summary, **{"max_lost": 0, "max_p95_ms": None} | limits)

    assert len(wrong) == len(words) and all(word in said for word, said in zip(words, wrong))


def test_lost_looks_end_a_load_test_with_exit_code_1(monkeypatch, capsys):
    summary = {
        "lost": 7, "key_frame_round_trip_ms": {"p95": 1.0}, "clients": 2, "asked_clients": 2,
        "reasons": {"Too full.": 2},
        "look_age_ms": {"p50": 1.0}, "looks_per_s": {"mean": 1, "min": 1, "max": 1, "jain": 1},
        "control_messages_per_s": {"said": 1, "heard": 1}, "uplink_mbit_per_s": 1, "shown_fps": 1,
        "fps": 1, "sent_fps": 1, "key_frames_per_s": 1, "served": 1, "refused": 2, "failed": 0, "late_frames": 0,
        "roles": {}, "stages": {},
    }  # fmt: skip
    monkeypatch.setattr(cli, "planned", lambda args: argparse.Namespace(clients=2))
    monkeypatch.setattr(cli, "measure", lambda *_, **__: (summary, Outcome()))

    with pytest.raises(SystemExit) as ended:
        main(["load", "http://127.0.0.1:1"])

    said = capsys.readouterr()
    assert ended.value.code == 1 and "7 looks were lost" in said.err
    assert "2 x Too full." in said.out and json.loads(said.out.splitlines()[-1]) == summary
