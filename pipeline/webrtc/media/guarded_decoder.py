"""What stands before a decoder in aiortc's own decoder threads: nothing reaches it that means something else to it.

aiortc's jitter buffer makes a frame of padding, which FFmpeg takes for the end of all; its threads make room for
whatever a header claims, keep a decoder that is at its end, and end themselves with an error that is not FFmpeg's.
"""

import av
from aiortc.codecs import get_decoder
from aiortc.codecs.base import Decoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av.frame import Frame

from pipeline.webrtc.media import video_header, video_limits
from pipeline.webrtc.media.native_decoder import native_decoder

#: A decoder that cannot read half a second of frames may never again.
MOST_FAILURES = 15


class GuardedDecoder(Decoder):
    """Of one stream. An error asks for an intra frame; the decoder is made anew where it would fail for ever."""

    def __init__(self, codec: RTCRtpCodecParameters) -> None:
        self._codec, self._decoder, self._failures = codec, native_decoder(codec), 0

    def decode(self, encoded_frame: JitterFrame) -> list[Frame]:
        """Raises av.FFmpegError, and nothing else."""
        if not encoded_frame.data:
            return []
        try:
            self._check(encoded_frame.data)
            pictures: list[Frame] = self._decoder.decode(encoded_frame)
        except Exception as error:
            self._failures += 1
            is_final = isinstance(error, av.error.EOFError) or not isinstance(error, av.FFmpegError)
            if is_final or self._failures % MOST_FAILURES == 0:
                self._decoder = native_decoder(self._codec)
            raise av.error.InvalidDataError(0, type(error).__name__) from error
        self._failures = 0
        return pictures

    def _check(self, data: bytes) -> None:
        """Raises ValueError for a frame that cannot be read, or that asks for more room than anybody's."""
        for demand in video_header.demands(self._codec.name, data):
            if demand.pixels > video_limits.MOST_PIXELS or max(demand.width, demand.height) > video_limits.MOST_SIDE_PX:
                raise ValueError("a picture larger than anybody's")


def guarded_decoder(codec: RTCRtpCodecParameters) -> Decoder:
    """In the place of aiortc's function; of sound it is the same."""
    return GuardedDecoder(codec) if codec.name in ("VP8", "H264") else get_decoder(codec)
