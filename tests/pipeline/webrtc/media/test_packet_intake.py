"""No packet of a peer costs much, leaves more than its limit behind, or is written to the log."""

import asyncio
import itertools
import logging
import time
from types import SimpleNamespace

import pytest
from aiortc import rtcrtpreceiver
from aiortc.rate import RemoteBitrateEstimator
from aiortc.rtcrtpreceiver import NackGenerator
from aiortc.rtp import (
    RTP_HISTORY_SIZE,
    RtcpByePacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
    RtpPacket,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.monitoring.metrics import GatewayMetrics
from pipeline.monitoring.monitor import counted
from pipeline.webrtc.internals.running import run_without_suspending
from pipeline.webrtc.media import fast_receive, packet_intake, refusals
from pipeline.webrtc.media.jitter_buffer import MarkerJitterBuffer
from pipeline.webrtc.media.packet_intake import (
    MOST_SOURCES,
    BoundedNackGenerator,
    BoundedRouter,
    BoundedStatistics,
    CalmEstimator,
    SteadyMapper,
)
from pipeline.webrtc.media.rtp import MOST_RTCP_PARTS, h264_data, sender_reports
from support.webrtc.fast_path import installed, queued, receiver  # noqa: F401 (a fixture)

numbers = st.integers(0, 65535)


def packet(number: int, timestamp: int = 0, marker: int = 0, data: bytes = b"x") -> RtpPacket:
    made = RtpPacket(sequence_number=number, timestamp=timestamp, marker=marker, ssrc=1)
    made._data = data
    return made


@pytest.fixture
def refused():
    counter = GatewayMetrics().refused
    with refusals.counted_in(counter):
        yield counter


@given(st.lists(st.integers(0, 100), max_size=60))
def test_what_was_missed_is_what_aiortc_misses_while_numbers_go_by_small_steps(steps):
    ours, stock = BoundedNackGenerator(), NackGenerator()

    for number in itertools.accumulate(steps, initial=65_500):
        arrived = packet(number % 65536)
        assert ours.add(arrived) == stock.add(arrived)
        assert set(ours.missing) <= set(stock.missing)
        assert len(ours.missing) <= RTP_HISTORY_SIZE + 1


@given(st.lists(numbers, max_size=80))
def test_whatever_the_numbers_no_more_is_missed_than_a_sender_has(arriving):
    nacks = BoundedNackGenerator()

    for number in arriving:
        nacks.add(packet(number))
        assert len(nacks.missing) <= RTP_HISTORY_SIZE
        assert number not in nacks.missing


def cost_s(handle, made) -> float:
    """Of one packet, on average, by the processor's clock."""
    began_s = time.process_time()
    for one in made:
        handle(one)
    return (time.process_time() - began_s) / len(made)


JUMPS = [number * 32_767 % 65536 for number in range(2000)]
AHEAD = [number * 511 % 65536 for number in range(2000)]


def intake():
    """What every packet passes."""
    nacks, buffer, statistics = BoundedNackGenerator(), MarkerJitterBuffer(512), BoundedStatistics(90_000)
    return lambda one: (nacks.add(one), buffer.add(one), statistics.add(one))


@pytest.fixture(scope="module")
def calm_s() -> float:
    """What a packet costs that comes in order."""
    return cost_s(intake(), [packet(n, 3000 * n, 1) for n in range(2000)])


@pytest.mark.parametrize("order", [JUMPS, AHEAD, [n * 1023 % 65536 for n in range(2000)]], ids=["half", "511", "1023"])
@pytest.mark.parametrize("tick", [0, 3000, 90_000, 2**31 + 7])
def test_a_packet_costs_the_same_whatever_its_number_and_time(calm_s, order, tick):
    """30 times what one in order costs, where aiortc takes thousands; so a busy machine does not matter."""
    assert cost_s(intake(), [packet(n, i * tick % 2**32) for i, n in enumerate(order)]) < 30 * calm_s


def test_a_frame_without_end_costs_no_more_with_each_packet():
    buffer = MarkerJitterBuffer(512)
    calm = cost_s(MarkerJitterBuffer(512).add, [packet(n, 3000 * n, 1) for n in range(2000)])

    endless = cost_s(buffer.add, [packet(n % 65536) for n in range(20_000)])

    assert endless < 10 * calm
    assert len(buffer._held) <= 512


@given(st.lists(st.tuples(numbers, st.integers(0, 2**32 - 1)), max_size=60))
def test_a_report_of_any_packets_packs(arriving):
    statistics = BoundedStatistics(90_000)

    for number, timestamp in arriving:
        statistics.add(packet(number, timestamp))
        report = RtcpReceiverInfo(
            1, statistics.fraction_lost, statistics.packets_lost, statistics.max_seq, statistics.jitter, 0, 0
        )
        assert len(bytes(RtcpRrPacket(1, [report] * MOST_SOURCES))) == 8 + 24 * MOST_SOURCES


@given(st.lists(st.integers(0, 2**32 - 1), max_size=40))
def test_time_never_runs_away(timestamps):
    mapper = SteadyMapper()

    times = [mapper.map(timestamp) for timestamp in timestamps]

    assert all(0 <= time <= 2**31 * len(times) for time in times)


def test_time_goes_on_across_the_wrap():
    mapper = SteadyMapper()

    assert [mapper.map(t) for t in (2**32 - 3000, 0, 3000, 1500)] == [0, 3000, 6000, 4500]


def test_sources_beyond_the_limit_go_nowhere(refused):
    router, target = BoundedRouter(), object()
    router.register_receiver(target, ssrcs=[1], payload_types=[97])

    routed = [router.route_rtp(SimpleNamespace(ssrc=ssrc, payload_type=97)) for ssrc in range(1, 201)]

    assert routed == [target] * MOST_SOURCES + [None] * (200 - MOST_SOURCES)
    assert len(router.ssrc_table) == MOST_SOURCES
    assert counted(refused.labels("source")) == 200 - MOST_SOURCES


def test_an_estimator_that_was_left_alone_for_an_hour_walks_over_nothing():
    estimator = CalmEstimator()
    estimator.add(0, 0, 1200, 1)
    busy_s = cost_s(lambda ms: estimator.add(ms, ms << 4, 1200, 1), range(33, 3300, 33))

    assert cost_s(lambda ms: estimator.add(ms, 0, 1200, 1), [3_600_000] * 5) < 100 * busy_s


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 2**24 - 1), st.integers(0, 10**7)), max_size=100))
def test_any_times_and_sizes_give_a_rate_that_packs(arriving):
    estimator, now_ms = CalmEstimator(), 0
    for pause_ms, sent, size in arriving:
        now_ms += pause_ms
        said = estimator.add(now_ms, sent, size, 1)
        assert said is None or 1 <= said[0] <= packet_intake.MOST_BITS_PER_S


def test_an_estimator_that_divides_by_nothing_begins_anew(monkeypatch):
    monkeypatch.setattr(RemoteBitrateEstimator, "add", lambda *_: 1 // 0)

    assert CalmEstimator().add(0, 0, 0, 1) is None


# whole packets, on both ways

WAYS = {
    "short": lambda dtls, short: lambda data: short.data_received(data, 1),
    "aiortc": lambda dtls, short: lambda data: run_without_suspending(dtls._handle_rtp_data(data, arrival_time_ms=0)),
}


@pytest.fixture(params=WAYS)
async def way(request, refused, caplog):
    """Handles a packet, by our way or aiortc's; and whose it is."""
    caplog.set_level(logging.INFO)
    dtls, made = await receiver()
    short = fast_receive.FastReceivePath(dtls, made)
    yield WAYS[request.param](dtls, short), dtls, made
    await asyncio.wait_for(made.stop(), 5)
    assert caplog.records == []


def header(ssrc: int = 1, number: int = 0, extension: bytes = b"", payload_type: int = 97) -> bytes:
    profile = b"\xbe\xde" + (len(extension) // 4).to_bytes(2, "big") + extension if extension else b""
    return (
        bytes([0x90 if extension else 0x80, 0x80 | payload_type])
        + number.to_bytes(2, "big")
        + bytes(4)
        + ssrc.to_bytes(4, "big")
        + profile
    )


@pytest.mark.parametrize(
    "extension",
    [b"\x30\1\0\0", b"\x31\1\2\0", b"\x3f\1\2\3", b"\x33" + bytes(7), b"\x32\1\2\3" * 60],
    ids=["1", "2", "16 cut", "4", "long"],
)
async def test_a_malformed_extension_is_dropped_and_counted_without_a_line(way, refused, extension):
    handle, _, made = way

    for number in range(50):
        handle(header(number=number, extension=extension) + b"\x10\x10\0\0")

    assert counted(refused.labels("extension")) == 50
    assert len(queued(made)) == 50


@pytest.fixture
def reports_at_once(monkeypatch):
    """Of the receivers of fixtures after it."""
    monkeypatch.setattr(rtcrtpreceiver, "random", SimpleNamespace(random=lambda: -0.5))


async def test_two_hundred_sources_leave_reports_that_pack_and_a_receiver_that_stops(reports_at_once, way, refused):
    handle, dtls, made = way
    reported = asyncio.Event()

    async def sent(data: bytes) -> None:
        reported.set()

    for ssrc in range(1, 201):
        handle(header(ssrc) + b"\x10\x10\0\0")
    dtls._send_rtp = sent

    assert len(made._RTCRtpReceiver__remote_streams) <= MOST_SOURCES
    await asyncio.wait_for(reported.wait(), 5)


@settings(max_examples=100)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.tuples(st.integers(0, 300), numbers, st.binary(max_size=24), st.binary(max_size=20)).map(
                lambda part: header(part[0], part[1], part[2][: len(part[2]) // 4 * 4]) + part[3]
            ),
        ),
        max_size=20,
    )
)
def test_any_packets_are_handled_or_dropped(arriving):
    async def run() -> None:
        dtls, made = await receiver()
        short = fast_receive.FastReceivePath(dtls, made)
        for data in arriving:
            if not fast_receive.is_dtls(data) and data[1:2] < b"\xc0":
                short.otherwise = lambda *_: None
                short.data_received(data, 1)
                await dtls._handle_rtp_data(data, arrival_time_ms=0)
        await asyncio.wait_for(made.stop(), 5)

    asyncio.run(run())


async def test_requests_are_bounded_whatever_is_missing(way):
    handle, dtls, _ = way

    for number in range(0, 60_000, 30):
        handle(header(number=number) + b"\x11\x11\0\0")

    assert len(dtls.sent) <= packet_intake.NACKS_AT_ONCE + packet_intake.PLIS_AT_ONCE + packet_intake.NACKS_PER_S


async def test_a_session_that_sends_more_than_any_camera_is_cut_down_before_its_packets_are_read(refused, monkeypatch):
    dtls, made = await receiver()
    short, read = fast_receive.FastReceivePath(dtls, made), []
    monkeypatch.setattr(fast_receive, "time", SimpleNamespace(monotonic=lambda: time.monotonic()))
    dtls._rx_srtp = SimpleNamespace(unprotect=lambda data: read.append(data) or data)
    clock = itertools.count(short._packets._at_s, 1 / 20_000)
    monkeypatch.setattr(fast_receive.time, "monotonic", lambda: next(clock))

    for number in range(20_000):
        short.data_received(header(number=number) + b"\x11\x11\0\0", 1)

    assert fast_receive.PACKETS_PER_S <= len(read) <= fast_receive.PACKETS_AT_ONCE + fast_receive.PACKETS_PER_S
    assert counted(refused.labels("budget")) == 20_000 - len(read)
    await made.stop()


async def test_1080p_at_60_frames_a_second_is_within_the_limits():
    assert fast_receive.BYTES_PER_S * 8 >= 2 * 12_000_000 and fast_receive.PACKETS_PER_S * 1200 >= 2 * 12_000_000 / 8


# RTCP

REPORT = RtcpSrPacket(1, RtcpSenderInfo(1, 2, 3, 4))


def test_only_what_concerns_a_receiver_is_kept_of_rtcp():
    others = b"\x81\xce\0\2" + bytes(8) + b"\x81\xcd\0\3" + bytes(12)

    assert sender_reports(others + bytes(REPORT) + others + bytes(RtcpByePacket([1]))) == bytes(REPORT) + bytes(
        RtcpByePacket([1])
    )


def test_rtcp_of_too_many_parts_is_an_error():
    with pytest.raises(ValueError):
        sender_reports(bytes(RtcpByePacket([])) * (MOST_RTCP_PARTS + 1))


#: A REMB that names more sources than it has: aiortc's parser raises what its caller does not expect.
SHORT_REMB = b"\x8f\xce\0\4" + bytes(8) + b"REMB" + b"\xff\0\0\0"


@pytest.mark.parametrize(
    "data",
    [
        SHORT_REMB,
        b"\x80\xc8\0\0",
        b"\x9f\xc8\0\6" + bytes(24),
        b"\x9f\xcb\0\0",
        b"\xa0\xcb\0\0",
        b"\x81\xcb\xff\xff",
        b"\x81",
        b"\0\xc8\0\0",
    ],
)
async def test_malformed_rtcp_is_dropped_without_a_line(refused, caplog, data):
    caplog.set_level(logging.INFO)
    dtls, made = await receiver()

    for _ in range(3):
        await dtls._handle_rtcp_data(data)

    assert caplog.records == []
    await made.stop()


async def test_a_flood_of_rtcp_is_counted_and_not_read(refused, monkeypatch):
    dtls, made = await receiver()
    read = []
    monkeypatch.setattr(made, "_handle_rtcp_packet", lambda report: read.append(report) or asyncio.sleep(0))
    dtls._rtp_router.ssrc_table[1] = made

    for _ in range(1000):
        await dtls._handle_rtcp_data(bytes(REPORT))

    assert 0 < len(read) <= 2 * packet_intake.RTCP_AT_ONCE
    assert counted(refused.labels("rtcp")) == 1000 - len(read)
    await made.stop()


async def test_a_receiver_whose_reports_fail_stops(reports_at_once, monkeypatch):
    """Whatever may not pack one day."""
    _, made = await receiver()
    monkeypatch.setattr(rtcrtpreceiver.RTCRtpReceiver, "_send_rtcp", lambda *_: 1 / 0)
    made._RTCRtpReceiver__remote_streams[1] = BoundedStatistics(90_000)
    made._RTCRtpReceiver__remote_streams[1].add(packet(1))
    await asyncio.sleep(0)
    await asyncio.wait_for(made._RTCRtpReceiver__rtcp_exited.wait(), 5)

    await asyncio.wait_for(made.stop(), 5)


def test_aggregated_units_of_nothing_are_an_error():
    with pytest.raises(ValueError):
        h264_data(b"\x18" + bytes(1200))
