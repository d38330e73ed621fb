"""The alert rules for Prometheus are those of /status, and hold from the same thresholds on."""

import importlib.util
import re
from types import ModuleType

import pytest
import yaml

from pipeline.monitoring.alerts import TROUBLES
from pipeline.monitoring.metrics import GatewayMetrics
from support.paths import ROOT

FILE = ROOT / "pipeline" / "monitoring" / "alerts.yml"
RULES = {rule["alert"]: rule for group in yaml.safe_load(FILE.read_text())["groups"] for rule in group["rules"]}


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("alert_rules", ROOT / "docs" / "reference" / "alert_rules.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_file_is_as_the_code_has_it(generator):
    """If this fails, run docs/reference/alert_rules.py."""
    assert FILE.read_text() == generator.text()


def test_every_alert_of_status_has_a_rule_of_its_own(generator):
    assert len(RULES) == len(generator.STATES) + len(TROUBLES)


def test_states_ask_for_metrics_that_a_gateway_has(generator):
    exported = {sample.name for family in GatewayMetrics().registry.collect() for sample in family.samples}

    for _, _, holds, _, _ in generator.STATES:
        assert set(re.findall(r"mvs_\w+", holds)) <= exported
