"""Frames that nobody will look at, from the bit in their packets to the decoder that does not get them."""

import asyncio
import queue
import threading
from collections.abc import Callable
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest
from aiortc.codecs.vpx import VpxPayloadDescriptor
from aiortc.jitterbuffer import JitterFrame
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtpPacket
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.load.vp8_layers import base_distance, encode
from pipeline.monitoring.metrics import GatewayMetrics
from pipeline.monitoring.monitor import counted
from pipeline.webrtc.internals.rtp import ReceivedPacket
from pipeline.webrtc.media import decoder_pool, fast_receive
from pipeline.webrtc.media.decoder_pool import EncodedStream
from pipeline.webrtc.media.handover import Handover, hand_over
from pipeline.webrtc.media.jitter_buffer import DroppableFrame, JitterFrames, MarkerJitterBuffer, parts
from pipeline.webrtc.media.native_decoder import NativeDecoder
from pipeline.webrtc.media.rtp import is_droppable
from pipeline.webrtc.media.video_limits import FULL_HD_PIXELS, Memory
from support.webrtc.fast_path import installed, receiver  # noqa: F401 (a fixture)
from support.webrtc.our_parts import counters

VP8, H264 = SimpleNamespace(name="VP8"), SimpleNamespace(name="H264")
#: Bits of the VP8 payload descriptor: a partition starts here, and nothing refers to this frame.
START, NOT_REFERENCED = 0x10, 0x20
FPS = 10
BASE = base_distance(FPS)
PACKET_BYTES = 300


@pytest.fixture(scope="module")
def video() -> list[bytes]:
    """Half a dozen frames of the base layer, and three of the upper layer after each of them."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (27, 58, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    return list(encode((texture[:96, 4 * number : 4 * number + 128] for number in range(6 * BASE)), FPS))


def pixels(picture: av.VideoFrame) -> bytes:
    return picture.to_ndarray().tobytes()


def all_pictures(video: list[bytes]) -> list[bytes]:
    decoder = NativeDecoder("vp8")
    return [pixels(*decoder.decode(JitterFrame(data, 0))) for data in video]


def datagrams(video: list[bytes], says_droppable: Callable[[int], bool]) -> list[bytes]:
    """The packets of all frames, with the bit in those of which `says_droppable`."""
    sent = []
    for number, data in enumerate(video):
        pieces = [data[at : at + PACKET_BYTES] for at in range(0, len(data), PACKET_BYTES)]
        for index, piece in enumerate(pieces):
            bits = START * (index == 0) | NOT_REFERENCED * says_droppable(number)
            packet = RtpPacket(97, int(index == len(pieces) - 1), len(sent), 90_000 // FPS * number, 1)
            packet.payload = bytes([bits]) + piece
            sent.append(packet.serialize())
    return sent


class Session:
    """The owner of a stream that comes by the fast path, and its one decoder thread, which runs when it is told to."""

    def __init__(self, wants_frame: Callable[[float], bool] = lambda time_s: True) -> None:
        self.counters, self.failed = counters(GatewayMetrics()), threading.Event()
        self.shown: list[av.VideoFrame | None] = []
        self._turns: queue.SimpleQueue[EncodedStream] = queue.SimpleQueue()
        self.stream = EncodedStream(self._turns, self.counters, Memory())
        handover = Handover(self.shown.append, lambda: FULL_HD_PIXELS, lambda sentence: None, wants_frame)
        loop = SimpleNamespace(call_soon_threadsafe=lambda call, *arguments: call(*arguments))
        self.stream.begin(loop, handover, self.failed)

    async def receive(self, datagrams: list[bytes]) -> None:
        dtls, made = await receiver()
        made._RTCRtpReceiver__decoder_queue = self.stream
        path = fast_receive.FastReceivePath(dtls, made)
        for data in datagrams:
            path.data_received(data, 1)
            self.decode()
        await made.stop()

    def decode(self) -> int:
        """Decode all frames that wait; return how many these were."""
        turns = 0
        while not self._turns.empty():
            self._turns.get().take_turn()
            turns += 1
        return turns

    def dropped(self, reason: str) -> float:
        return counted(self.counters.dropped.labels(reason))

    @property
    def pictures(self) -> list[bytes]:
        return [pixels(picture) for picture in self.shown if picture]


def upper(number: int) -> bool:
    return number % BASE != 0


@pytest.mark.parametrize("says_droppable", [upper, lambda number: False], ids=["marked", "not marked"])
async def test_wanted_frames_look_the_same_whatever_is_left_out_between_them(video, says_droppable):
    wanted = [0, 7, 8, 13, 14, 15, 20]
    session = Session(wants_frame=lambda time_s: round(time_s * FPS) in wanted)

    await session.receive(datagrams(video, says_droppable))

    everything = all_pictures(video)
    assert [round(picture.time * FPS) for picture in session.shown if picture] == wanted
    assert session.pictures == [everything[number] for number in wanted]
    assert session.dropped("unneeded") == len(video) - len(wanted)
    assert session.dropped("behind") == session.dropped("broken") == 0 and not session.failed.is_set()


async def test_marked_frames_that_nobody_wants_never_wait_for_a_decoder(video):
    session = Session(wants_frame=lambda time_s: False)

    for number, data in enumerate(video):
        session.stream.put((VP8, (DroppableFrame if upper(number) else JitterFrame)(data, 9000 * number)))

    assert session.decode() == len(video) // BASE


def test_a_frame_that_no_later_one_can_refer_to_is_not_decoded_even_without_a_mark(video):
    """Of the upper layer, libvpx writes some frames into a reference that no other frame uses: these are decoded."""
    decoder = NativeDecoder("vp8")

    given = [len(decoder.skim(JitterFrame(data, 0))) for data in video]

    above = [count for number, count in enumerate(given) if upper(number)]
    assert given[::BASE] == [1] * (len(video) // BASE) and sum(above) < len(above) / 4


def test_a_decoder_of_h264_that_gives_pictures_late_gives_the_wanted_ones():
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 128, 96, "yuv420p", Fraction(1, FPS)
    encoder.options = {"bf": "1", "x264-params": "bframes=1:b-adapt=0:scenecut=0"}
    grey = [av.VideoFrame.from_ndarray(np.full((144, 128), 9 * n, np.uint8), format="yuv420p") for n in range(12)]
    for number, frame in enumerate(grey):
        frame.pts = number
    sent = [packet for frame in [*grey, None] for packet in encoder.encode(frame)]
    session = Session(wants_frame=lambda time_s: round(time_s * FPS) in (3, 4, 5, 8))

    for packet in sent:
        session.stream.put((H264, JitterFrame(bytes(packet), 9000 * packet.pts)))
        session.decode()

    shown = [round(picture.time * FPS) for picture in session.shown if picture]
    assert {3, 4, 5, 8} <= set(shown) and session.dropped("broken") == 0


async def test_an_owner_that_says_nothing_gets_all_frames(video):
    session = Session()

    await session.receive(datagrams(video, upper))

    assert session.pictures == all_pictures(video)


async def test_an_intra_frame_is_decoded_whatever_its_sender_says_of_it(video):
    session = Session(wants_frame=lambda time_s: round(time_s * FPS) == 1)

    await session.receive(datagrams(video, lambda number: True))

    assert session.pictures == all_pictures(video)[1:2]


@settings(max_examples=40)
@given(st.data())
def test_who_lies_about_its_frames_spoils_its_own_picture_and_nothing_else(video, data):
    """Frames that others need are left out, whatever is marked and wanted: the decoder goes on."""
    marked = data.draw(st.lists(st.booleans(), min_size=len(video), max_size=len(video)))
    wanted = data.draw(st.lists(st.booleans(), min_size=len(video), max_size=len(video)))
    session = Session(wants_frame=lambda time_s: wanted[round(time_s * FPS)])

    asyncio.run(session.receive(datagrams(video, marked.__getitem__)))
    wanted[:] = [True] * len(video)
    asyncio.run(session.receive(datagrams(video, lambda number: False)))  # an intra frame, which makes it whole again

    assert session.pictures[-len(video) :] == all_pictures(video)


@given(st.binary(min_size=1, max_size=4))
def test_the_bit_is_read_from_any_payload_of_vp8_and_from_no_other(payload):
    assert is_droppable(VP8, payload) == bool(payload[0] & NOT_REFERENCED)
    assert not is_droppable(H264, payload)


@given(st.integers(0, 1), st.integers(0, 31), st.none() | st.integers(0, 31))
def test_what_aiortc_sends_is_needed(starts, picture, layer):
    assert not is_droppable(VP8, bytes(VpxPayloadDescriptor(starts, 0, picture, layer)))


def packet(number: int, timestamp: int, data: bytes, *, droppable: bool, last: bool = True) -> ReceivedPacket:
    return ReceivedPacket(int(last), 97, number, timestamp, 1, None, data, data, droppable)


WHOLE, PREDICTED = b"\x10...", b"\x11..."


def test_a_frame_is_droppable_if_all_its_packets_say_so():
    buffer = MarkerJitterBuffer(64)
    buffer.add(packet(0, 0, WHOLE, droppable=False))

    _, whole = buffer.add(packet(1, 3000, WHOLE, droppable=True))
    buffer.add(packet(2, 6000, PREDICTED, droppable=True, last=False))
    buffer.add(packet(3, 6000, b"", droppable=False, last=False))  # padding
    _, droppable = buffer.add(packet(4, 6000, PREDICTED, droppable=True))
    buffer.add(packet(5, 9000, PREDICTED, droppable=True, last=False))
    _, mixed = buffer.add(packet(6, 9000, PREDICTED, droppable=False))

    kinds = [type(frame) for released in (whole, droppable, mixed) for frame in parts(released)]
    assert kinds == [JitterFrame, DroppableFrame, JitterFrame]


def test_frames_that_come_at_once_stay_what_they_are():
    together = JitterFrames([JitterFrame(WHOLE, 3000), DroppableFrame(PREDICTED, 6000)])
    together.timestamp = 0  # by the receiver's own origin

    found = parts(together)

    assert [(type(frame), frame.timestamp) for frame in found] == [(JitterFrame, 0), (DroppableFrame, 3000)]


@pytest.mark.parametrize("waiting", [decoder_pool.MOST_WAITING_DROPPABLE + 3, decoder_pool.MOST_WAITING + 3])
def test_a_decoder_that_is_behind_leaves_out_what_no_other_frame_needs(video, waiting):
    """It does not have to skip everything until an intra frame."""
    session, late = Session(), video[:waiting]

    for number, data in enumerate(late):
        kind = DroppableFrame if upper(number) else JitterFrame
        session.stream.put((VP8, kind(data, 9000 * number)))
    session.decode()

    shown = [round(picture.time * FPS) for picture in session.shown if picture]
    assert set(range(0, len(late), BASE)) <= set(shown) and len(shown) < len(late)
    everything = all_pictures(late)
    assert session.pictures == [everything[number] for number in shown]
    assert session.dropped("behind") == len(late) - len(shown) and not session.failed.is_set()


def test_a_frame_for_which_there_is_no_room_is_no_gap_if_no_other_frame_needs_it(video, monkeypatch):
    session = Session()
    monkeypatch.setattr(decoder_pool, "MOST_QUEUED", 1)

    session.stream.put((VP8, JitterFrame(video[0], 0)))
    session.stream.put((VP8, DroppableFrame(video[1], 9000)))  # there is no room for it
    session.decode()
    session.stream.put((VP8, JitterFrame(video[BASE], 9000 * BASE)))
    session.decode()

    assert session.pictures == [all_pictures(video)[number] for number in (0, BASE)]
    assert not session.failed.is_set()


async def test_of_a_track_of_aiortcs_own_all_frames_are_taken():
    frames = [SimpleNamespace(width=16, height=16, number=number) for number in range(3)]
    taken: list = []

    class Track:
        async def recv(self):
            if not frames:
                raise MediaStreamError
            return frames.pop(0)

    reading = hand_over(
        Track(), taken.append, most_pixels=lambda: 256, refuse=lambda why: None, wants_frame=lambda time_s: False
    )
    await reading

    assert [frame and frame.number for frame in taken] == [0, 1, 2, None]
