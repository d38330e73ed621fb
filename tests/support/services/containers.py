"""Builds and runs the containers of compose.yaml with buildah, Podman and runc, without a registry.

The images that compose takes from a registry are replaced by stand-ins of the same names, made of Debian's packages.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import yaml

from support.paths import ROOT

TOOLS = ("buildah", "podman", "runc", "debootstrap")
PYTHON, REDIS = "docker.io/library/python:3.12-slim", "docker.io/library/redis:7-alpine"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
#: A process may not have higher limits than whoever starts it, who need not be root of the whole machine.
CONFIGURATION = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
"""


def missing_tools() -> list[str]:
    return [tool for tool in TOOLS if not shutil.which(tool)] + ([] if os.geteuid() == 0 else ["root"])


def run(*command: str, **options) -> str:
    """Run a command; returns what it prints. Raises AssertionError with its errors if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    return done.stdout


def is_there(image: str) -> bool:
    return subprocess.run(["podman", "image", "exists", image]).returncode == 0


def make_stand_ins(folder: Path) -> None:
    """Make the images that would come from a registry, unless they are there."""
    if not is_there(PYTHON):
        packages = "python3,python3-pip,python3-venv,ca-certificates"
        run("debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", str(folder / "debian"))
        shutil.copy(CERTIFICATES, folder / f"debian{CERTIFICATES}")  # it trusts whom this machine trusts
        run("tar", "-C", str(folder / "debian"), "--exclude=./var/cache/apt", "-cf", str(folder / "debian.tar"), ".")
        recipe = [
            "FROM scratch",
            "ADD debian.tar /",
            "RUN ln -s python3 /usr/bin/python && rm -f /usr/lib/python3*/EXTERNALLY-MANAGED",
            f"ENV SSL_CERT_FILE={CERTIFICATES}",
        ]
        build(PYTHON, folder, recipe)
    if not is_there(REDIS):
        install = "apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server"
        build(REDIS, folder, [f"FROM {PYTHON}", f"RUN {install} && install -d -o 999 -g 1000 /data"])


def build(name: str, folder: Path, recipe: Iterable[str] | None = None, target: str = "") -> None:
    """Build an image from a Dockerfile's lines, or from the Dockerfile in `folder`, without a container runtime."""
    options = ["--isolation", "chroot", "--layers", "--format", "docker", "--tag", name]
    options += ["--target", target] if target else []
    if recipe is not None:
        (folder / "recipe").write_text("\n".join(recipe))
        options += ["--file", str(folder / "recipe")]
    run("buildah", "build", *options, str(folder))


def make_roles_image(folder: Path) -> None:
    """Make the image of the roles that run the model."""
    make_stand_ins(folder)
    build("localhost/mvstylizer-worker", ROOT, target="worker")


def configuration(folder: Path) -> dict[str, str]:
    """The environment for Podman, with a configuration that works as root of a machine which is itself confined."""
    (folder / "containers.conf").write_text(CONFIGURATION)
    return os.environ | {"CONTAINERS_CONF": str(folder / "containers.conf")}


def size_mb(image: str) -> float:
    return json.loads(run("podman", "image", "inspect", image))[0]["Size"] / 1e6


class Compose:
    """The services of compose.yaml, run by podman-compose under a project's name of their own."""

    def __init__(self, project: str, folder: Path, environment: dict[str, str]) -> None:
        self.services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
        self._project, self._environment = project, configuration(folder) | environment
        self._command = ("podman-compose", "--project-name", project)

    def build(self, folder: Path) -> None:
        make_stand_ins(folder)
        for service in self.services.values():
            if "build" in service:
                build(f"localhost/{service['image']}", ROOT, target=service["build"]["target"])

    def up(self, *services: str) -> None:
        run(*self._command, "up", "--detach", "--no-build", *services, env=self._environment, cwd=ROOT)

    def down(self) -> None:
        run(*self._command, "down", "--volumes", env=self._environment, cwd=ROOT)

    def container(self, service: str) -> str:
        return f"{self._project}_{service}_1"

    def podman(self, *arguments: str) -> str:
        return run("podman", *arguments, env=self._environment)
