"""Which encoders and options go with which container, for files and for streams."""

from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Container:
    """A container, with the usual encoders for it. Sound and subtitles are encoded only if they cannot be copied."""

    muxer: str
    video: str
    sound: str = ""  # empty: the container takes no sound
    subtitles: str = ""  # empty: it takes no subtitles, and a single sound
    options: dict[str, str] = field(default_factory=dict)
    live: dict[str, str] = field(default_factory=dict)  # what libx264 is told for somebody who watches
    copied_sounds: tuple[str, ...] = ()  # the codecs of sound that may be copied; empty: all that fit
    pixels: str = ""  # the pixel format of raw frames; empty: the encoder's own


MP4 = Container("mp4", "libx264", "aac", "mov_text", {"movflags": "faststart"})
#: The option keeps the tracks' flags, which the muxer would change.
MKV = Container("matroska", "libx264", "aac", "subrip", {"default_mode": "passthrough"})
#: By a file's suffix.
FILES = {
    ".mp4": MP4,
    ".mov": replace(MP4, muxer="mov"),
    ".mkv": MKV,
    ".webm": replace(MKV, muxer="webm", video="libvpx-vp9", sound="libopus", subtitles="webvtt"),
}

#: Whoever watches gets each frame at once, and a picture to begin with every two seconds at 25 frames a second.
LIVE = {"tune": "zerolatency", "g": "50"}
#: Packets are not held back, and half a second without sound does not hold the picture up.
AT_ONCE = {"flush_packets": "1", "max_interleave_delta": "500000"}
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "200000"}
TS = Container("mpegts", "libx264", "aac", options=AT_ONCE, live=LIVE)
#: By the name of the format in which standard output is written.
STREAMS = {
    "mkv": replace(MKV, options=MKV.options | AT_ONCE | {"cluster_time_limit": "200"}, live=LIVE),
    "mp4": Container("mp4", "libx264", "aac", options=AT_ONCE | FRAGMENTED, live=LIVE),
    "ts": TS,
    "y4m": Container("yuv4mpegpipe", "rawvideo", options=AT_ONCE),
    "rgb24": Container("rawvideo", "rawvideo", options=AT_ONCE, pixels="rgb24"),
    "bgr24": Container("rawvideo", "rawvideo", options=AT_ONCE, pixels="bgr24"),
}
#: Services take no more than a few megabits a second.
SERVICE = LIVE | {"maxrate": "6M", "bufsize": "6M"}
FLV = Container("flv", "libx264", "aac", options=AT_ONCE, live=SERVICE, copied_sounds=("aac",))
#: By the scheme of an address.
NETWORKS = {
    "rtmp": FLV,
    "rtmps": FLV,
    "rtsp": Container("rtsp", "libx264", "aac", options=AT_ONCE | {"rtsp_transport": "tcp"}, live=SERVICE),
    "srt": replace(TS, live=SERVICE),
    "udp": replace(TS, live=SERVICE),
}
