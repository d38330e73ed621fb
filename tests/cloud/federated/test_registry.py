"""Global models on disk are complete or not there, the newest five are kept, and old ones can be restored."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cloud.federated.registry import KEPT, SHIPPED, Outdated, Record, Registry


@pytest.fixture
def shipped(tmp_path):
    path = tmp_path / "shipped.safetensors"
    path.write_bytes(b"shipped")
    return path


@pytest.fixture
def registry(tmp_path, shipped):
    return Registry(tmp_path / "models", shipped)


def add(registry: Registry, weights: bytes, **known: object) -> Record:
    latest = registry.latest()
    return registry.append(replace(latest, version=latest.version + 1, origin="round", **known), weights)


def test_the_shipped_model_is_version_0_and_nothing_is_written_for_it(tmp_path):
    registry = Registry(tmp_path / "models")

    assert registry.latest().version == 0
    assert registry.weights(0) == SHIPPED.read_bytes()
    assert registry.of_this_package()
    assert not (tmp_path / "models").exists()


def test_a_version_outlives_the_process(registry, tmp_path, shipped):
    add(registry, b"one", counted={"edge": 0}, norms=[0.5], examples={"edge": 400}, loss_before=2.0, loss_after=1.5)

    again = Registry(tmp_path / "models", shipped)

    assert again.latest() == registry.latest()
    assert again.latest().counted == {"edge": 0}
    assert again.weights(1) == b"one"
    assert again.latest().model_version == again.latest().sha256[:12]


def test_only_the_next_version_can_be_added(registry):
    record = add(registry, b"one")

    for version in (0, 1, 3):
        with pytest.raises(Outdated):
            registry.append(replace(record, version=version), b"other")
    assert registry.weights(1) == b"one"


def test_the_last_five_are_kept(registry, tmp_path):
    for i in range(1, 8):
        add(registry, f"{i}".encode())

    assert [record.version for record in registry.records()] == [3, 4, 5, 6, 7]
    assert len(list((tmp_path / "models").glob("*.safetensors"))) == KEPT
    with pytest.raises(ValueError, match="version 2 is not in"):
        registry.weights(2)


def test_going_back_is_a_new_version_that_nothing_before_it_may_build_on(registry):
    for i in range(1, 4):
        add(registry, f"{i}".encode(), counted={"edge": i - 1})

    record = registry.rollback(1)

    assert (record.version, record.floor, record.origin) == (4, 4, "version 1")
    assert registry.latest() == record
    assert registry.weights(4) == b"1"
    with pytest.raises(ValueError, match="version 9"):
        registry.rollback(9)
    assert registry.weights(registry.rollback(0).version) == b"shipped"


@pytest.mark.parametrize("name", ["000002.safetensors", "000002.json"])
def test_a_damaged_version_leaves_the_one_before_and_its_number_is_not_given_again(registry, tmp_path, shipped, name):
    add(registry, b"one")
    add(registry, b"two")
    (tmp_path / "models" / name).write_bytes(b"{")

    again = Registry(tmp_path / "models", shipped)

    assert again.latest().version == 1
    assert again.weights(1) == b"one"
    assert again.rollback(1).version == 3
    assert again.latest().version == 3


def test_a_package_with_another_model_begins_a_new_line(registry, tmp_path):
    add(registry, b"one", counted={"edge": 0})
    (tmp_path / "newer.safetensors").write_bytes(b"newer")
    newer = Registry(tmp_path / "models", tmp_path / "newer.safetensors")
    assert not newer.of_this_package()

    record = newer.start_anew()

    assert (record.version, record.floor, record.counted) == (2, 2, {})
    assert newer.of_this_package()
    assert newer.weights(2) == b"newer"


def test_only_one_process_makes_new_versions(registry):
    with registry.alone(), pytest.raises(ValueError, match="another aggregator"), registry.alone():
        pass
    with registry.alone():
        pass


CRASH = """
import os, sys
from dataclasses import replace
from pathlib import Path
from cloud.federated.registry import Registry
folder, shipped, calls_left = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
def dying(function):
    def call(*args, **kwargs):
        global calls_left
        calls_left -= 1
        if calls_left < 0:
            os.kill(os.getpid(), 9)
        return function(*args, **kwargs)
    return call
os.fsync, Path.replace, Path.unlink, os.open = map(dying, (os.fsync, Path.replace, Path.unlink, os.open))
registry = Registry(folder, shipped)
latest = registry.latest()
registry.append(replace(latest, version=latest.version + 1, origin="round"), b"new" * 100_000)
"""


@pytest.mark.parametrize("calls", range(11))
def test_killed_at_any_point_of_writing_the_version_is_there_or_not(registry, tmp_path, shipped, calls):
    for i in range(1, KEPT + 1):
        add(registry, f"{i}".encode())

    subprocess.run(
        [sys.executable, "-c", CRASH, str(tmp_path / "models"), str(shipped), str(calls)],
        cwd=SHIPPED.parent.parent.parent,
    )

    again = Registry(tmp_path / "models", shipped)
    latest = again.latest()
    assert (latest.version, again.weights(latest.version)) in [(5, b"5"), (6, b"new" * 100_000)]
    assert add(again, b"next").version == latest.version + 1
    assert again.weights(latest.version + 1) == b"next"


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("only root may make a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full_keeps_the_last_good_version(small_disk, shipped):
    registry = Registry(small_disk, shipped)
    for i in range(2):
        add(registry, os.urandom(400_000))
    good = registry.weights(2)

    for _ in range(2):
        with pytest.raises(OSError, match="No space"):
            add(registry, os.urandom(400_000))

    assert Registry(small_disk, shipped).latest().version == 2
    assert registry.weights(2) == good
    assert add(registry, b"small").version == 3


def test_a_full_disk_leaves_the_last_good_version(registry, tmp_path, monkeypatch):
    add(registry, b"one")
    files = sorted(path.name for path in (tmp_path / "models").iterdir())

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        add(registry, b"two")
    monkeypatch.undo()

    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == files
    assert registry.latest().version == 1
    assert add(registry, b"two").version == 2


def test_what_is_published_later_has_the_higher_number_whatever_the_clock_does(tmp_path, shipped):
    times = iter([100.0, 200.0, 50.0, 50.0])
    registry = Registry(tmp_path / "models", shipped, lambda: next(times))
    registry.begin()
    begun = registry.latest()
    add(registry, b"one")
    add(registry, b"two")
    registry.rollback(1)

    assert (begun.version, begun.published) == (0, 100_000)
    assert [record.published for record in registry.records()] == [100_000, 200_000, 200_001, 200_002]
    assert registry.published(2) == 200_001 and registry.published(9) is None
    registry.begin()  # once is enough
    assert Registry(tmp_path / "models", shipped).latest().published == 200_002


def test_a_registry_of_an_older_package_gets_its_number(registry, tmp_path):
    record = add(registry, b"one")
    path = tmp_path / "models" / "000001.json"
    path.write_text(path.read_text().replace(str(record.published), "0"))

    registry = Registry(tmp_path / "models", tmp_path / "shipped.safetensors")
    assert registry.latest().published == 0
    registry.begin()

    assert registry.latest().published > 0 and registry.weights(1) == b"one"


def test_version_0_is_the_present_packages_whatever_was_written_of_an_older_one(registry, tmp_path, shipped):
    registry.begin()
    shipped.write_bytes(b"newly shipped")

    registry = Registry(tmp_path / "models", shipped)

    assert registry.weights(0) == b"newly shipped" and registry.of_this_package()
    registry.begin()
    assert registry.latest().published > 0


def test_only_its_owner_may_see_the_folder(registry, tmp_path):
    add(registry, b"one")

    assert (tmp_path / "models").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        '{"version": 2, "sha256": "", "shipped": ""}',
        "[" * 100_000,
        "\0",
        '{"version": 1, "sha256": "", "shipped": "", "published": "9"}',
    ],
)
def test_a_record_that_is_none_is_left_out(registry, tmp_path, text):
    add(registry, b"one")
    (tmp_path / "models" / "000001.json").write_text(text)

    assert Registry(tmp_path / "models", tmp_path / "shipped.safetensors").latest().version == 0
