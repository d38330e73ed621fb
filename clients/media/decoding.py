"""Decodes packets of video to frames that have a time, are not interlaced, and are all of one size."""

import logging
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush

import av
from av.codec import CodecContext
from av.filter import Graph
from av.video.codeccontext import VideoCodecContext

from clients.media.colour import EXACT

logger = logging.getLogger(__name__)

#: Containers whose packets have no time of display; FFmpeg's guesses are wrong when frames are reordered.
WITHOUT_TIMES = ("avi",)
#: Decoders of WebM's alpha channel, which FFmpeg's own ones ignore.
ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


class Decoder:
    """Decodes one video stream. Damaged frames are left out."""

    def __init__(self, video: av.VideoStream, name: str, *, frame_ticks: int) -> None:
        """`frame_ticks` is a frame's usual duration, in units of the stream's time base, for files without times."""
        self._name, self._frame_ticks = name, frame_ticks
        self._time_base = video.time_base
        self._has_times = video.container.format.name not in WITHOUT_TIMES
        self._waiting: list[int] = []  # decoding times of packets without a time of display; a heap
        self._next = 0
        video.thread_type = "AUTO"
        self._codec = video.codec_context
        alpha_mode = {key.lower(): text for key, text in video.metadata.items()}.get("alpha_mode")
        if alpha_mode == "1" and video.codec_context.name in ALPHA_DECODERS:
            codec = CodecContext.create(ALPHA_DECODERS[video.codec_context.name], "r")
            assert isinstance(codec, VideoCodecContext)
            codec.extradata = video.codec_context.extradata
            self._codec = codec

    def begin_again(self) -> None:
        """Forget all packets so far: the first one comes next."""
        self._codec.flush_buffers()
        self._waiting, self._next = [], 0

    def decode(self, packet: av.Packet) -> Iterator[av.VideoFrame]:
        """The frames that this packet completes. An empty packet yields all that are left."""
        decoded_at = self._expect(packet)
        try:
            frames = self._codec.decode(packet if packet.size else None)
        except av.FFmpegError:
            logger.warning("%s: a damaged frame is left out", self._name)
            if decoded_at in self._waiting:
                self._waiting.remove(decoded_at)
            return
        for frame in frames:
            yield self._timed(frame)

    def _expect(self, packet: av.Packet) -> int | None:
        if not packet.size or self._has_times and packet.pts is not None:
            return None
        decoded_at = self._next if packet.dts is None else packet.dts
        self._next = decoded_at + (packet.duration or self._frame_ticks)
        heappush(self._waiting, decoded_at)
        return decoded_at

    def _timed(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Give the frame a time if it has none: the n-th frame is displayed when the n-th packet is decoded."""
        if not self._has_times or frame.pts is None:
            frame.pts = heappop(self._waiting) if self._waiting else self._next
        frame.time_base = self._time_base
        return frame


def deinterlaced(frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """The same number of frames. An interlaced one becomes one picture, at the time of its first field."""
    bwdif, shape = None, None
    for frame in frames:
        if bwdif is None and not frame.interlaced_frame:
            yield frame
            continue
        if bwdif is None or shape != (frame.width, frame.height, frame.format.name):
            yield from _pulled(bwdif)
            bwdif, shape = _bwdif(frame), (frame.width, frame.height, frame.format.name)
        bwdif.vpush(frame)
        yield from _pulled(bwdif)
    if bwdif is not None:
        bwdif.vpush(None)
    yield from _pulled(bwdif)


def _bwdif(frame: av.VideoFrame) -> Graph:
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    graph.link_nodes(source, graph.add("bwdif", mode="send_frame", deint="interlaced"), graph.add("buffersink"))
    graph.configure()
    return graph


def _pulled(graph: Graph | None) -> Iterator[av.VideoFrame]:
    while graph is not None:
        try:
            yield graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return


def of_one_size(frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """The frames, all scaled to the first one's coded size, since a broadcast may change it."""
    size = None
    for frame in frames:
        size = size or (frame.width, frame.height)
        if (frame.width, frame.height) == size:
            yield frame
        else:
            yield frame.reformat(*size, interpolation=EXACT)
