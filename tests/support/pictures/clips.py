"""Writes small video files for a test, and reads them back."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from clients.feeds.inputs import Input
from clients.feeds.outputs import Target, find_target
from clients.media.clip import Clip, upright
from clients.media.encoding import Encoding
from clients.media.writer import usual_size
from clients.reassembly.flow import Dis
from clients.reassembly.grid import IDENTITY
from workers.files.key_frame_answers import GridAnswers
from workers.files.key_frames import fixed
from workers.files.painting import MODES
from workers.files.video import stylize_video

STYLE = np.zeros((8, 8, 3), np.uint8)


class Brightener:
    """A stylizer that adds a constant, which may grow with each key frame, and counts its key frames."""

    def __init__(self, first: float = 0.1, step: float = 0.0) -> None:
        self.key_frames, self._offset, self._step = 0, first, step
        self.states: list[int] = []

    def style(self, image: np.ndarray, mood: float = 1.0) -> float:
        return self._offset

    def stylize(self, content: np.ndarray, style: float) -> np.ndarray:
        grid = np.tile(IDENTITY, (1, 8, 2, 3, 1))
        grid[..., 3] = style + self._step * self.key_frames
        self.key_frames += 1
        return grid

    def follow(
        self, content: np.ndarray, style: float, state: int | None, *, elapsed_s: float
    ) -> tuple[np.ndarray, int]:
        """Stylize a key frame; the state counts those of the scene."""
        self.elapsed_s, state = elapsed_s, (state or 0) + 1
        self.states.append(state)
        return self.stylize(content, style), state


def picture(index: int, size: tuple[int, int], scene: int = 0) -> np.ndarray:
    """A smooth gradient that drifts, and is darker in scene 1. Its top left corner is red."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    ramp = (60 + 60 * x / width + 30 * y / height + index) * (0.4 if scene else 1)
    rgb = np.repeat(ramp[..., None], 3, 2).astype(np.uint8)
    rgb[: height // 4, : width // 4] = (180, 40, 40)
    return rgb


def make_clip(
    path: Path,
    *,
    frames: int = 12,
    size: tuple[int, int] = (64, 48),
    rate: int = 25,
    times: list[int] | None = None,
    cut_at: int | None = None,
    rotation: int = 0,
    sound: str | None = None,
) -> Path:
    """Write a small video; times are in units of 1/rate."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=rate, options={"crf": "10"})
        video.width, video.height = size
        video.pix_fmt = "yuv444p" if size[0] % 2 or size[1] % 2 else "yuv420p"
        if rotation:
            video.set_display_rotation(rotation)
        voice = sound and container.add_stream(sound, rate=48_000)
        for index in range(frames):
            scene = int(cut_at is not None and index >= cut_at)
            frame = av.VideoFrame.from_ndarray(picture(index, size, scene), format="rgb24")
            frame.pts, frame.time_base = (times or range(frames))[index], Fraction(1, rate)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if voice:
            add_tone(container, voice, seconds=frames / rate)
    return path


def add_tone(container: av.container.OutputContainer, voice: av.AudioStream, seconds: float) -> None:
    samples = int(48_000 * seconds)
    wave = (np.sin(np.arange(samples) * 440 * 2 * np.pi / 48_000) * 9000).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(np.repeat(wave, 2)[None], format="s16", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
    container.mux(voice.encode(frame))
    container.mux(voice.encode(None))


def convert(source: Input | Path, out: Target | Path, stylizer: object = None, **options: object) -> int:
    """Convert a clip, with the options size, interval, strength, choice, mode, estimate and encoding."""
    target = out if isinstance(out, Target) else find_target(out, or_folder=True)
    with Clip(source) as clip:
        size = options.get("size", usual_size(target, clip))
        answers = GridAnswers(
            stylizer or Brightener(), STYLE, size=size, strength=options.get("strength", 1.0), rate=clip.rate
        )
        return stylize_video(
            clip,
            target,
            answers,
            choice=options.get("choice", fixed(options.get("interval", 5))),
            mode=options.get("mode", MODES["grid"]),
            estimate=options.get("estimate", Dis()),
            size=size,
            encoding=options.get("encoding", Encoding()),
        )


def displayed_size(path: Path) -> tuple[int, int]:
    with Clip(path) as clip:
        return clip.size


def frames_of(path: Path) -> list[np.ndarray]:
    with Clip(path) as clip:
        return [upright(frame) for frame in clip.frames()]


def times_of(path: Path) -> list[float]:
    with Clip(path) as clip:
        return [frame.time for frame in clip.frames()]


def sound_packets(path: Path) -> tuple[str, list[bytes]]:
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return stream.codec_context.name, [bytes(packet) for packet in container.demux(stream) if packet.size]
