from types import SimpleNamespace

import numpy as np
import pytest
from aiortc.rtcsctptransport import USERDATA_MAX_LENGTH, RTCSctpTransport, SackChunk, parse_packet

from pipeline.contract.chunks import CHUNK_BYTES, to_chunks
from pipeline.contract.messages import StylizedFrame
from pipeline.webrtc.transport import sctp_window
from pipeline.webrtc.transport.sctp_window import WindowedSctpTransport


@pytest.fixture
def transport():
    return object.__new__(WindowedSctpTransport)


def test_losses_never_shrink_the_window_below_an_answer(transport):
    for size in (3 * USERDATA_MAX_LENGTH, USERDATA_MAX_LENGTH, 0):
        transport._cwnd = size

        assert transport._cwnd == sctp_window.FLOOR_BYTES


def test_above_the_floor_congestion_control_is_aiortcs_own(transport):
    transport._cwnd = sctp_window.FLOOR_BYTES

    transport._cwnd += USERDATA_MAX_LENGTH

    assert transport._cwnd == sctp_window.FLOOR_BYTES + USERDATA_MAX_LENGTH


def test_an_answer_fits_into_the_floor():
    grid = np.zeros((3, 8, 9, 16, 4), np.float16)
    answer = StylizedFrame("0" * 16, 65535, "0" * 16, "edge", "0" * 12, False, (8, 9, 16), grid.tobytes(), 0.0, 0.0, "")

    chunks = to_chunks(1, answer)

    assert sum(len(chunk) for chunk in chunks) <= sctp_window.FLOOR_BYTES
    assert len(chunks) == -(-grid.nbytes // CHUNK_BYTES)


async def test_a_whole_answer_leaves_before_anything_is_heard_of_it(transport):
    """And no more than fits into the window."""
    sent = connected(transport)

    await transport._send(1, 53, bytes(2 * sctp_window.FLOOR_BYTES), ordered=False)

    assert len(sent) == sctp_window.FLOOR_BYTES // USERDATA_MAX_LENGTH == transport._flight_size // USERDATA_MAX_LENGTH
    assert len(transport._outbound_queue) == len(sent)
    transport._t3_cancel()


async def test_after_a_loss_it_leaves_in_small_bursts(transport):
    sent = connected(transport)
    transport._fast_recovery_exit = 7

    await transport._send(1, 53, bytes(sctp_window.FLOOR_BYTES), ordered=False)

    assert len(sent) == 2
    transport._t3_cancel()


def number(packet: bytes) -> int:
    """A data packet's."""
    (chunk,) = parse_packet(packet)[3]
    return chunk.tsn


async def hear(transport: RTCSctpTransport, *gaps: tuple[int, int]) -> None:
    """What came before is acknowledged, and what the gaps' ends say after it."""
    sack = SackChunk()
    sack.cumulative_tsn, sack.gaps = transport._last_sacked_tsn, list(gaps)
    await transport._receive_sack_chunk(sack)


def ring(transport: RTCSctpTransport) -> None:
    """All timers, now."""
    for after_s, function, arguments in transport.timers:
        function(*arguments)


async def test_on_a_path_that_loses_nothing_nothing_is_sent_twice(transport):
    sent = connected(transport)

    await transport._send(1, 53, bytes(6000), ordered=False)
    ring(transport)

    assert len(sent) == len(set(map(number, sent))) == 6


async def test_after_a_gap_each_packet_is_sent_twice_unless_it_is_acknowledged_meanwhile(transport):
    sent = connected(transport)
    await transport._send(1, 53, bytes(3 * USERDATA_MAX_LENGTH), ordered=False)
    await hear(transport, (3, 3))
    assert [number(packet) for packet in sent] == [chunk.tsn for chunk in transport._sent_queue]
    sent.clear()

    await transport._send(1, 53, bytes(3 * USERDATA_MAX_LENGTH), ordered=False)
    await hear(transport, (3, 4))
    ring(transport)

    first, second, third = sorted(set(map(number, sent)))
    assert [number(packet) for packet in sent] == [first, second, third, second, third]


async def test_a_packet_that_will_be_sent_twice_is_no_loss_before_the_second_one(transport):
    connected(transport)
    transport._lossy_until_s = float("inf")
    await transport._send(1, 53, bytes(11 * USERDATA_MAX_LENGTH), ordered=False)

    for end in range(2, 12):
        await hear(transport, (2, end))

    assert transport._fast_recovery_exit is None and not transport._sent_queue[0]._retransmit


async def test_once_nothing_was_lost_for_a_while_packets_are_sent_once_again(transport):
    sent = connected(transport)
    transport._lossy_until_s = transport.now_s - 1

    await transport._send(1, 53, bytes(3000), ordered=False)
    ring(transport)

    assert len(sent) == 3


async def test_nothing_is_sent_again_once_the_session_is_over(transport):
    sent = connected(transport)
    transport._lossy_until_s = float("inf")
    await transport._send(1, 53, bytes(3000), ordered=False)
    transport._RTCSctpTransport__state = "closed"

    ring(transport)

    assert len(sent) == 3


def connected(transport: RTCSctpTransport) -> list:
    """What it sends, which goes nowhere."""
    dtls, sent = SimpleNamespace(state="connected"), []
    transport.__init__(dtls)

    async def send_data(data: bytes) -> None:
        sent.append(data)

    dtls._send_data, transport._remote_port, transport._ssthresh = send_data, 5000, 1 << 20
    transport._RTCSctpTransport__state = "connected"
    transport.now_s, transport.timers = 100.0, []

    def call_later(after_s: float, function, *arguments) -> SimpleNamespace:
        if function == transport.send_all_again:
            transport.timers.append((after_s, function, arguments))
        return SimpleNamespace(cancel=lambda: None)

    transport._loop = SimpleNamespace(time=lambda: transport.now_s, call_later=call_later)
    return sent
