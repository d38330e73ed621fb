import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract.control import SharingChoice, SizeChange, StyleChoice
from pipeline.contract.errors import BadMessage
from pipeline.gateway import control_channel
from pipeline.gateway.control_channel import ControlInbox


def said(kind: str, **fields: object) -> str:
    return json.dumps({"type": kind, **fields})


def test_a_flood_of_words_is_dropped_and_the_last_one_of_each_lasting_kind_counts():
    inbox = ControlInbox(0.0)

    taken = [inbox.take(said("style", style=str(n)), 0.0) for n in range(1000)]
    taken += [inbox.take(said("share", on=bool(n % 2)), 0.0) for n in range(1000)]
    taken += [inbox.take(said("key_frame"), 0.0) for n in range(1000)]

    assert len(list(filter(None, taken))) == control_channel.BURST
    assert inbox.due(0.0) == []
    assert inbox.due(1.0) == [StyleChoice("999"), SharingChoice(True)]
    assert inbox.due(2.0) == []


def test_a_word_that_is_taken_takes_the_place_of_an_older_one_that_waits():
    inbox = ControlInbox(0.0)
    for number in range(control_channel.BURST + 1):
        inbox.take(said("size", width=2 + number, height=2), 0.0)

    assert inbox.take(said("size", width=7, height=2), 1.0) == SizeChange(7, 2)
    assert inbox.due(2.0) == []


def test_a_client_that_says_little_is_always_heard():
    inbox = ControlInbox(0.0)

    assert all(inbox.take(said("key_frame"), number / control_channel.PER_S) for number in range(1000))


@pytest.mark.parametrize("text", [b"{}", "[]", "{}", '{"type": 1}', "[" * 4096, "x", '"' * 5000, "1" * 4000])
def test_what_is_no_message_is_one_error_and_nothing_once_there_is_too_much(text):
    inbox = ControlInbox(0.0)

    for _ in range(control_channel.BURST):
        with pytest.raises(BadMessage):
            inbox.take(text, 0.0)
    assert inbox.take(text, 0.0) is None


@given(st.text() | st.binary())
def test_any_text_ends(text):
    try:
        ControlInbox(0.0).take(text, 0.0)
    except BadMessage:
        return
