"""What a test needs and this machine lacks."""

import os

import pytest


def missing(what: str) -> None:
    """A laptop may lack it; CI may not."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and CI is set")
    pytest.skip(f"{what} is missing")
