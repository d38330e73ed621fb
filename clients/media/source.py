"""An open video: its streams and their packets, whose times are moved so that they begin at 0."""

import errno
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import chain

import av
from av.format import Flags as FormatFlags
from av.stream import Disposition

from clients.feeds.inputs import Input
from clients.feeds.opening import opened, trouble
from clients.media.timeline import Timeline
from pipeline.contract.errors import BadSetting, MVStylizerError

logger = logging.getLogger(__name__)

#: At most this many damaged places of a file are skipped; the file is taken to end at the last one.
MOST_DAMAGED = 100
#: The most pixels of a frame: 8192x8192, of which one takes 200 MB as RGB. Larger ones would exhaust the memory.
MOST_PIXELS = 1 << 26
#: The first frame must come within so many bytes of packets, which are held in memory until then.
MOST_HEAD_BYTES = 256 << 20
#: The frame rate that is assumed for a file that names none.
USUAL_RATE = Fraction(25)


class Source:
    """A video that is open for reading."""

    def __init__(self, place: Input) -> None:
        """Raises BadSetting or MVStylizerError if it cannot be read, or holds no video."""
        self.place, self.name = place, place.name
        with ExitStack() as stack:
            found = stack.enter_context(opened(place))
            self.container, self.interrupt = found.container, found.interrupt
            self.video = self._video()
            self._close = stack.pop_all().close
        streams = self.container.streams
        self.sounds = [s for s in streams.audio if s.codec_context and s.sample_rate and s.channels]
        self.subtitles = [s for s in streams.subtitles if s.codec_context]
        self.covers = [s for s in streams.video if is_cover(s) and s.codec_context]
        self._packets = self._read()

    def _video(self) -> av.VideoStream:
        """The video stream that players would choose among several."""
        pictures = [s for s in self.container.streams.video if not is_cover(s) and s.codec_context]
        best = self.container.streams.best("video")
        if not pictures:
            raise BadSetting(f"{self.name} holds no video{', only sound' if self.container.streams.audio else ''}.")
        video = best if best in pictures else pictures[0]
        assert isinstance(video, av.VideoStream)
        if video.codec_context.width * video.codec_context.height > MOST_PIXELS:
            raise BadSetting(
                f"{self.name} has {video.codec_context.width}x{video.codec_context.height} pixels a frame, "
                f"more than the {MOST_PIXELS >> 20} million that a video may have."
            )
        video.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
        return video

    def close(self) -> None:
        self._close()

    @property
    def is_live(self) -> bool:
        """Whether the frames come when they are made, and what is not read in time is too late."""
        return self.container.duration is None if self.place.is_live is None else self.place.is_live

    @property
    def may_return(self) -> bool:
        """Whether it makes sense to open it again when it has ended: it is live, and not a pipe."""
        return self.is_live and self.place.kind in ("network", "camera")

    @property
    def tick_s(self) -> Fraction:
        """The unit of the video's times, in seconds."""
        assert self.video.time_base, "every input stream has one"
        return self.video.time_base

    @property
    def rate(self) -> Fraction:
        """Frames per second, on average."""
        return self.video.average_rate or self.video.guessed_rate or USUAL_RATE

    @property
    def has_jumps(self) -> bool:
        """Whether the container is one whose clock may begin anew, such as a transport stream."""
        return FormatFlags.ts_discont in FormatFlags(self.container.format.flags)

    def packets(self, timeline: Timeline) -> Iterator[av.Packet]:
        """The packets in the file's order, with moved times.

        At the end comes an empty packet of each stream, which makes its decoder give out its last frames.
        """
        for packet in self._packets:
            if packet.size:
                self._move(packet, timeline)
            yield packet

    def beginning(self, until: Callable[[av.Packet], bool]) -> None:
        """Read packets, whose times are the source's own, up to the first for which `until` is true.

        `packets` yields them again. Raises BadSetting if they are too many.
        """
        head: list[av.Packet] = []
        size = 0
        for packet in self._packets:
            head.append(packet)
            size += packet.size
            if until(packet):
                break
            if size > MOST_HEAD_BYTES:
                raise BadSetting(f"{self.name} holds no video frame within {MOST_HEAD_BYTES >> 20} MB.")
        self._packets = chain(head, self._packets)

    def _move(self, packet: av.Packet, timeline: Timeline) -> None:
        decoded = packet.pts if packet.dts is None else packet.dts
        if decoded is None:
            return
        tick_s = packet.time_base
        if packet.stream in self.subtitles:
            offset_s = timeline.offset_s
        else:
            shown = decoded if packet.pts is None else packet.pts
            duration_s = packet.duration * tick_s if packet.duration else self._usual_duration_s(packet)
            offset_s = timeline.advance(packet.stream_index, decoded * tick_s, shown * tick_s, duration_s)
        offset = round(offset_s / tick_s)
        packet.dts = None if packet.dts is None else packet.dts + offset
        packet.pts = None if packet.pts is None else packet.pts + offset

    def _usual_duration_s(self, packet: av.Packet) -> Fraction:
        return 1 / self.rate if packet.stream is self.video else Fraction(0)

    def _read(self) -> Iterator[av.Packet]:
        streams = [self.video, *self.sounds, *self.subtitles, *self.covers]
        for _ in range(MOST_DAMAGED):
            try:
                yield from self.container.demux(streams)
                return
            except (av.FFmpegError, OSError) as error:
                if not isinstance(error, av.InvalidDataError):
                    self._raise_if_lost(error)
                logger.warning("%s: a damaged place is left out", self.name)
        for stream in streams:
            packet = av.Packet()
            packet.stream = stream
            yield packet

    def _raise_if_lost(self, error: OSError | av.FFmpegError) -> None:
        """Raise what an error means for the rest of the source, unless the error may be passed over."""
        if isinstance(error, av.ExitError | TimeoutError):
            raise trouble(self.place, error) from None
        if self.place.kind in ("network", "camera"):
            raise MVStylizerError(f"{self.name} has gone: {error.strerror}.") from error
        if error.errno == errno.EIO:
            raise BadSetting(f"{self.name} cannot be read to its end: {error.strerror}.") from error


def is_cover(stream: av.VideoStream) -> bool:
    """Whether a video stream is only a cover: a single picture beside the film or the sound."""
    return bool(stream.disposition & Disposition.attached_pic)
