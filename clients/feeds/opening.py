"""Opens an input with FFmpeg, within a time-out, and says in a sentence what is wrong with it."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO, cast

import av
from av.container import InputContainer

from clients.feeds.inputs import Input
from clients.feeds.pipes import PipeReader, has_index_first
from clients.feeds.relay import RELAYED, receiving
from pipeline.contract.errors import BadSetting, MVStylizerError

#: A network or a camera that sends nothing for this long is given up, both at the start and later.
SILENCE_S = 10.0
#: PyAV asks a pipe for so many bytes at once: raw frames have megabytes.
PIPE_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Opened:
    """An input that is open for reading."""

    container: InputContainer
    #: Ends a read that waits for a pipe in another thread; other reads end by themselves.
    interrupt: Callable[[], None] = lambda: None


@contextmanager
def opened(place: Input) -> Iterator[Opened]:
    """The input, open for reading. Raises BadSetting, or for networks and cameras MVStylizerError, if it cannot be."""
    with ExitStack() as stack:
        try:
            found = _open(place, stack)
        except (av.FFmpegError, OSError, UnicodeError) as error:
            raise trouble(place, error) from None
        stack.callback(found.container.close)
        yield found


def trouble(place: Input, error: Exception) -> MVStylizerError:
    """What an error at the opening means, as a sentence."""
    reason = getattr(error, "strerror", None) or str(error)
    match place.kind, error:
        case "network" | "camera", av.ExitError() | TimeoutError():
            return MVStylizerError(f"{place.name} sent nothing for {SILENCE_S:.0f} s.")
        case "network", av.InvalidDataError() | av.ArgumentError() | av.PermissionError():
            return MVStylizerError(f"{place.name} sends no video that can be read.")
        case "network" | "camera", _:
            return MVStylizerError(f"{place.name} cannot be opened: {reason}.")
        case _, av.FFmpegError() | UnicodeError():
            return BadSetting(f"{place.name} is not a readable video file.")
    return BadSetting(f"{place.name} cannot be read: {reason}.")


def _open(place: Input, stack: ExitStack) -> Opened:
    if place.kind == "file":
        assert place.path
        return _open_file(place.path, stack)
    if place.kind == "pipe":
        fd = os.dup(sys.stdin.fileno()) if place.path is None else os.open(place.path, os.O_RDONLY)
        return _open_pipe(place, PipeReader(fd, place.name), stack)
    if place.url.startswith(RELAYED):
        fd = stack.enter_context(receiving(place.url, place.name))
        return _open_pipe(replace(place, format="mpegts"), PipeReader(fd, place.name, SILENCE_S), stack)
    return Opened(
        av.open(
            place.url, "r", format=place.format, options=place.options, timeout=SILENCE_S, metadata_errors="replace"
        )
    )


def _open_file(path: Path, stack: ExitStack) -> Opened:
    """Open a file by a descriptor, the only protocol that it may use: then nothing in it can name another file."""
    file = stack.enter_context(path.open("rb"))
    options = {"fd": str(file.fileno()), "protocol_whitelist": "fd"}
    return Opened(av.open("fd:", "r", options=options, metadata_errors="replace"))


def _open_pipe(place: Input, reader: PipeReader, stack: ExitStack) -> Opened:
    stack.callback(reader.release)
    if place.format is None and has_index_first(reader.peek()) is False:
        return _open_file(_copied(reader, stack), stack)
    container = av.open(
        cast(BinaryIO, reader),  # PyAV only reads, and its stubs ask for a whole file
        "r",
        format=place.format,
        options=place.options | {"protocol_whitelist": "fd"},
        buffer_size=PIPE_BUFFER_BYTES,
        metadata_errors="replace",
    )
    return Opened(container, reader.close)


def _copied(reader: PipeReader, stack: ExitStack) -> Path:
    """A temporary file with all that a pipe holds, for videos that cannot be read without going back."""
    copy = stack.enter_context(NamedTemporaryFile(prefix="mvstylizer-"))
    while part := reader.read(PIPE_BUFFER_BYTES):
        copy.write(part)
    copy.flush()
    return Path(copy.name)
