"""What `mvstylizer up` tells operators; that it starts everything is tests/test_end_to_end.py's."""
import argparse
import os
from pathlib import Path

import pytest

from pipeline.settings import Settings
from workers.up import Everything


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    monkeypatch.setenv("MVS_OPERATOR_TOKEN", "")  # and back again afterwards


def welcome(capsys, host: str, **settings: str) -> str:
    args = argparse.Namespace(redis=None, tls=False, workers=1)
    Everything(args, Settings(**settings), host, 8080, Path("."))._welcome()
    return capsys.readouterr().out


def test_on_loopback_operators_need_no_token(capsys):
    told = welcome(capsys, "127.0.0.1")

    assert "For operators: http://127.0.0.1:8080/status\n" in told
    assert "mvstylizer dashboard --redis redis://127.0.0.1:" in told
    assert os.environ["MVS_OPERATOR_TOKEN"] == ""


def test_beyond_loopback_the_address_has_the_token_that_the_gateway_will_ask_for(capsys):
    told = welcome(capsys, "192.0.2.7")

    token = os.environ["MVS_OPERATOR_TOKEN"]
    assert len(token) >= 32 and f"http://192.0.2.7:8080/status?token={token}\n" in told


def test_a_token_of_ones_own_is_kept(capsys):
    own = "a-token-of-my-own"

    assert f"/status?token={own}\n" in welcome(capsys, "127.0.0.1", operator_token=own)
    assert os.environ["MVS_OPERATOR_TOKEN"] == own
