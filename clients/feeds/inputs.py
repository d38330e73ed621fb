"""What an input's name means, and how FFmpeg opens it: a file, a pipe, an address in a network, or a camera.

FFmpeg may open only what the name itself says. A playlist on the disk cannot make it open other files or addresses, and
one from a web server cannot make it open files.
"""

import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

from pipeline.contract.errors import BadSetting
from pipeline.contract.redaction import redact

STANDARD_STREAM = Path("-")
#: Scheme of an address -> the protocols that FFmpeg may use for it, and for what its playlists name.
PROTOCOLS = {
    "http": "http,https,tcp,tls,crypto",
    "https": "http,https,tcp,tls,crypto",
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsps,rtsp,rtp,srtp,udp,tcp,tls",
    "rtmp": "rtmp,tcp",
    "rtmps": "rtmps,tls,tcp",
    "udp": "udp",
    "srt": "srt",
}
#: These schemes are live by their nature. What comes by HTTP is live if it has no duration.
LIVE = frozenset({"rtsp", "rtsps", "rtmp", "rtmps", "udp", "srt"})
#: A live stream should be shown soon: FFmpeg looks at no more than these many microseconds to find its tracks.
LIVE_OPTIONS = {"analyzeduration": "2000000", "fflags": "nobuffer"}
#: Cameras behind routers are reached by TCP only; some others speak UDP only, which is tried next.
RTSP_OPTIONS = {"rtsp_flags": "prefer_tcp"}
#: The pixel formats of raw frames that a pipe may carry, by FFmpeg's names.
RAW_FORMATS = ("rgb24", "bgr24", "yuv420p", "nv12", "gray")
#: FFmpeg's devices for cameras, by the system.
CAMERA_FORMATS = {"linux": "v4l2", "darwin": "avfoundation"}

Kind = Literal["file", "pipe", "network", "camera"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a video beforehand: of raw frames all of it, of a camera what is wanted."""

    size: tuple[int, int] | None = None  # width and height
    rate: Fraction | None = None  # frames per second
    pixels: str = ""  # one of RAW_FORMATS, for raw frames; else empty


@dataclass(frozen=True, slots=True)
class Input:
    """A place that a video is read from."""

    kind: Kind
    name: str  # as messages show it: without passwords, and with escapes for what cannot be printed
    url: str  # what FFmpeg opens
    path: Path | None = None  # of a file or a named pipe; a pipe without one is standard input
    format: str | None = None  # FFmpeg's name of the container or device, where it cannot be found out
    options: dict[str, str] = field(default_factory=dict)
    is_live: bool | None = None  # None: if it has no duration


def find_input(name: Path | str, shape: Shape = Shape()) -> Input:
    """The input that a name means: `-`, `rtsp://…` and other addresses, `camera:N`, `/dev/videoN`, or else a file.

    Raises BadSetting if the name means nothing, or if the shape does not go with it.
    """
    text = str(name)
    if text == str(STANDARD_STREAM):
        return _pipe("standard input", None, shape)
    if camera := re.fullmatch(r"camera:(\d{1,3})|/dev/video(\d{1,3})", text):
        return _camera(int(camera[1] or camera[2]), shape)
    is_file = os.path.isfile(text)
    if os.path.exists(text) and not is_file and not os.path.isdir(text):
        return _pipe(shown(name), Path(text), shape)
    if shape.pixels:
        raise BadSetting("Raw frames are read from a pipe only: name the input -.")
    if is_file:
        return Input("file", shown(name), "fd:", Path(text), is_live=False)
    scheme, separator, rest = text.partition("://")
    if separator:
        return _network(scheme.lower(), rest, text)
    raise BadSetting(f"{shown(name)} is not a file.")


def _pipe(name: str, path: Path | None, shape: Shape) -> Input:
    if not shape.pixels:
        if shape.size or shape.rate:
            raise BadSetting("--input-size and --input-rate are for cameras and raw frames; name --input-format, too.")
        return Input("pipe", name, "", path, is_live=False)
    if not shape.size or not shape.rate:
        raise BadSetting("Raw frames need --input-size and --input-rate.")
    return Input("pipe", name, "", path, "rawvideo", _wanted(shape) | {"pixel_format": shape.pixels}, is_live=False)


def _camera(number: int, shape: Shape) -> Input:
    name, device = f"camera {number}", CAMERA_FORMATS.get(sys.platform)
    if shape.pixels:
        raise BadSetting("--input-format is for raw frames in a pipe; a camera says itself what it sends.")
    if device is None:
        raise BadSetting(f"Cameras of {sys.platform} cannot be read; pipe one in, for example from ffmpeg, and name -.")
    url = f"/dev/video{number}" if device == "v4l2" else f"{number}:none"
    return Input("camera", name, url, None, device, _wanted(shape), is_live=True)


def _wanted(shape: Shape) -> dict[str, str]:
    size = {"video_size": "{}x{}".format(*shape.size)} if shape.size else {}
    return size | ({"framerate": str(shape.rate)} if shape.rate else {})


def _network(scheme: str, rest: str, text: str) -> Input:
    if scheme not in PROTOCOLS:
        addresses = listed(f"{scheme}://" for scheme in PROTOCOLS)
        raise BadSetting(f"{shown(text)} is neither a file nor an address that starts with {addresses}.")
    if not rest:
        raise BadSetting(f"{shown(text)} names no host.")
    live = scheme in LIVE
    options = {"protocol_whitelist": PROTOCOLS[scheme], **(LIVE_OPTIONS if live else {})}
    if scheme in ("rtsp", "rtsps"):
        options |= RTSP_OPTIONS
    return Input("network", shown(text), f"{scheme}://{rest}", None, None, options, True if live else None)


def listed(names: Iterable[str]) -> str:
    """The names as a sentence lists them: "a, b or c"."""
    *others, last = names
    return f"{', '.join(others)} or {last}"


def shown(name: Path | str) -> str:
    """A name as it can be printed: without a password, and with escapes if it has a line break or unknown bytes."""
    text = redact(str(name)) if "://" in str(name) else str(name)
    return text if text.isprintable() else text.encode("unicode_escape").decode()
