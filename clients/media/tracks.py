"""Carries sound, subtitles and covers to the output: copied if its container takes them, else encoded anew."""

import logging
from collections.abc import Callable
from fractions import Fraction
from typing import Protocol

import av
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Stream
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle, SubtitleSet

from clients.media.tags import copied

logger = logging.getLogger(__name__)

SOUND_RATE_HZ = 48_000  # every encoder takes it
LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
#: Options of swresample: it fills missing sound with silence, from the very start, and drops sound that is too much.
IN_STEP = {"async": "1", "min_hard_comp": "0.01"}
FROM_0 = {"first_pts": "0"}
CHUNK = 1024  # samples; without a number PyAV's resampler would pass sound of the right format unchanged
#: How long a subtitle without a duration is shown, in seconds.
SHOWN_S = Fraction(4)
MILLISECOND = Fraction(1, 1000)

Mux = Callable[[av.Packet], None]


class Track(Protocol):
    """Takes the packets of one stream in order, with the output's times."""

    def write(self, packet: av.Packet) -> None: ...

    def close(self) -> None: ...


class CopiedTrack:
    """Copies packets. Sound that overlaps earlier sound is left out, and so are packets that the muxer refuses."""

    def __init__(self, source: Stream, output: OutputContainer, mux: Mux) -> None:
        """Raises ValueError if the output's container does not take the codec."""
        if output.format.name == "mp4" and source.codec_context.name.startswith("pcm"):
            raise ValueError("few players take PCM in MP4, and FFmpeg only if the source names its channels")
        self._stream, self._mux = output.add_stream_from_template(source), mux
        copied(source, self._stream)
        self._is_dense = source.type == "audio"
        self._end_s = Fraction(-1)

    def write(self, packet: av.Packet) -> None:
        if packet.dts is None:  # the end mark, which only decoders need
            return
        begin_s = packet.dts * packet.time_base
        end_s = begin_s + (packet.duration or 0) * packet.time_base
        if self._is_dense and (begin_s + end_s) / 2 < self._end_s:
            return
        self._end_s = end_s
        packet.stream = self._stream
        try:
            self._mux(packet)
        except (av.InvalidDataError, av.ArgumentError):
            logger.warning("a damaged packet of sound is left out")

    def close(self) -> None:
        pass


class SoundTrack:
    """Decodes sound and encodes it anew, in step with the picture. Damaged packets become silence."""

    def __init__(self, source: AudioStream, codec: str, output: OutputContainer, mux: Mux) -> None:
        layout = LAYOUTS.get(source.channels, "stereo")
        stream = output.add_stream(codec, rate=SOUND_RATE_HZ, layout=layout)
        assert isinstance(stream, AudioStream)
        self._stream, self._mux = stream, mux
        copied(source, self._stream)
        self._steady: AudioResampler | None = None
        self._shape: tuple[object, ...] = ()

    def write(self, packet: av.Packet) -> None:
        try:
            frames = packet.decode()
        except av.FFmpegError:
            logger.warning("a damaged packet of sound is left out")
            return
        for frame in frames:
            assert isinstance(frame, av.AudioFrame)
            self._encode(self._kept_in_step(frame))

    def close(self) -> None:
        if self._steady:
            self._encode(self._steady.resample(None))
        self._mux_all(self._stream.encode(None))

    def _kept_in_step(self, frame: av.AudioFrame) -> list[av.AudioFrame]:
        shape = frame.format.name, frame.layout.name, frame.sample_rate
        ended: list[av.AudioFrame] = []
        if self._steady is None or shape != self._shape:
            ended = self._steady.resample(None) if self._steady else []
            options, context = IN_STEP if self._steady else IN_STEP | FROM_0, self._stream.codec_context
            self._steady = AudioResampler(context.format, context.layout, SOUND_RATE_HZ, CHUNK, options)
            self._shape = shape
        return ended + self._steady.resample(frame)

    def _encode(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            self._mux_all(self._stream.encode(frame))

    def _mux_all(self, packets: list[av.Packet]) -> None:
        for packet in packets:
            self._mux(packet)


class SubtitleTrack:
    """Decodes text subtitles and encodes them anew."""

    def __init__(self, source: SubtitleStream, codec: str, output: OutputContainer, mux: Mux) -> None:
        """Raises ValueError if the subtitles are pictures."""
        source.codec_context.open(strict=False)
        if not source.codec_context.subtitle_header:
            raise ValueError("pictures cannot become text")
        stream = output.add_stream(codec)
        assert isinstance(stream, SubtitleStream)
        self._stream, self._mux = stream, mux
        self._stream.codec_context.subtitle_header = source.codec_context.subtitle_header
        self._stream.codec_context.time_base = MILLISECOND
        self._source = source.codec_context
        copied(source, self._stream)

    def write(self, packet: av.Packet) -> None:
        if not packet.size or packet.pts is None:
            return
        try:
            subtitles = self._source.decode2(packet)
        except av.FFmpegError:
            logger.warning("a damaged subtitle is left out")
            return
        shown_s = packet.duration * packet.time_base if packet.duration else SHOWN_S
        for subtitle in subtitles or ():
            if isinstance(subtitle, AssSubtitle) and subtitle.dialogue.strip():
                self._write(subtitle.ass, packet.pts * packet.time_base, shown_s)

    def _write(self, ass: bytes, begin_s: Fraction, shown_s: Fraction) -> None:
        shown, begin = round(shown_s / MILLISECOND), max(0, round(begin_s / MILLISECOND))
        packet = self._stream.codec_context.encode_subtitle(SubtitleSet.create(ass, 0, shown, begin))
        packet.stream, packet.time_base = self._stream, MILLISECOND
        packet.pts = packet.dts = begin
        packet.duration = shown
        self._mux(packet)

    def close(self) -> None:
        pass
