"""The example for Kubernetes fits its schema, kustomize joins its parts, and no container may do more than it must.

uv run --with kubernetes-validate pytest tests/deployment/test_kubernetes.py
"""

import re
import shutil
from collections.abc import Iterator

import pytest
import yaml

from pipeline.capacity.giving_way import LONG_WAIT_S, SHORT_WAIT_S
from pipeline.contract.settings import Settings
from pipeline.monitoring.metrics import GatewayMetrics
from support.paths import ROOT
from support.services.containers import run
from workers.__main__ import SUPERVISED

FOLDER = ROOT / "deploy" / "kubernetes"
WITHOUT_SCHEMAS = "the schemas are 100 MB: uv run --with kubernetes-validate has them"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
OBJECTS = {
    f"{item['kind']} {item['metadata']['name']}": item
    for name in KUSTOMIZATION["resources"]
    for item in yaml.safe_load_all((FOLDER / name).read_text())
}
DEPLOYMENTS = {item["metadata"]["name"]: item for item in OBJECTS.values() if item["kind"] == "Deployment"}


def pod(name: str) -> dict:
    return DEPLOYMENTS[name]["spec"]["template"]["spec"]


def containers() -> Iterator[tuple[dict, dict]]:
    """Each pod and its container."""
    for name in DEPLOYMENTS:
        (container,) = pod(name)["containers"]
        yield pod(name), container


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_fits_the_schema(name):
    validator = pytest.importorskip("kubernetes_validate", reason=WITHOUT_SCHEMAS)

    validator.validate(OBJECTS[name], validator.latest_version(), strict=True)


def test_whatever_does_not_fit_is_seen():
    validator = pytest.importorskip("kubernetes_validate", reason=WITHOUT_SCHEMAS)
    broken = OBJECTS["Deployment edge"] | {"spec": {"replica": 1}}

    with pytest.raises(validator.ValidationError):
        validator.validate(broken, validator.latest_version(), strict=True)


@pytest.mark.skipif(not shutil.which("kubectl"), reason="there is no kubectl")
def test_kustomize_joins_the_parts(tmp_path):
    for file in FOLDER.iterdir():
        shutil.copy(file, tmp_path / file.name.removesuffix(".example"))

    joined = [*yaml.safe_load_all(run("kubectl", "kustomize", str(tmp_path)))]

    assert len(joined) == len(OBJECTS) + 3  # settings, secrets and Redis' configuration
    named = {item["metadata"]["name"] for item in joined}
    for item in (item for item in joined if item["kind"] == "Deployment"):
        (container,) = item["spec"]["template"]["spec"]["containers"]
        assert (
            container["image"].startswith("registry.example.org/mvstylizer-") or container["image"] == "redis:7-alpine"
        )
        assert {next(iter(source.values()))["name"] for source in container.get("envFrom", [])} <= named


def test_there_is_a_deployment_for_each_role():
    (commands, images) = zip(*[(box.get("args", [None])[0], box["image"]) for _, box in containers()])

    assert set(commands) - {None} == SUPERVISED - {"gateway", "stylize"}  # which are what the images run by themselves
    assert set(images) == {"redis:7-alpine", "mvstylizer-gateway", "mvstylizer-worker"}
    assert {image["name"] for image in KUSTOMIZATION["images"]} == {*images} - {"redis:7-alpine"}


def test_a_container_may_do_no_more_than_it_must():
    confined = {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    for spec, container in containers():
        assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] > 0
        assert spec["automountServiceAccountToken"] is False
        assert container["securityContext"] == confined
        assert container["resources"]["limits"]["memory"] and container["livenessProbe"]


def test_clients_have_time_to_move():
    assert pod("gateway")["terminationGracePeriodSeconds"] > Settings().drain_s


def test_settings_and_secrets_are_those_that_roles_read():
    (settings,), (secrets, redis) = KUSTOMIZATION["configMapGenerator"], KUSTOMIZATION["secretGenerator"]
    shown = dict(line.split("=", 1) for line in settings["literals"])
    hidden = dict(line.split("=", 1) for line in (FOLDER / "secrets.env.example").read_text().splitlines())

    Settings.from_environment(shown | hidden)
    names = {f"MVS_{name.upper()}" for name in Settings.__slots__}
    assert {*shown, *hidden} <= names
    assert {*secrets["envs"], *redis["files"]} == set((FOLDER / ".gitignore").read_text().split())


def test_workers_are_added_before_looks_are_renewed_less_often():
    """The metric is a gateway's, and what is aimed at lies between the waits that are short and long to it."""
    (metric,) = OBJECTS["HorizontalPodAutoscaler edge"]["spec"]["metrics"]
    aim_s = int(re.fullmatch(r"(\d+)m", metric["external"]["target"]["value"])[1]) / 1000

    assert SHORT_WAIT_S < aim_s < LONG_WAIT_S
    registered = {family.name for family in GatewayMetrics().registry.collect()}
    assert metric["external"]["metric"]["name"] in registered
