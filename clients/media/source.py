"""An open video file: its streams and their packets, whose times are moved so that they begin at 0."""

import errno
import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.format import Flags as FormatFlags
from av.stream import Disposition

from clients.media.names import file_url, shown
from clients.media.timeline import Timeline
from pipeline.contract.errors import BadSetting

logger = logging.getLogger(__name__)

#: At most this many damaged places of a file are skipped; the file is taken to end at the last one.
MOST_DAMAGED = 100
#: The frame rate that is assumed for a file that names none.
USUAL_RATE = Fraction(25)


class Source:
    """A video file that is open for reading."""

    def __init__(self, file: Path, name: Path) -> None:
        """`name` is what messages call the file. Raises BadSetting if it cannot be read or holds no video."""
        self.name = name
        try:
            self.container = av.open(file_url(file), metadata_errors="replace")
        except (av.FFmpegError, OSError, UnicodeError):
            raise BadSetting(f"{shown(name)} is not a readable video file.") from None
        try:
            self.video = self._video()
        except BaseException:
            self.close()
            raise
        streams = self.container.streams
        self.sounds = [s for s in streams.audio if s.codec_context and s.sample_rate and s.channels]
        self.subtitles = [s for s in streams.subtitles if s.codec_context]
        self.covers = [s for s in streams.video if is_cover(s) and s.codec_context]

    def _video(self) -> av.VideoStream:
        """The video stream that players would choose among several."""
        pictures = [s for s in self.container.streams.video if not is_cover(s) and s.codec_context]
        best = self.container.streams.best("video")
        if not pictures:
            raise BadSetting(
                f"{shown(self.name)} holds no video{', only sound' if self.container.streams.audio else ''}."
            )
        return best if best in pictures else pictures[0]

    def close(self) -> None:
        self.container.close()

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
        for packet in self._read():
            if packet.size:
                self._move(packet, timeline)
            yield packet

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
            except av.FFmpegError as error:
                if error.errno == errno.EIO:
                    raise BadSetting(f"{shown(self.name)} cannot be read to its end: {error.strerror}.") from error
                logger.warning("%s: a damaged place is left out", self.name)
        for stream in streams:
            packet = av.Packet()
            packet.stream = stream
            yield packet


def is_cover(stream: av.VideoStream) -> bool:
    """Whether a video stream is only a cover: a single picture beside the film or the sound."""
    return bool(stream.disposition & Disposition.attached_pic)
