"""The harness notices all that it is meant to notice."""

import asyncio
import logging
import time
from random import Random

import numpy as np
import pytest

import harness
from harness import PEER, Finding, Target, check, in_loop
from mutations import joined, lines, of_records, split, tree

logger = logging.getLogger("a parser")


def verdict(run) -> str:
    try:
        check(Target("example", run), b"input")
    except Finding as finding:
        return str(finding)
    return ""


def busy(data: bytes) -> None:
    until = time.process_time() + harness.MOST_CPU_S + 0.05
    while time.process_time() < until:
        pass


async def forgetful(data: bytes) -> None:
    asyncio.get_running_loop().create_task(asyncio.sleep(60))


async def unheard(data: bytes) -> None:
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)


def warns(data: bytes) -> None:
    logger.warning("odd")


def names_the_peer(data: bytes) -> None:
    logger.info("refused %s", PEER[0])


@pytest.mark.parametrize(
    "run, said",
    [
        (busy, "of processor time"),
        (lambda data: np.ones(2 * harness.MOST_BYTES, np.uint8)[0], "MB"),
        (in_loop(forgetful), "leaves behind"),
        (in_loop(unheard), "nobody heard"),
        (warns, "logged WARNING"),
        (names_the_peer, "logged INFO"),
        (len, ""),
    ],
)
def test_what_none_may_do_is_a_finding(run, said):
    assert said in verdict(run)
    assert bool(said) == bool(verdict(run))


def test_memory_that_only_the_first_run_takes_is_not_the_inputs():
    kept = []

    def run(data: bytes) -> None:
        if not kept:
            kept.append(np.ones(2 * harness.MOST_BYTES, np.uint8))

    assert verdict(run) == ""


def test_what_a_target_lets_through_comes_out():
    with pytest.raises(KeyError):
        check(Target("example", lambda data: {}[data]), b"input")


@pytest.mark.parametrize("items", [[], [b""], [b"a", b"", b"c" * 3000]])
def test_joined_records_come_apart_again(items):
    assert split(joined(items)) == items


def test_the_same_seed_makes_the_same_change():
    data, text, value = joined([b"abc", b"defg"]), "v=0\r\nm=video 9", {"a": [1, 2.5, "x"], "b": None}

    for seed in range(200):
        first, again = Random(seed), Random(seed)
        assert of_records()(data, first) == of_records()(data, again)
        assert lines(text, first) == lines(text, again)
        assert repr(tree(value, first)) == repr(tree(value, again))
