"""A jitter buffer for live video: no frame waits for the next one, nor long for a packet that may never come.

aiortc 1.16 releases a video frame only when a packet of the next one arrives: one frame's time too late. The last
packet of a frame carries RTP's marker bit (RFC 3550 section 5.1; RFC 7741 section 4.1 for VP8). It also releases one
frame a packet at most, so that what piled up behind a lost packet stays piled up; and it waits for that packet until
500 others have come, eight seconds at 60 a second. Then it goes on with frames that refer to a picture never decoded:
these show old parts, of their strip too, and are held back here until an intra frame comes.
"""

import re
from collections import OrderedDict
from itertools import pairwise

from aiortc.jitterbuffer import MAX_MISORDER, JitterBuffer, JitterFrame
from aiortc.rtp import RtpPacket

from pipeline.webrtc.internals.rtp import ReceivedPacket, data_of
from pipeline.webrtc.media.video_header import VP8_START_CODE

Packet = RtpPacket | ReceivedPacket
#: Half a second of video's 90 kHz clock: a packet sent again comes in time over round trips up to 400 ms.
PATIENCE_TICKS = 45_000
#: A start code and a byte that names the unit by its last bits: 5 is an intra frame, 7 the parameters before it.
H264_WHOLE = re.compile(rb"\x00\x00\x01[%b]" % re.escape(bytes(b for b in range(256) if b & 0x1F in (5, 7))))


class JitterFrames(JitterFrame):
    """Frames that became whole with the same packet, oldest first."""

    def __init__(self, frames: list[JitterFrame]) -> None:
        super().__init__(frames[0].data, frames[0].timestamp)
        self.frames = frames


def jitter_buffer(capacity: int, prefetch: int = 0, is_video: bool = False) -> "MarkerJitterBuffer | JitterBuffer":
    """In the place of aiortc's class; audio is left to it."""
    return MarkerJitterBuffer(capacity) if is_video else JitterBuffer(capacity, prefetch)


class MarkerJitterBuffer:
    """Releases a video frame with its marked packet; without marks aiortc's rule holds.

    Packets are held by their number, and each is examined once. aiortc's own buffer walks over all its places with each
    packet.
    """

    #: Whether no frame can be decoded until an intra frame comes; as at the beginning.
    _broken = True
    #: When, by the sender's clock, the picture broke or was asked for again.
    _since: int | None = None
    #: Whether any packet came yet.
    _has_begun = False
    #: The number of the packet that the oldest frame begins with.
    _first = 0
    #: Packets from `_first` on that are here, and of one frame without its end.
    _seen = 0
    #: Whether the frame at `_first` may have begun before it.
    _headless = False

    def __init__(self, capacity: int) -> None:
        """`capacity`: how many packets from the oldest frame's first on may be held."""
        self._capacity = capacity
        self._held: OrderedDict[int, Packet] = OrderedDict()  # who came first is the first

    def add(self, packet: Packet) -> tuple[bool, JitterFrame | None]:
        """Whether to ask for an intra frame, and the frames that `packet` made complete and that can be decoded."""
        lost = self._keep(packet)
        frames = self._release()
        if not frames and packet.sequence_number in self._held and self._overdue(packet):
            self._skip_to_a_frame(packet.sequence_number)
            lost = self._broken = True
            frames = self._release()
        return self._ask(lost, packet.timestamp), JitterFrames(frames) if frames else None

    def _keep(self, packet: Packet) -> bool:
        """Whether packets are lost, as this one is too far away from those before it."""
        number = packet.sequence_number
        if not self._has_begun:
            self._has_begun, self._first = True, number
        ahead = (number - self._first) & 0xFFFF
        is_late, is_far = 65536 - MAX_MISORDER < ahead, ahead >= self._capacity
        if is_far and not is_late:
            self._held.clear()
            self._first, self._seen, self._headless, self._broken = number, 0, True, True
        if is_far and is_late:
            return False
        self._held.setdefault(number, packet)
        return is_far

    def _ask(self, lost: bool, now: int) -> bool:
        """When the picture breaks, and again while no whole one comes: the request may get lost as well."""
        if self._since is None:  # the sender begins with an intra frame by itself
            self._since = now
        if not lost and not (self._broken and _after(self._since, now) > PATIENCE_TICKS):
            return False
        self._since = now
        return True

    def _release(self) -> list[JitterFrame]:
        """All frames that are complete, oldest first, but for those that refer to a picture that never came."""
        frames = []
        while (packets := self._next_frame()) is not None:
            data = data_of(packets)
            is_torn, self._headless = self._headless and not is_beginning(data), False
            if is_torn or not data:  # nothing but padding is no frame: FFmpeg would take it for the end of all
                continue
            self._broken &= not is_intra_frame(data)
            frames += [] if self._broken else [JitterFrame(data, packets[0].timestamp)]
        return frames

    def _next_frame(self) -> list[Packet] | None:
        """The packets of the oldest frame, taken out, once its end is here."""
        while (packet := self._held.get((self._first + self._seen) & 0xFFFF)) is not None:
            if self._seen and packet.timestamp != self._held[self._first].timestamp:
                return self._take_out()
            self._seen += 1
            if packet.marker:
                return self._take_out()
        return None

    def _take_out(self) -> list[Packet]:
        packets = [self._held.pop((self._first + count) & 0xFFFF) for count in range(self._seen)]
        self._first, self._seen = (self._first + self._seen) & 0xFFFF, 0
        return packets

    def _overdue(self, packet: Packet) -> bool:
        """Whether the packet that came first has waited too long, by the sender's clock, for one before or after it."""
        first = next(iter(self._held.values()), packet)
        return _after(first.timestamp, packet.timestamp) > PATIENCE_TICKS

    def _skip_to_a_frame(self, newest: int) -> None:
        """Drop packets until one that surely begins a frame, as the one before it is here and of another frame."""
        held = self._held
        numbers = sorted(held, key=lambda number: (number - self._first) & 0xFFFF)
        numbers = numbers[: numbers.index(newest) + 1]
        begins = (
            number
            for before, number in pairwise(numbers)
            if (number - before) & 0xFFFF == 1 and held[before].timestamp != held[number].timestamp
        )
        start = next(begins, None)
        self._headless, self._first, self._seen = start is None, newest if start is None else start, 0
        for number in numbers[: numbers.index(self._first)]:
            del held[number]


def is_intra_frame(data: bytes) -> bool:
    """Whether an encoded frame needs no other one: VP8 (RFC 6386 section 9.1), or H.264 with start codes."""
    if data.startswith((b"\0\0\1", b"\0\0\0\1")):
        return H264_WHOLE.search(data) is not None
    return bool(data) and not data[0] & 1


def is_beginning(data: bytes) -> bool:
    """Whether this is the first part of an intra frame, and not any other: it says so."""
    return data[3:6] == VP8_START_CODE or data.startswith((b"\0\0\0\1\x67", b"\0\0\0\1\x27"))


def _after(before: int, now: int) -> int:
    """Ticks from `before` to `now`, across the wrap; below 0 when it is the earlier one."""
    return (now - before + 2**31) % 2**32 - 2**31


def parts(frame: JitterFrame) -> list[JitterFrame]:
    """The frames that JitterFrames are, each with its time; any other frame itself."""
    if not isinstance(frame, JitterFrames):
        return [frame]
    first = frame.frames[0].timestamp  # the receiver has moved the first one's timestamp to its own origin
    return [JitterFrame(part.data, frame.timestamp + (part.timestamp - first) % 2**32) for part in frame.frames]
