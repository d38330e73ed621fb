"""Lets the program `ffmpeg` carry a video for protocols that PyAV's FFmpeg does not speak, such as SRT."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.contract.errors import BadSetting

#: PyAV's wheels lack these protocols.
RELAYED = ("srt://",)
#: How long the last bytes may take to be sent, in seconds.
LAST_BYTES_S = 5.0
LINGER = ("-linger", f"{LAST_BYTES_S:.0f}")
#: What is sent should leave soon: FFmpeg looks no longer than half a second for its tracks.
SOON = ("-analyzeduration", "500000", "-fflags", "nobuffer")
QUIET = ("-hide_banner", "-loglevel", "error", "-nostdin")


@contextmanager
def receiving(url: str, name: str) -> Iterator[int]:
    """A file descriptor from which the video at `url` can be read as a transport stream. It is the caller's to close.

    Raises BadSetting if the program is not installed.
    """
    command = [_program(name), *QUIET, "-i", url, "-map", "0", "-c", "copy", "-f", "mpegts", "pipe:1"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as child:
        assert child.stdout
        try:
            yield os.dup(child.stdout.fileno())
        finally:
            child.kill()


@contextmanager
def sending(url: str, name: str) -> Iterator[int]:
    """A file descriptor to which a transport stream can be written, for `url`. It stays this context's.

    Raises BadSetting if the program is not installed.
    """
    command = [_program(name), *QUIET[:-1], *SOON, "-f", "mpegts", "-i", "pipe:0", "-map", "0", "-c", "copy"]
    with subprocess.Popen([*command, "-f", "mpegts", *LINGER, url], stdin=subprocess.PIPE) as child:
        assert child.stdin
        try:
            yield child.stdin.fileno()
            child.stdin.close()
            child.wait(LAST_BYTES_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            child.kill()


def _program(name: str) -> str:
    found = shutil.which("ffmpeg")
    if found is None:
        raise BadSetting(f"{name} needs the program ffmpeg, which is not installed here.")
    return found
