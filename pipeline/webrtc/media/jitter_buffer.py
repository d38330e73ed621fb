"""A jitter buffer for live video: no frame waits for the next one, nor for long for a packet that may never come.

aiortc 1.16 releases a video frame only when a packet of the next frame arrives, which is one frame too late. Here a
frame is released with its last packet, which carries RTP's marker bit (RFC 3550 section 5.1; RFC 7741 section 4.1 for
VP8).

aiortc also releases at most one frame with each packet, so that frames which piled up behind a lost packet stay piled
up. It waits for a lost packet until 500 others have come, which takes eight seconds at 60 a second. Then it releases
frames that refer to a picture which was never decoded. Such frames show old parts, even of their strip, so they are
held back here until an intra frame comes.
"""

import re
from collections import OrderedDict
from itertools import pairwise

from aiortc.jitterbuffer import MAX_MISORDER, JitterBuffer, JitterFrame
from aiortc.rtp import RtpPacket

from pipeline.webrtc.internals.rtp import ReceivedPacket, data_of
from pipeline.webrtc.media.video_header import VP8_START_CODE

Packet = RtpPacket | ReceivedPacket
#: Half a second of video's 90 kHz clock. A packet that is sent again comes in time if the round trip is up to 400 ms.
PATIENCE_TICKS = 45_000
#: A start code, and a byte whose last bits are the type of the unit: 5 is an intra frame, 7 the parameters before it.
H264_WHOLE = re.compile(rb"\x00\x00\x01[%b]" % re.escape(bytes(b for b in range(256) if b & 0x1F in (5, 7))))


class DroppableFrame(JitterFrame):
    """A frame that no other frame needs, as its sender says."""


class JitterFrames(JitterFrame):
    """Frames that the same packet completed, oldest first; aiortc's interface has room for a single frame."""

    def __init__(self, frames: list[JitterFrame]) -> None:
        super().__init__(frames[0].data, frames[0].timestamp)
        self.frames = frames


def jitter_buffer(capacity: int, prefetch: int = 0, is_video: bool = False) -> "MarkerJitterBuffer | JitterBuffer":
    """Replace the constructor of aiortc's class; audio still gets the original."""
    return MarkerJitterBuffer(capacity) if is_video else JitterBuffer(capacity, prefetch)


class MarkerJitterBuffer:
    """Releases a video frame as soon as its marked packet is here; if senders set no marks, with the next frame.

    Packets are held by their sequence number, and each is examined once, while aiortc's own buffer loops over all its
    slots with each packet.
    """

    #: Whether no frame can be decoded until an intra frame comes, as at the beginning.
    _broken = True
    #: When, by the sender's clock, an intra frame was last asked for.
    _since: int | None = None
    #: Whether any packet has come yet.
    _has_begun = False
    #: The sequence number of the first packet of the oldest frame.
    _first = 0
    #: How many packets from `_first` on are known to be here and to belong to that frame, which is not complete yet.
    _seen = 0
    #: Whether the frame at `_first` may lack packets before it.
    _headless = False

    def __init__(self, capacity: int) -> None:
        """`capacity` is how many packets may be held, counted from the first one of the oldest frame."""
        self._capacity = capacity
        self._held: OrderedDict[int, Packet] = OrderedDict()  # in the order of their arrival

    def add(self, packet: Packet) -> tuple[bool, JitterFrame | None]:
        """Return whether to ask for an intra frame, and the decodable frames that `packet` completed, or None."""
        lost = self._keep(packet)
        frames = self._release()
        if not frames and packet.sequence_number in self._held and self._overdue(packet):
            self._skip_to_a_frame(packet.sequence_number)
            lost = self._broken = True
            frames = self._release()
        return self._ask(lost, packet.timestamp), JitterFrames(frames) if frames else None

    def _keep(self, packet: Packet) -> bool:
        """Hold a packet; return whether others were given up because it is too far ahead of them."""
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
        """Return whether to ask for an intra frame: after a loss, and again while none comes, as requests get lost."""
        if self._since is None:  # the sender begins with an intra frame without being asked
            self._since = now
        if not lost and not (self._broken and _after(self._since, now) > PATIENCE_TICKS):
            return False
        self._since = now
        return True

    def _release(self) -> list[JitterFrame]:
        """Take out all complete frames; return those that can be decoded, oldest first."""
        frames = []
        while (packets := self._next_frame()) is not None:
            data = data_of(packets)
            is_torn, self._headless = self._headless and not is_beginning(data), False
            if is_torn or not data:  # FFmpeg would take an empty frame, made of padding, for the end of the stream
                continue
            self._broken &= not is_intra_frame(data)
            kind = DroppableFrame if are_droppable(packets) and not is_intra_frame(data) else JitterFrame
            frames += [] if self._broken else [kind(data, packets[0].timestamp)]
        return frames

    def _next_frame(self) -> list[Packet] | None:
        """Take out and return the packets of the oldest frame, or None if it is not complete yet."""
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
        """Return whether the packet that has been held longest has waited too long, by the sender's clock."""
        first = next(iter(self._held.values()), packet)
        return _after(first.timestamp, packet.timestamp) > PATIENCE_TICKS

    def _skip_to_a_frame(self, newest: int) -> None:
        """Drop packets up to one that surely begins a frame: the packet before it is here and of another frame."""
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


def are_droppable(packets: list[Packet]) -> bool:
    """Return whether all packets of a frame that are not padding say that it may be dropped; aiortc's never do."""
    return all(isinstance(packet, ReceivedPacket) and (packet.is_droppable or not packet.data) for packet in packets)


def is_intra_frame(data: bytes) -> bool:
    """Return whether an encoded frame refers to no other one. It is VP8 (RFC 6386 section 9.1) or H.264."""
    if data.startswith((b"\0\0\1", b"\0\0\0\1")):
        return H264_WHOLE.search(data) is not None
    return bool(data) and not data[0] & 1


def is_beginning(data: bytes) -> bool:
    """Return whether data starts as only an intra frame does, so that no packet before it is missing."""
    return data[3:6] == VP8_START_CODE or data.startswith((b"\0\0\0\1\x67", b"\0\0\0\1\x27"))


def _after(before: int, now: int) -> int:
    """Return the clock ticks from `before` to `now`, which may have wrapped around; negative if `now` is earlier."""
    return (now - before + 2**31) % 2**32 - 2**31


def parts(frame: JitterFrame) -> list[JitterFrame]:
    """Split JitterFrames into single frames with their timestamps; any other frame is returned as it is."""
    if not isinstance(frame, JitterFrames):
        return [frame]
    first = frame.frames[0].timestamp  # the receiver has mapped only the timestamp of `frame` to its own origin
    return [type(part)(part.data, frame.timestamp + (part.timestamp - first) % 2**32) for part in frame.frames]
