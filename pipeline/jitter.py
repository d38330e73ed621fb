"""A jitter buffer that knows where a frame ends, so that none waits for the next one to begin.

aiortc 1.16 releases a video frame only when a packet of the next one arrives: one frame's time too late. The last
packet of a frame carries RTP's marker bit (RFC 3550 section 5.1; RFC 7741 section 4.1 for VP8).
"""
import importlib.metadata
import logging

from aiortc import rtcrtpreceiver
from aiortc.jitterbuffer import JitterBuffer, JitterFrame

logger = logging.getLogger(__name__)

#: What `_remove_frame` overrides is private: it is used only with the version it was written for.
WRITTEN_FOR = "1.16."


class MarkerJitterBuffer(JitterBuffer):
    """Releases a video frame with its marked packet. Without marks, and for audio, the stock rule holds."""

    def _remove_frame(self, sequence_number: int) -> JitterFrame | None:
        if not self._is_video:
            return super()._remove_frame(sequence_number)
        packets = []
        for count in range(self.capacity):
            packet = self._packets[(self._origin + count) % self._capacity]
            if packet is None:
                return None
            if packets and packet.timestamp != packets[0].timestamp:
                return super()._remove_frame(sequence_number)
            packets.append(packet)
            if packet.marker:
                self.remove(len(packets))
                return JitterFrame(b"".join(p._data for p in packets), packet.timestamp)
        return None


def install() -> bool:
    """Have every peer connection made from now on use it; False with an aiortc it was not written for."""
    if not importlib.metadata.version("aiortc").startswith(WRITTEN_FOR):
        logger.warning("this aiortc is not %sx: its own, slower jitter buffer stays", WRITTEN_FOR)
        return False
    rtcrtpreceiver.JitterBuffer = MarkerJitterBuffer
    return True
