"""Asks ffprobe, which knows nothing of browsers, what is in a video file."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.missing import missing


@dataclass(frozen=True, slots=True)
class Probe:
    video: str
    sound: str | None
    sizes: frozenset[tuple[int, int]]  # width and height of all frames
    frames: int
    duration_s: float | None  # as players show it; None if the file does not say it
    video_s: float  # from the first frame to the last one
    sound_s: float


def probe(path: Path) -> Probe:
    if not shutil.which("ffprobe"):
        missing("ffprobe")
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-show_frames", "-of", "json", str(path)]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    codecs = {stream["codec_type"]: stream["codec_name"] for stream in answer["streams"]}
    kinds = {kind: [f for f in answer["frames"] if f["media_type"] == kind] for kind in ("video", "audio")}
    spans = {kind: [float(frame["pts_time"]) for frame in frames] for kind, frames in kinds.items()}
    duration = answer["format"].get("duration")
    return Probe(
        video=codecs["video"],
        sound=codecs.get("audio"),
        sizes=frozenset((frame["width"], frame["height"]) for frame in kinds["video"]),
        frames=len(kinds["video"]),
        duration_s=None if duration is None else float(duration),
        video_s=max(spans["video"]) - min(spans["video"]),
        sound_s=max(spans["audio"], default=0.0) - min(spans["audio"], default=0.0),
    )
