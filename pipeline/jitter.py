"""A jitter buffer for live video: no frame waits for the next one, nor long for a packet that may never come.

aiortc 1.16 releases a video frame only when a packet of the next one arrives: one frame's time too late. The last
packet of a frame carries RTP's marker bit (RFC 3550 section 5.1; RFC 7741 section 4.1 for VP8). It also releases one
frame a packet at most, so that what piled up behind a lost packet stays piled up; and it waits for that packet until
500 others have come, eight seconds at 60 a second. Then it goes on with frames that refer to a picture never decoded:
these show old parts, of their strip too, and are held back here until a whole picture comes.
"""
import importlib.metadata
import logging
import re

from aiortc import rtcrtpreceiver
from aiortc.codecs import get_decoder
from aiortc.codecs.base import Decoder
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import RtpPacket
from av.frame import Frame

logger = logging.getLogger(__name__)

#: What is overridden here is private: it is used only with the version it was written for.
WRITTEN_FOR = "1.16."
#: Half a second of video's 90 kHz clock: a packet sent again comes in time over round trips up to 400 ms.
PATIENCE_TICKS = 45_000
#: A start code and a byte that names the unit by its last bits: 5 is a whole picture, 7 the parameters before it.
H264_WHOLE = re.compile(rb"\x00\x00\x01[%b]" % re.escape(bytes(b for b in range(256) if b & 0x1F in (5, 7))))


class JitterFrames(JitterFrame):
    """Frames that became whole with the same packet, oldest first."""

    def __init__(self, frames: list[JitterFrame]) -> None:
        super().__init__(frames[0].data, frames[0].timestamp)
        self.frames = frames


class MarkerJitterBuffer(JitterBuffer):
    """Releases a video frame with its marked packet. Without marks, and for audio, the stock rule holds."""

    #: Whether no frame can be decoded until a whole picture comes; as at the beginning.
    _broken = True
    #: When, by the sender's clock, the picture broke or was asked for again.
    _since: int | None = None

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Whether to ask for a whole picture, and the frames that `packet` made complete and that can be decoded."""
        lost, frame = super().add(packet)
        if not self._is_video:
            return lost, frame
        if frame is None and self._overdue(packet):
            self._skip_to_a_frame(packet.sequence_number)
            lost, frame = True, self._remove_frame(packet.sequence_number)
        self._broken |= lost
        frames = []
        while frame is not None:
            self._broken &= not is_whole_picture(frame.data)
            frames += [] if self._broken else [frame]
            frame = self._remove_frame(packet.sequence_number)
        return self._ask(lost, packet.timestamp), JitterFrames(frames) if frames else None

    def _ask(self, lost: bool, now: int) -> bool:
        """When the picture breaks, and again while no whole one comes: the request may get lost as well."""
        if self._since is None:  # the sender begins with a whole picture by itself
            self._since = now
        if not lost and not (self._broken and _after(self._since, now) > PATIENCE_TICKS):
            return False
        self._since = now
        return True

    def _remove_frame(self, sequence_number: int) -> JitterFrame | None:
        if not self._is_video:
            return super()._remove_frame(sequence_number)
        packets = []
        for count in range(self.capacity):
            packet = self._slot(count)
            if packet is None:
                return None
            if packets and packet.timestamp != packets[0].timestamp:
                return super()._remove_frame(sequence_number)
            packets.append(packet)
            if packet.marker:
                self.remove(len(packets))
                return JitterFrame(b"".join(p._data for p in packets), packet.timestamp)
        return None

    def _slot(self, count: int) -> RtpPacket | None:
        return self._packets[(self._origin + count) % self._capacity]

    def _overdue(self, packet: RtpPacket) -> bool:
        """Whether the oldest packet in here has waited too long, by the sender's clock, for one before or after it."""
        oldest = next(filter(None, map(self._slot, range(self.capacity))), packet)
        return _after(oldest.timestamp, packet.timestamp) > PATIENCE_TICKS

    def _skip_to_a_frame(self, newest: int) -> None:
        """Drop packets until one that surely begins a frame, as the one before it is here and of another frame."""
        before = None
        while self._origin != newest:
            packet = self._slot(0)
            if before and packet and before.timestamp != packet.timestamp:
                return
            before = packet
            self.remove(1)


def is_whole_picture(data: bytes) -> bool:
    """Whether an encoded frame needs no other one: VP8 (RFC 6386 section 9.1), or H.264 with start codes."""
    if data.startswith((b"\0\0\1", b"\0\0\0\1")):
        return H264_WHOLE.search(data) is not None
    return bool(data) and not data[0] & 1


def _after(before: int, now: int) -> int:
    """Ticks from `before` to `now`, across the wrap; below 0 when it is the earlier one."""
    return (now - before + 2**31) % 2**32 - 2**31


def parts(frame: JitterFrame) -> list[JitterFrame]:
    """The frames that JitterFrames are, each with its time; any other frame itself."""
    if not isinstance(frame, JitterFrames):
        return [frame]
    first = frame.frames[0].timestamp  # the receiver has moved the first one's timestamp to its own origin
    return [JitterFrame(part.data, frame.timestamp + (part.timestamp - first) % 2**32) for part in frame.frames]


class BurstDecoder(Decoder):
    """Decodes all of JitterFrames, one after the other."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def decode(self, encoded_frame: JitterFrame) -> list[Frame]:
        return [picture for part in parts(encoded_frame) for picture in self._decoder.decode(part)]


def burst_decoder(codec: RTCRtpCodecParameters) -> Decoder:
    return BurstDecoder(get_decoder(codec))


def install() -> bool:
    """Have every peer connection made from now on use it; False with an aiortc it was not written for."""
    if not importlib.metadata.version("aiortc").startswith(WRITTEN_FOR):
        logger.warning("this aiortc is not %sx: its own, slower jitter buffer stays", WRITTEN_FOR)
        return False
    rtcrtpreceiver.JitterBuffer = MarkerJitterBuffer
    rtcrtpreceiver.get_decoder = burst_decoder
    return True
