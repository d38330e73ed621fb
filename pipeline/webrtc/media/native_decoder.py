"""FFmpeg's own decoders, without threads of their own, for both kinds of decoder threads."""

from typing import cast

import av
from aiortc.codecs.base import Decoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.mediastreams import VIDEO_TIME_BASE
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av.frame import Frame

from pipeline.webrtc.media import video_limits


class NativeDecoder(Decoder):
    """The same pixels as libvpx, which copies each picture; 20 streams take 7/10 of its time."""

    def __init__(self, name: str) -> None:
        """`name` is FFmpeg's, "vp8" or "h264"; there is a thread a core already, so it gets none."""
        self._codec = cast(av.VideoCodecContext, av.CodecContext.create(name, "r"))
        self._codec.thread_count = 1
        self._codec.options = {"max_pixels": str(video_limits.MOST_PIXELS)}  # a second fence: FFmpeg's own

    def decode(self, encoded_frame: JitterFrame) -> list[Frame]:
        """Raises av.FFmpegError."""
        packet = av.Packet(encoded_frame.data)
        packet.pts, packet.time_base = encoded_frame.timestamp, VIDEO_TIME_BASE
        return list(self._codec.decode(packet))


def native_decoder(codec: RTCRtpCodecParameters) -> NativeDecoder:
    """Raises KeyError for what no peer can have agreed to."""
    return NativeDecoder({"VP8": "vp8", "H264": "h264"}[codec.name])
