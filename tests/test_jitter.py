from aiortc import rtcrtpreceiver
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from pipeline import jitter
from pipeline.jitter import MarkerJitterBuffer

CAPACITY = 64


def packets(sizes: list[int], first: int = 65_530, marked: bool = True) -> list[RtpPacket]:
    """Frames of `sizes` packets each; every packet's payload is its own."""
    made = []
    for frame, size in enumerate(sizes):
        for part in range(size):
            number, last = (first + len(made)) % 65536, part == size - 1
            packet = RtpPacket(sequence_number=number, timestamp=3000 * frame, marker=int(marked and last))
            packet._data = f"[{frame}.{part}]".encode()
            made.append(packet)
    return made


def whole(sizes: list[int]) -> list[bytes]:
    return [b"".join(f"[{frame}.{part}]".encode() for part in range(size)) for frame, size in enumerate(sizes)]


def released(buffer: JitterBuffer, arriving: list[RtpPacket]) -> list[bytes]:
    frames = (buffer.add(packet)[1] for packet in arriving)
    return [frame.data for frame in frames if frame]


def video(kind: type[JitterBuffer]) -> JitterBuffer:
    return kind(capacity=CAPACITY, is_video=True)


def test_a_frame_is_released_with_its_last_packet():
    buffer = video(MarkerJitterBuffer)

    *early, last = [buffer.add(packet)[1] for packet in packets([3])]

    assert early == [None, None]
    assert last.data == b"[0.0][0.1][0.2]"


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

    numbers = [{part.split(".")[0] for part in frame.decode().strip("[]").split("][")} for frame in frames]
    assert all(len(frame) == 1 for frame in numbers)
    assert len(set(frames) - set(whole(sizes + clean))) <= len(lost)
    assert frames[-10:] == whole(sizes + clean)[-10:]


@given(sizes)
def test_without_marks_the_stock_rule_holds(sizes):
    unmarked = packets(sizes, marked=False)

    assert released(video(MarkerJitterBuffer), unmarked) == released(video(JitterBuffer), unmarked)


def test_audio_is_left_to_the_stock_buffer():
    audio = packets([1] * 8)

    fast, stock = (kind(capacity=16, prefetch=4) for kind in (MarkerJitterBuffer, JitterBuffer))

    assert released(fast, audio) == released(stock, audio)


def test_it_is_not_installed_in_an_aiortc_it_was_not_written_for(monkeypatch):
    monkeypatch.setattr(jitter.importlib.metadata, "version", lambda _: "1.17.0")
    monkeypatch.setattr(rtcrtpreceiver, "JitterBuffer", JitterBuffer)

    assert jitter.install() is False
    assert rtcrtpreceiver.JitterBuffer is JitterBuffer


def test_it_is_installed_in_the_pinned_aiortc(monkeypatch):
    monkeypatch.setattr(rtcrtpreceiver, "JitterBuffer", JitterBuffer)

    assert jitter.install() is True
    assert rtcrtpreceiver.JitterBuffer is MarkerJitterBuffer
