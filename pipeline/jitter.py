"""A jitter buffer for live video: no frame waits for the next one, nor long for a packet that may never come.

aiortc 1.16 releases a video frame only when a packet of the next one arrives: one frame's time too late. The last
packet of a frame carries RTP's marker bit (RFC 3550 section 5.1; RFC 7741 section 4.1 for VP8). It also releases one
frame a packet at most, so that what piled up behind a lost packet stays piled up; and it waits for that packet until
500 others have come, eight seconds at 60 a second.
"""
import importlib.metadata
import logging

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


class JitterFrames(JitterFrame):
    """Frames that became whole with the same packet, oldest first."""

    def __init__(self, frames: list[JitterFrame]) -> None:
        super().__init__(frames[0].data, frames[0].timestamp)
        self.frames = frames


class MarkerJitterBuffer(JitterBuffer):
    """Releases a video frame with its marked packet. Without marks, and for audio, the stock rule holds."""

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Whether a whole new picture must be asked for, and all frames that `packet` made whole."""
        lost, frame = super().add(packet)
        if not self._is_video:
            return lost, frame
        if frame is None and self._overdue(packet):
            self._skip_to_a_frame(packet.sequence_number)
            lost, frame = True, self._remove_frame(packet.sequence_number)
        frames = []
        while frame is not None:
            frames.append(frame)
            frame = self._remove_frame(packet.sequence_number)
        return lost, JitterFrames(frames) if frames else None

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
        return PATIENCE_TICKS < (packet.timestamp - oldest.timestamp) % 2**32 < 2**31

    def _skip_to_a_frame(self, newest: int) -> None:
        """Drop packets until one that surely begins a frame, as the one before it is here and of another frame."""
        before = None
        while self._origin != newest:
            packet = self._slot(0)
            if before and packet and before.timestamp != packet.timestamp:
                return
            before = packet
            self.remove(1)


class BurstDecoder(Decoder):
    """Decodes all of JitterFrames, one after the other."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def decode(self, encoded_frame: JitterFrame) -> list[Frame]:
        if not isinstance(encoded_frame, JitterFrames):
            return self._decoder.decode(encoded_frame)
        first, decoded = encoded_frame.frames[0].timestamp, []
        for frame in encoded_frame.frames:  # the receiver has moved the first one's timestamp to its own origin
            timestamp = encoded_frame.timestamp + (frame.timestamp - first) % 2**32
            decoded += self._decoder.decode(JitterFrame(frame.data, timestamp))
        return decoded


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
