"""What `mvstylizer up` tells operators; that it starts everything is tests/test_end_to_end.py's."""
import argparse
import os
from pathlib import Path

import pytest

from pipeline.settings import Settings
from workers.up import Everything


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    for name in ("MVS_OPERATOR_TOKEN", "MVS_SNAPSHOT_KEY"):
        monkeypatch.setenv(name, "")  # and back again afterwards


def welcome(capsys, host: str, **settings: object) -> str:
    args = argparse.Namespace(redis=None, tls=False, workers=1)
    Everything(args, Settings(**settings), host, 8080, Path("."))._welcome()
    return capsys.readouterr().out


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.7"])
def test_the_address_for_operators_has_the_token_that_the_gateway_will_ask_for(capsys, host):
    told = welcome(capsys, host)

    token = os.environ["MVS_OPERATOR_TOKEN"]
    assert len(token) >= 32 and f"For operators: http://{host}:8080/status?token={token}\n" in told
    assert "mvstylizer dashboard --redis redis://127.0.0.1:" in told


def test_where_loopback_is_open_the_address_needs_no_token(capsys):
    assert "For operators: http://127.0.0.1:8080/status\n" in welcome(capsys, "127.0.0.1", operator_open=True)


def test_a_token_of_ones_own_is_kept(capsys):
    own = "a-token-of-my-own"

    assert f"/status?token={own}\n" in welcome(capsys, "127.0.0.1", operator_token=own)
    assert os.environ["MVS_OPERATOR_TOKEN"] == own


def test_the_models_of_each_run_have_a_key_of_their_own(capsys):
    keys = [welcome(capsys, "127.0.0.1") and os.environ["MVS_SNAPSHOT_KEY"] for _ in range(2)]
    shown = welcome(capsys, "127.0.0.1")

    assert len(set(keys)) == 2 and min(map(len, keys)) >= 32
    assert not any(key in shown for key in (*keys, os.environ["MVS_SNAPSHOT_KEY"]))


def test_a_key_of_ones_own_is_kept_and_none_is_made_up_for_a_cloud_elsewhere(capsys):
    welcome(capsys, "127.0.0.1", snapshot_key="k" * 32)
    welcome(capsys, "127.0.0.1", cloud_redis_url="redis://192.0.2.1:6379/0")

    assert os.environ["MVS_SNAPSHOT_KEY"] == ""
