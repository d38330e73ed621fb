"""compose.yaml and the Dockerfile: each image is built once, and each container may do no more than it must."""

import re

import pytest
import yaml

from support.paths import ROOT
from workers.__main__ import COMMANDS

SERVICES = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_may_do_no_more_than_it_must(name):
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"] and service["pids_limit"]
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}


@pytest.mark.parametrize("name", SERVICES)
def test_no_port_of_the_host_is_fixed(name):
    """Whatever listens on the host's own network has its port from a variable."""
    service = SERVICES[name]

    assert "ports" not in service
    assert service["network_mode"] in ("none", "host")
    if service["network_mode"] == "host":
        words = [*map(str, service.get("environment", {}).values()), *map(str, service.get("command", []))]
        assert any(re.search(r"\$\{\w*PORT:-\d+\}", word) for word in words)


def test_each_image_is_built_once():
    built = [(service["image"], service["build"]["target"]) for service in SERVICES.values() if "build" in service]

    assert set(built) == {("mvstylizer-gateway", "gateway"), ("mvstylizer-worker", "worker")}
    assert [
        name for name, service in SERVICES.items() if service["image"] == "mvstylizer-worker" and "build" in service
    ] == ["edge"]
    assert {target for _, target in built} <= set(re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, re.MULTILINE))


def test_roles_run_as_a_user_with_a_number_and_by_commands_that_exist():
    roles = [service for service in SERVICES.values() if service["image"].startswith("mvstylizer")]

    assert {service["user"] for service in roles} == set(re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE))
    assert all(service["user"].replace(":", "").isdecimal() for service in roles)
    assert {service["command"][0] for service in roles if "command" in service} <= set(COMMANDS)
    assert set(re.findall(r'^CMD \["(\w+)"\]', DOCKERFILE, re.MULTILINE)) <= set(COMMANDS)


def test_the_images_install_what_pyproject_names_and_nothing_else():
    """The dependencies are one layer, made before the sources are there."""
    installs = re.findall(r"(?:pip install|uv sync).*", DOCKERFILE)
    before_sources = DOCKERFILE[: DOCKERFILE.index("AS sources")]

    assert len(installs) == 4
    assert installs[0] == "pip install uv"
    assert all("uv sync" in line and "--no-install-project" in line for line in installs[1:3])
    assert installs[3].endswith("--no-deps --target /app .")
    assert re.findall(r"COPY (.*)", before_sources) == ["pyproject.toml ./"] * 2
