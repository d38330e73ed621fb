import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract.control import ErrorMessage, SharingChoice, SizeChange, StyleChoice
from pipeline.contract.errors import BadMessage
from pipeline.gateway import control_channel
from pipeline.gateway.control_channel import ControlInbox
from pipeline.styles.catalog import shipped
from support.peers import Client, until


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


async def test_a_clients_last_words_count_and_few_of_them_cost_a_look_up(running, edge, monkeypatch):
    client, looked_up = Client(running.url), []
    session = running.gateway._sessions[await client.open()]
    find = session._style._find
    monkeypatch.setattr(session._style, "_find", lambda wanted: looked_up.append(wanted) or find(wanted))
    await until(lambda: client.connection.control.readyState == "open")

    for number in range(200):
        client.connection.control.send(said("style", style=shipped()[number % 2].id))
        client.connection.control.send(said("key_frame"))
    client.connection.control.send(said("style", style=shipped()[2].id))

    await until(lambda: session.style_id == shipped()[2].id)
    assert len(looked_up) <= control_channel.BURST + control_channel.PER_S
    assert running.count("mvs_control_dropped_total", reason="rate") >= 300
    await client.close()


async def test_nothing_piles_up_for_a_client_that_acknowledges_nothing(running, edge):
    client = Client(running.url)
    session = running.gateway._sessions[await client.open()]
    await until(lambda: session._control.is_open)
    session._peer.sctp._outbound_queue.append(None)  # as if its window were full
    for _ in range(2000):
        session._control.send(ErrorMessage(100 * "x"))

    assert session._control._channel.bufferedAmount <= 2 * control_channel.MAX_BUFFERED_BYTES
    assert running.count("mvs_control_dropped_total", reason="unread") > 0
    session._peer.sctp._outbound_queue.pop()
    await client.close()
