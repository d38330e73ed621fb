"""Protects the decoder in aiortc's own decoder threads, which a client or an untested version of aiortc uses.

aiortc's jitter buffer makes an empty frame of padding, which FFmpeg takes for the end of the stream. Its decoder
threads allocate what a header claims, keep a decoder that has reached its end, and die of an error that is not
FFmpeg's.
"""

import av
from aiortc.codecs import get_decoder
from aiortc.codecs.base import Decoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av.frame import Frame

from pipeline.webrtc.media import video_header, video_limits
from pipeline.webrtc.media.native_decoder import native_decoder

#: A decoder that fails for half a second may never recover.
MOST_FAILURES = 15


class GuardedDecoder(Decoder):
    """Decodes one stream. Where a decoder would fail for ever, it is replaced by a new one."""

    def __init__(self, codec: RTCRtpCodecParameters) -> None:
        self._codec, self._decoder, self._failures = codec, native_decoder(codec), 0

    def decode(self, encoded_frame: JitterFrame) -> list[Frame]:
        """Return the pictures of a frame; raises only av.FFmpegError, upon which aiortc asks for an intra frame."""
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
        """Raise ValueError for a frame that cannot be read, or whose picture is larger than any may be."""
        for demand in video_header.demands(self._codec.name, data):
            if demand.pixels > video_limits.MOST_PIXELS or max(demand.width, demand.height) > video_limits.MOST_SIDE_PX:
                raise ValueError("a picture larger than any may be")


def guarded_decoder(codec: RTCRtpCodecParameters) -> Decoder:
    """Replace aiortc's function `get_decoder`; audio is left to the original."""
    return GuardedDecoder(codec) if codec.name in ("VP8", "H264") else get_decoder(codec)
