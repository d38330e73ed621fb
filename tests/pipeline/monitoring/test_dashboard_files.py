"""Prometheus and Grafana as compose starts them: every metric in a panel is exported by a role."""

import json
import re

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from pipeline.contract.messages import StylizedFrame
from pipeline.monitoring.metrics import AggregatorMetrics, GatewayMetrics, TrainerMetrics, WorkerMetrics
from pipeline.monitoring.metrics_push import Reporter
from pipeline.monitoring.stream_stats import StreamStats
from pipeline.queues.broker import connect
from support.paths import ROOT
from support.webrtc.peers import Running

MONITORING = ROOT / "pipeline" / "monitoring"
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TARGETS = [(panel["title"], target) for panel in PANELS for target in panel["targets"]]
ANSWER = StylizedFrame("s", 7, "t", "edge", "v", False, (), b"", 1.0, 2.0, "", 3.0)
#: The most values of a label: they are reasons, stages and the like, and never streams or addresses.
MOST_SERIES = 400


@pytest.fixture
async def exported(redis_url, tmp_path) -> dict[str, set[str]]:
    """Every sample that a gateway exports after one event of each kind, with the names of its labels."""
    async with Running(redis_url, tmp_path) as running:
        something_happens(running.gateway.metrics)
        worker, trainer, aggregator = WorkerMetrics(), TrainerMetrics(), AggregatorMetrics()
        worker.model.info({"version": "v"})
        aggregator.measured(1.0, 1.0)
        with connect(redis_url) as connection:
            for role, metrics in (("stylize", worker), ("train", trainer), ("aggregate", aggregator)):
                Reporter(connection, role, metrics.registry).push()
        await running.gateway.watch.sample()
        async with running.http.get("/metrics") as response:
            families = list(text_string_to_metric_families(await response.text()))
    samples = [sample for family in families for sample in family.samples]
    assert len(samples) < MOST_SERIES
    return {sample.name: set(sample.labels) for sample in samples}


def something_happens(metrics: GatewayMetrics) -> None:
    for number in range(100):  # streams that come and go leave no series behind
        stats = StreamStats(metrics, number=number, shown_s=0.0)
        stats.frame()
        stats.picked("first")
        stats.answered(ANSWER, 0.1, 1.0)
        stats.dropped("deadline")
        stats.lost("late")
        stats.network(9, 9)
    metrics.frames_dropped.labels("strip").inc()
    metrics.offers_refused.labels("Busy").inc()


async def test_every_metric_that_a_panel_names_exists_with_its_labels(exported):
    for title, target in TARGETS:
        names = re.findall(r"\b(?:mvs|process)_\w+", target["expr"])
        labels = {name for names in re.findall(r"by \(([^)]*)\)", target["expr"]) for name in names.split(", ")}
        labels |= set(re.findall(r'(\w+)="', target["expr"])) | set(re.findall(r"{{(\w+)}}", target["legendFormat"]))

        assert names and set(names) <= set(exported), (title, names)
        assert labels <= set().union(*(exported[name] for name in names)), (title, labels)


def test_panels_neither_overlap_nor_leave_the_screen():
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [(place["x"] + x, place["y"] + y) for place in places for x in range(place["w"]) for y in range(place["h"])]

    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_compose_mounts_what_is_there_and_asks_gateways_where_they_listen():
    text = (ROOT / "compose.yaml").read_text()
    compose = yaml.safe_load(text)
    prometheus = yaml.safe_load(compose["configs"]["prometheus"]["content"])
    source = yaml.safe_load((MONITORING / "grafana-datasource.yml").read_text())["datasources"][0]
    mounts = [volume.split(":") for volume in compose["services"]["grafana"]["volumes"]]
    provider = yaml.safe_load((MONITORING / "grafana-dashboards.yml").read_text())["providers"][0]

    assert all((ROOT / path).is_file() for path, *_ in mounts)
    assert provider["options"]["path"] in [target.rpartition("/")[0] for _, target, _ in mounts]
    assert {target["datasource"]["uid"] for _, target in TARGETS} == {source["uid"]}
    (job,) = prometheus["scrape_configs"]
    first, second = (compose["services"][name]["environment"]["MVS_PORT"] for name in ("gateway", "gateway-2"))
    assert job["static_configs"][0]["targets"] == f'${{MVS_TARGETS:-["127.0.0.1:{first}"]}}'
    assert second == "${SECOND_PORT:-8082}"
    assert """with --profile balanced: MVS_TARGETS='["127.0.0.1:8081", "127.0.0.1:8082"]'""" in text
    rules = [volume.split(":") for volume in compose["services"]["prometheus"]["volumes"]]
    assert ["./pipeline/monitoring/alerts.yml", *prometheus["rule_files"], "ro"] in rules
    assert job["authorization"]["credentials"] == compose["services"]["gateway"]["environment"]["MVS_OPERATOR_TOKEN"]
    listens = next(word for word in compose["services"]["prometheus"]["command"] if "listen-address" in word)
    assert listens.endswith("=127.0.0.1:" + compose["services"]["grafana"]["environment"]["PROMETHEUS_PORT"])
    assert source["url"] == "http://127.0.0.1:${PROMETHEUS_PORT}"
    assert {compose["services"][name]["profiles"][0] for name in ("prometheus", "grafana")} == {"operators"}
