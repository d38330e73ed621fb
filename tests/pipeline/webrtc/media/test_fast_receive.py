import asyncio
from types import SimpleNamespace

import pytest
from aiortc.rate import RemoteBitrateEstimator
from aiortc.rtp import HeaderExtensionsMap, RtpPacket, wrap_rtx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.webrtc.internals.running import run_without_suspending
from pipeline.webrtc.media import fast_receive, packet_intake
from support.webrtc.fast_path import PARAMETERS, RTX, SENT_AT, VP8, Dtls, installed, queued, receiver  # noqa: F401 (fixtures)


def test_an_empty_datagram_is_nothing_of_ours():
    assert not fast_receive.is_dtls(b"")


def packets(numbers: list[int]) -> list[bytes]:
    """Frames of three packets each, every third an intra frame; below 0 a retransmission of that number's."""
    made, extensions = [], HeaderExtensionsMap()
    extensions.configure(PARAMETERS)
    for number in numbers:
        frame, part = divmod(abs(number), 3)
        packet = RtpPacket(97, int(part == 2), (65_500 + abs(number)) % 65536, 3000 * frame, 1)
        packet.payload = b"\x10" + bytes([frame % 3 and 1, frame % 256, part])
        packet.extensions.abs_send_time = 100 * frame
        made.append((wrap_rtx(packet, 98, len(made), 2) if number < 0 else packet).serialize(extensions))
    return made


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(-90, 90), max_size=30), st.lists(st.integers(0, 4), min_size=90, max_size=90))
def test_packets_lost_late_doubled_or_retransmitted_fare_as_with_aiortc(elsewhere, lateness):
    """The same frames go to the decoder, and the same packets and pictures are asked for."""
    numbers = sorted(range(90), key=lambda number: number + lateness[number])
    for number in elsewhere:
        numbers = [n for n in numbers if n != abs(number)]
        numbers[abs(number) // 2 : 0] = [number] * (number % 3)  # lost, or later, or twice

    async def both() -> None:
        outcomes = []
        for handled in (lambda dtls: dtls._handle_rtp_data, lambda dtls: None):
            dtls, made = await receiver()
            stock, short = handled(dtls), fast_receive.FastReceivePath(dtls, made)
            for data in packets(numbers):
                await stock(data, arrival_time_ms=0) if stock else short.data_received(data, 1)
            outcomes.append((dtls.sent[:], queued(made)))
            await made.stop()
        assert outcomes[0] == outcomes[1]

    asyncio.run(both())


async def test_video_through_a_turn_server_takes_what_is_left_of_the_fast_path():
    dtls, made = await receiver()
    relay = SimpleNamespace(protocol=SimpleNamespace(transport=SimpleNamespace()), component=1)
    dtls.transport._connection._nominated = {1: relay}

    fast_receive.attach(dtls, made)
    for data in packets([0, 1, 2]):
        dtls.transport._connection.data_received(data, 1)

    assert len(queued(made)) == 1
    await made.stop()


async def test_a_handler_that_waits_is_not_left_half_done():
    async def waits():
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="waits"):
        run_without_suspending(waits())


def test_a_sender_is_not_told_its_rate_with_each_packet(monkeypatch):
    monkeypatch.setattr(RemoteBitrateEstimator, "add", lambda *_: (500_000, [1]))
    estimator = packet_intake.CalmEstimator()

    said = [ms for ms in range(1000) if estimator.add(ms, 0, 1200, 1)]

    assert said == list(range(0, 1000, packet_intake.ESTIMATE_MS))
