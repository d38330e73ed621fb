from types import SimpleNamespace

import numpy as np
import pytest
from aiortc.rtcsctptransport import USERDATA_MAX_LENGTH, RTCSctpTransport

from pipeline import window
from pipeline.channel import CHUNK_BYTES, to_chunks
from pipeline.messages import StylizedFrame


@pytest.fixture
def transport(monkeypatch):
    monkeypatch.setattr(RTCSctpTransport, "_cwnd", None, raising=False)  # the class has none of its own; undone after
    monkeypatch.setattr(RTCSctpTransport, "_transmit", RTCSctpTransport._transmit)
    assert window.install() is True
    return object.__new__(RTCSctpTransport)


def test_losses_never_shrink_the_window_below_an_answer(transport):
    for size in (3 * USERDATA_MAX_LENGTH, USERDATA_MAX_LENGTH, 0):
        transport._cwnd = size

        assert transport._cwnd == window.FLOOR_BYTES


def test_above_the_floor_congestion_control_is_aiortcs_own(transport):
    transport._cwnd = window.FLOOR_BYTES

    transport._cwnd += USERDATA_MAX_LENGTH

    assert transport._cwnd == window.FLOOR_BYTES + USERDATA_MAX_LENGTH


def test_an_answer_fits_into_the_floor():
    grid = np.zeros((3, 8, 9, 16, 4), np.float16)
    answer = StylizedFrame("0" * 16, 65535, "0" * 16, "edge", "0" * 12, False, (8, 9, 16), grid.tobytes(), 0.0, 0.0, "")

    chunks = to_chunks(1, answer)

    assert sum(len(chunk) for chunk in chunks) <= window.FLOOR_BYTES
    assert len(chunks) == -(-grid.nbytes // CHUNK_BYTES)


async def test_a_whole_answer_leaves_before_anything_is_heard_of_it(transport):
    """And no more than fits into the window."""
    sent = connected(transport)

    await transport._send(1, 53, bytes(2 * window.FLOOR_BYTES), ordered=False)

    assert len(sent) == window.FLOOR_BYTES // USERDATA_MAX_LENGTH == transport._flight_size // USERDATA_MAX_LENGTH
    assert len(transport._outbound_queue) == len(sent)
    transport._t3_cancel()


async def test_after_a_loss_it_leaves_in_small_bursts(transport):
    sent = connected(transport)
    transport._fast_recovery_exit = 7

    await transport._send(1, 53, bytes(window.FLOOR_BYTES), ordered=False)

    assert len(sent) == 2
    transport._t3_cancel()


def connected(transport: RTCSctpTransport) -> list:
    """What it sends, which goes nowhere."""
    dtls, sent = SimpleNamespace(state="connected"), []
    transport.__init__(dtls)

    async def send_data(data: bytes) -> None:
        sent.append(data)

    dtls._send_data, transport._remote_port = send_data, 5000
    return sent


def test_it_is_not_installed_in_an_aiortc_it_was_not_written_for(monkeypatch):
    monkeypatch.setattr(window.importlib.metadata, "version", lambda _: "1.17.0")

    assert window.install() is False
