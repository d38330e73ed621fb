"""Clients that say too much on the control channel, or acknowledge nothing."""

from pipeline.contract.control import ErrorMessage, KeyFrameRequest, StyleChoice
from pipeline.gateway import control_channel
from pipeline.styles.catalog import shipped
from support.webrtc.peers import Client, until


async def test_a_clients_last_words_count_and_few_of_them_cost_a_look_up(running, edge, monkeypatch):
    client, looked_up = Client(running.url), []
    session = running.gateway._sessions[await client.open()]
    find = session._style._find
    monkeypatch.setattr(session._style, "_find", lambda wanted: looked_up.append(wanted) or find(wanted))
    await until(lambda: client.connection.control.readyState == "open")

    for number in range(200):
        client.connection.send(StyleChoice(shipped()[number % 2].id))
        client.connection.send(KeyFrameRequest())
    client.connection.send(StyleChoice(shipped()[2].id))

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
