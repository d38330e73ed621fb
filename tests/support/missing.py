"""Skips or fails a test that needs something which this machine lacks."""

import os

import pytest


def missing(what: str) -> None:
    """Skip the test on a laptop; fail it under CI, which must have everything."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and CI is set")
    pytest.skip(f"{what} is missing")
