from fractions import Fraction

import av
import numpy as np
import pytest
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from pipeline.webrtc.media.jitter_buffer import (
    PATIENCE_TICKS,
    JitterFrames,
    MarkerJitterBuffer,
    is_intra_frame,
    jitter_buffer,
    parts,
)

CAPACITY = 64
#: The lowest bit of a VP8 frame's first byte says that it is predicted from others.
WHOLE, PREDICTED = "<["


def packets(
    sizes: list[int], first: int = 65_530, marked: bool = True, origin: int = 0, intra_frames: bool = True
) -> list[RtpPacket]:
    """Frames of `sizes` packets each, 30 a second from `origin`; every packet's payload is its own."""
    made = []
    for frame, size in enumerate(sizes):
        for part in range(size):
            number, last = (first + len(made)) % 65536, part == size - 1
            timestamp = (origin + 3000 * frame) % 2**32
            packet = RtpPacket(sequence_number=number, timestamp=timestamp, marker=int(marked and last))
            packet._data = f"{WHOLE if intra_frames or not frame else PREDICTED}{frame}.{part}]".encode()
            made.append(packet)
    return made


def whole(sizes: list[int]) -> list[bytes]:
    return [b"".join(f"{WHOLE}{frame}.{part}]".encode() for part in range(size)) for frame, size in enumerate(sizes)]


def released(buffer: JitterBuffer, arriving: list[RtpPacket]) -> list[bytes]:
    frames = (buffer.add(packet)[1] for packet in arriving)
    return [part.data for frame in frames if frame for part in getattr(frame, "frames", [frame])]


def video(kind: type) -> JitterBuffer | MarkerJitterBuffer:
    return (jitter_buffer if kind is MarkerJitterBuffer else kind)(capacity=CAPACITY, is_video=True)


def test_a_frame_is_released_with_its_last_packet():
    buffer = video(MarkerJitterBuffer)

    *early, last = [buffer.add(packet)[1] for packet in packets([3])]

    assert early == [None, None]
    assert last.data == b"<0.0]<0.1]<0.2]"


def test_the_stock_buffer_waits_for_the_next_frame():
    """Why this module exists; when it fails, upstream has changed."""
    assert released(video(JitterBuffer), packets([3])) == []


sizes = st.lists(st.integers(1, 4), min_size=1, max_size=12)


@given(sizes, st.data())
def test_late_and_doubled_packets_change_nothing(sizes, data):
    """Retransmitted after a loss, overtaken, sent twice: frames come whole, in order and once."""
    first, *rest = packets(sizes)
    shuffled = [first, *data.draw(st.permutations(rest)), *data.draw(st.lists(st.sampled_from(rest or [first])))]

    frames = released(video(MarkerJitterBuffer), shuffled)

    assert frames == whole(sizes)[: len(frames)]


@given(sizes)
def test_in_order_every_frame_is_released(sizes):
    assert released(video(MarkerJitterBuffer), packets(sizes)) == whole(sizes)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=30), st.data())
def test_after_losses_it_recovers_and_never_mixes_frames(sizes, data):
    """Packets lost for good: like stock aiortc it may tear the frame they belong to, and goes on with the next ones."""
    clean = [3] * CAPACITY
    sent = packets(sizes + clean)
    lost = data.draw(st.sets(st.integers(1, sum(sizes)), max_size=6))
    arriving = [packet for number, packet in enumerate(sent) if number not in lost]

    frames = released(video(MarkerJitterBuffer), arriving)

    numbers = [{part.split(".")[0] for part in frame.decode().strip("<]").split("]<")} for frame in frames]
    assert all(len(frame) == 1 for frame in numbers)
    assert len(set(frames) - set(whole(sizes + clean))) <= len(lost)
    assert frames[-10:] == whole(sizes + clean)[-10:]


@given(sizes)
def test_without_marks_the_stock_rule_holds(sizes):
    unmarked = packets(sizes, marked=False)

    assert released(video(MarkerJitterBuffer), unmarked) == released(video(JitterBuffer), unmarked)


def test_what_waited_for_a_lost_packet_leaves_with_it_at_once():
    """Else every loss would make the stream later for good: stock aiortc releases one frame a packet."""
    first, lost, *others = packets([1] * 9)
    buffer = video(MarkerJitterBuffer)
    released(buffer, [first, *others])

    _, frames = buffer.add(lost)

    assert [frame.data for frame in frames.frames] == whole([1] * 9)[1:]


@pytest.mark.parametrize("origin", [0, 2**32 - 30_000])
@pytest.mark.parametrize("position", [1, 4, 5], ids=["first of a frame", "middle", "last of a frame"])
def test_a_packet_lost_for_good_is_waited_for_half_a_second(origin, position):
    sizes = [1, 2, 3] + [2] * 30
    sent = packets(sizes, origin=origin)
    lost, buffer = sent.pop(position), video(MarkerJitterBuffer)

    asked = [packet for packet in sent if buffer.add(packet)[0]]

    assert len(asked) == 1
    waited = (asked[0].timestamp - lost.timestamp) % 2**32
    assert PATIENCE_TICKS < waited <= PATIENCE_TICKS + 2 * 3000


def test_after_the_wait_frames_come_whole_from_the_first_that_surely_is():
    """Whether the lost packet ended frame 3 or began frame 4, nobody knows."""
    sizes = [2] * 40
    sent = packets(sizes)
    del sent[7]

    frames = released(video(MarkerJitterBuffer), sent)

    assert frames == whole(sizes)[:3] + whole(sizes)[5:]


def test_a_packet_that_comes_after_all_is_no_loss():
    first, late, *others = packets([1] * 14)

    assert released(video(MarkerJitterBuffer), [first, *others, late]) == whole([1] * 14)


def test_what_refers_to_a_lost_picture_is_held_back_until_a_whole_one_comes():
    sent = packets([1] * 60, intra_frames=False)
    sent[40]._data = b"<40.0]"
    del sent[5]
    buffer = video(MarkerJitterBuffer)

    numbers = [int(frame[1:].split(b".")[0]) for frame in released(buffer, sent)]

    assert numbers == [*range(5), *range(40, 60)]


def test_an_intra_frame_is_asked_for_until_it_comes():
    """The request may get lost as well."""
    sent = packets([1] * 80, intra_frames=False)
    sent[60]._data = b"<60.0]"
    del sent[5]
    buffer = video(MarkerJitterBuffer)

    asked = [packet.timestamp // 3000 for packet in sent if buffer.add(packet)[0]]

    assert asked == [22, 38, 54]


def test_a_stream_whose_beginning_is_lost_is_asked_to_begin_again():
    buffer = video(MarkerJitterBuffer)

    asked = [buffer.add(packet)[0] for packet in packets([1] * 20, intra_frames=False)[1:]]

    assert asked.count(True) == 1


@pytest.mark.parametrize("codec", ["libvpx", "libx264"])
def test_intra_frames_are_told_from_predicted_ones(codec):
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 64, 64, "yuv420p", Fraction(1, 30)
    encoder.options = {"tune": "zerolatency"} if codec == "libx264" else {"deadline": "realtime", "lag-in-frames": "0"}
    picture = np.random.default_rng(0).integers(0, 256, (96, 64), np.uint8)

    encoded = [bytes(*encoder.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p"))) for _ in range(3)]

    assert [is_intra_frame(data) for data in encoded] == [True, False, False]


@given(st.binary(max_size=40))
def test_any_bytes_are_an_intra_frame_or_not(data):
    assert is_intra_frame(data) in (True, False)


@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 2**32 - 1), st.booleans()), max_size=60))
def test_any_packets_end_and_leave_no_more_than_they_brought(arriving):
    buffer = video(MarkerJitterBuffer)
    for sequence_number, timestamp, marker in arriving:
        packet = RtpPacket(sequence_number=sequence_number, timestamp=timestamp, marker=int(marker))
        packet._data = b"x"
        buffer.add(packet)

    assert len(buffer._held) <= min(len(arriving), CAPACITY)


def test_frames_of_a_burst_have_their_own_times():
    burst = JitterFrames([JitterFrame(b"x", timestamp) for timestamp in (2**32 - 3000, 0, 3000)])
    burst.timestamp = 100  # as the receiver counts

    assert [frame.timestamp for frame in parts(burst)] == [100, 3100, 6100]


def test_audio_is_left_to_the_stock_buffer():
    audio = packets([1] * 8)

    fast, stock = (kind(capacity=16, prefetch=4) for kind in (jitter_buffer, JitterBuffer))

    assert released(fast, audio) == released(stock, audio)


@given(sizes, st.data())
def test_padding_is_no_frame_wherever_it_comes(sizes, data):
    """Senders without RTX probe with it: packets of nothing, with the last frame's time, before or after its mark."""
    sent = packets(sizes)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(1, len(sent)))
        padding = RtpPacket(timestamp=sent[at - 1].timestamp)
        padding._data = b""
        sent.insert(at, padding)
    for number, packet in enumerate(sent):
        packet.sequence_number = (65_530 + number) % 65536

    frames = released(video(MarkerJitterBuffer), sent)

    assert frames == whole(sizes)


@given(sizes, st.data())
def test_any_mixture_of_padding_and_reordering_releases_no_empty_frame(sizes, data):
    sent = packets(sizes)
    for packet in sent:
        packet._data = data.draw(st.sampled_from([b"", packet._data]))
    first, *rest = sent

    frames = released(video(MarkerJitterBuffer), [first, *data.draw(st.permutations(rest))])

    assert all(frames)


def test_the_stock_buffer_releases_padding_as_a_frame():
    """Why decoders must not be given what is empty, whatever the buffer; when it fails, upstream has changed."""
    first, padding, last = packets([1, 1, 1])
    padding._data = b""

    assert b"" in released(video(JitterBuffer), [first, padding, last])
