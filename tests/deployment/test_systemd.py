"""The systemd units are valid and confine each role; and they run, by a systemd of their own in a container."""

import configparser
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.paths import ROOT
from support.services.containers import build, configuration, make_roles_image, missing_tools, run
from workers.__main__ import SUPERVISED
from workers.process.supervisor import EXIT_MISUSE

UNITS = ROOT / "deploy" / "systemd"
NAMES = ("gateway", "stylize@1", "train", "aggregate")
#: From 0 (safe) to 10 (not confined), as `systemd-analyze security` tells; 1.4 in tenths with version 252.
MOST_EXPOSED = 20
READY_S = 180


@pytest.fixture(scope="module")
def machine(tmp_path_factory) -> Path:
    """A folder that looks like a machine on which the units are installed."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("there is no systemd-analyze")
    root = tmp_path_factory.mktemp("machine")
    shutil.copytree(UNITS, root / "etc" / "systemd" / "system")
    shutil.copytree("/usr/lib/systemd/system", root / "usr" / "lib" / "systemd" / "system", symlinks=True)
    for program in ("usr/local/lib/mvstylizer/bin/mvstylizer", "bin/mount", "bin/umount", "bin/sh"):
        (root / program).parent.mkdir(parents=True, exist_ok=True)
        (root / program).write_text("#!/bin/sh\n")
        (root / program).chmod(0o755)
    return root


def test_each_role_has_a_unit():
    assert {path.stem.removeprefix("mvstylizer-").rstrip("@") for path in UNITS.glob("*.service")} == SUPERVISED


@pytest.mark.parametrize("name", NAMES)
def test_a_unit_is_valid(name, machine):
    done = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", f"--root={machine}", f"mvstylizer-{name}.service"],
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", NAMES)
def test_a_unit_confines_its_role(name, machine):
    run(
        "systemd-analyze",
        "security",
        "--offline=yes",
        f"--root={machine}",
        f"--threshold={MOST_EXPOSED}",
        f"mvstylizer-{name}.service",
    )


def test_a_mistake_in_the_settings_is_not_tried_again():
    shared = configparser.ConfigParser(strict=False)
    shared.optionxform = str
    shared.read(UNITS / "mvstylizer-.service.d" / "10-every-role.conf")

    assert shared["Service"]["RestartPreventExitStatus"] == str(EXIT_MISUSE)


RECIPE = r"""
FROM localhost/mvstylizer-worker
USER 0
RUN apt-get update -qq && \
    apt-get install -y -qq --no-install-recommends systemd systemd-sysv redis-server curl >/dev/null
COPY mvstylizer /usr/local/lib/mvstylizer/bin/
COPY secrets.env /etc/mvstylizer/
COPY units /etc/systemd/system
RUN systemctl enable mvstylizer-gateway mvstylizer-stylize@1 mvstylizer-train mvstylizer-aggregate
ENTRYPOINT ["/sbin/init"]
CMD []
"""
COMMAND = """#!/bin/sh
PYTHONPATH=/app exec /venv/bin/python -P -m workers "$@"
"""
SECRETS = f"""
MVS_REDIS_URL=redis://127.0.0.1/0
MVS_SNAPSHOT_KEY={"k" * 32}
"""


@pytest.fixture(scope="module")
def systemd(tmp_path_factory) -> Iterator[str]:
    """The name of a container in which systemd has been started with the units."""
    if os.environ.get("MVS_IMAGES") != "on":
        pytest.skip("it takes minutes: MVS_IMAGES=on runs it")
    if lacking := missing_tools():
        pytest.fail(f"It needs {', '.join(lacking)}.")
    folder = tmp_path_factory.mktemp("systemd")
    make_roles_image(folder)
    shutil.copytree(UNITS, folder / "units")
    for name, text, mode in (("mvstylizer", COMMAND, 0o755), ("secrets.env", SECRETS, 0o600)):
        (folder / name).write_text(text)
        (folder / name).chmod(mode)
    build("localhost/mvstylizer-systemd", folder, [RECIPE])
    environment, name = configuration(folder), "mvs-test-systemd"
    options = ["--privileged", "--systemd=always", "--network", "none", "--name", name]
    run("podman", "run", "--detach", *options, "localhost/mvstylizer-systemd", env=environment)
    yield name
    run("podman", "rm", "--force", name, env=environment)


def within(container: str, *command: str) -> str:
    done = subprocess.run(["podman", "exec", container, *command], capture_output=True, text=True)
    return done.stdout


@pytest.mark.timeout(3600)
def test_systemd_starts_all_roles_and_stops_them(systemd):
    units = [f"mvstylizer-{name}" for name in NAMES]
    deadline_s = time.monotonic() + READY_S
    while json.loads(within(systemd, "curl", "-s", "http://127.0.0.1:8080/readyz") or "{}") != {"ready": True}:
        assert time.monotonic() < deadline_s, within(systemd, "journalctl", "--no-pager", "-n", "60")
        time.sleep(1)
    while within(systemd, "systemctl", "is-active", *units).split() != ["active"] * len(units):
        assert time.monotonic() < deadline_s, within(systemd, "journalctl", "--no-pager", "-n", "60")
        time.sleep(1)

    within(systemd, "systemctl", "stop", *units)

    told = within(systemd, "systemctl", "show", "--property=Result,NRestarts,ActiveState", *units)
    assert {line for line in told.splitlines() if line} == {"Result=success", "NRestarts=0", "ActiveState=inactive"}
