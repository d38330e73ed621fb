"""The corpus, seeds and past findings alike, replayed in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from replay import CORPUS
from targets import TARGETS


@pytest.fixture(scope="module")
def findings() -> dict[str, str]:
    """The findings among the entries, and what is wrong with each."""
    replay = subprocess.run(
        [sys.executable, Path(__file__).with_name("replay.py")], capture_output=True, text=True, timeout=250
    )
    assert replay.stdout, replay.stderr
    return json.loads(replay.stdout.splitlines()[-1])["findings"]


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_in_the_corpus_is_a_finding(target, findings):
    assert list((CORPUS / target).iterdir())
    assert {name: why for name, why in findings.items() if name.startswith(f"{target}/")} == {}


def test_every_part_of_the_corpus_has_its_target():
    assert {folder.name for folder in CORPUS.iterdir()} == set(TARGETS)
