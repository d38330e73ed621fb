"""The command that lists global models, and goes back to an earlier one."""

import json
from argparse import Namespace
from dataclasses import replace

import pytest

from cloud.federated.registry import Registry
from workers.models_cli import run


@pytest.fixture
def registry(tmp_path) -> Registry:
    registry = Registry(tmp_path)
    for version in (1, 2):
        latest = registry.latest()
        registry.append(
            replace(
                latest, version=version, origin="round", examples={"a": 300, "b": 100}, loss_before=0.5, loss_after=0.4
            ),
            b"%d" % version,
        )
    return registry


def output(capsys, tmp_path, action: str, version: int | None = None) -> str:
    run(Namespace(action=action, version=version, models=tmp_path))
    return capsys.readouterr().out


def test_versions_are_listed_newest_last(registry, capsys, tmp_path):
    header, *rows = output(capsys, tmp_path, "list").splitlines()

    assert [row.split()[0] for row in rows] == ["0", "1", "2"]
    assert rows[0].split()[2] == "shipped"
    assert "400" in rows[2] and "0.4000" in rows[2] and rows[2].endswith("<- newest")


def test_a_version_is_shown_as_json(registry, capsys, tmp_path):
    assert json.loads(output(capsys, tmp_path, "show", 1))["examples"] == {"a": 300, "b": 100}
    assert json.loads(output(capsys, tmp_path, "show"))["version"] == 2


def test_going_back_is_one_command(registry, capsys, tmp_path):
    assert "Version 3 is version 1 again" in output(capsys, tmp_path, "rollback")
    assert registry.weights(3) == b"1"
    assert "Version 4 is version 2 again" in output(capsys, tmp_path, "rollback", 2)


def test_there_is_nothing_before_the_shipped_model(capsys, tmp_path):
    with pytest.raises(ValueError, match="no earlier model"):
        output(capsys, tmp_path, "rollback")


def test_going_back_twice_does_not_bring_the_bad_model_back(registry, capsys, tmp_path):
    """Before, it went to the version before the newest, which after one rollback was the bad one."""
    assert "Version 3 is version 1 again" in output(capsys, tmp_path, "rollback")
    assert "Version 4 is version 0 again" in output(capsys, tmp_path, "rollback")
    with pytest.raises(ValueError, match="no earlier model"):
        output(capsys, tmp_path, "rollback")


@pytest.mark.parametrize("action", ["show", "rollback"])
def test_a_version_that_is_not_kept_is_said_so(registry, capsys, tmp_path, action):
    with pytest.raises(ValueError, match="version 9 is not kept; these are: 0, 1, 2"):
        output(capsys, tmp_path, action, 9)
