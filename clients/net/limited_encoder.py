"""A VP8 encoder whose frames say how many bits a second they may take.

aiortc's encoder follows the receiver's estimate alone, which knows nothing of how few frames are wanted: it would spend
as many bits on two frames a second as on thirty.
"""

import contextlib

from aiortc.codecs import get_encoder
from aiortc.codecs.base import Encoder
from aiortc.codecs.vpx import MAX_BITRATE, Vp8Encoder
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av.frame import Frame

from pipeline.webrtc.internals import seams


class LimitedVp8Encoder(Vp8Encoder):
    """aiortc's encoder. Where a frame's `opaque` is a number, it and the ones before it stay below this bit rate."""

    def encode(self, frame: Frame, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        """Return the payloads of a frame's packets, and its RTP timestamp."""
        estimate = self.target_bitrate  # the receiver's
        self.target_bitrate = min(estimate, frame.opaque if isinstance(frame.opaque, int) else MAX_BITRATE)
        try:
            return super().encode(frame, force_keyframe)
        finally:
            self.target_bitrate = estimate


def installed() -> contextlib.AbstractContextManager[None]:
    """Have aiortc's senders use it for VP8 meanwhile."""
    return seams.replaced(seams.encoder(_encoder))


def _encoder(codec: RTCRtpCodecParameters) -> Encoder:
    return LimitedVp8Encoder() if codec.mimeType.lower() == "video/vp8" else get_encoder(codec)
