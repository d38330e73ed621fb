"""What an output's name means: a file, a folder of frames, standard output, an address in a network, or a camera."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from clients.feeds.containers import FILES, NETWORKS, STREAMS, Container
from clients.feeds.inputs import STANDARD_STREAM, listed, shown
from clients.feeds.relay import RELAYED, sending
from pipeline.contract.errors import BadSetting

Kind = Literal["file", "folder", "pipe", "network", "camera"]


@dataclass(frozen=True, slots=True)
class Target:
    """A place that a video is written to."""

    kind: Kind
    name: str  # as messages show it
    url: str = ""  # what FFmpeg opens; empty for files and folders, which are written under another name first
    path: Path | None = None  # of a file or folder, or of a virtual camera's device
    container: Container | None = None  # None for folders and cameras


def find_target(name: Path | str, *, stream_format: str = "mkv", or_folder: bool = False) -> Target:
    """The output that a name means; `stream_format` is one of STREAMS, for standard output.

    Raises BadSetting if the name means nothing.
    """
    text = str(name)
    if text == str(STANDARD_STREAM):
        return Target("pipe", "standard output", container=STREAMS[stream_format])
    if camera := re.fullmatch(r"camera(?::(\d{1,3}))?|/dev/video(\d{1,3})", text):
        number = camera[1] or camera[2]
        return Target("camera", text, path=Path(f"/dev/video{number}") if number else None)
    scheme, separator, rest = text.partition("://")
    if separator:
        return _network(scheme.lower(), rest, text)
    path = Path(name)
    if container := FILES.get(path.suffix.lower()):
        return Target("file", shown(name), path=path, container=container)
    if or_folder and (path.is_dir() or not path.suffix):
        return Target("folder", shown(name), path=path)
    raise BadSetting(f"{shown(name)} must end in {listed(FILES)}{', or be a folder' if or_folder else ''}.")


def _network(scheme: str, rest: str, text: str) -> Target:
    if scheme not in NETWORKS:
        addresses = listed(f"{scheme}://" for scheme in NETWORKS)
        raise BadSetting(f"{shown(text)} cannot be written to; addresses of outputs start with {addresses}.")
    if not rest:
        raise BadSetting(f"{shown(text)} names no host.")
    return Target("network", shown(text), f"{scheme}://{rest}", container=NETWORKS[scheme])


@contextmanager
def claimed(target: Target) -> Iterator[Target]:
    """The target, with standard output kept for its video alone, and with a program for what PyAV cannot write to.

    Whatever else is printed in this context goes to standard error. Raises BadSetting if nobody could watch.
    """
    if target.kind == "pipe":
        with _kept_standard_output() as fd:
            yield replace(target, url=f"pipe:{fd}")
    elif target.url.startswith(RELAYED):
        with sending(target.url, target.name) as fd:
            yield replace(target, url=f"pipe:{fd}")
    else:
        yield target


@contextmanager
def _kept_standard_output() -> Iterator[int]:
    """A descriptor of standard output, while everything else that is written there goes to standard error."""
    if sys.stdout.isatty():
        raise BadSetting("Standard output is a terminal: pipe it into a program, or name a file.")
    sys.stdout.flush()
    number = sys.stdout.fileno()
    kept = os.dup(number)
    os.dup2(sys.stderr.fileno(), number)
    try:
        yield kept
    finally:
        sys.stdout.flush()
        os.dup2(kept, number)
        os.close(kept)
