"""Reads a pipe for FFmpeg, as far as it has come, and tells whether its video can be read without going back."""

import math
import os
import select
import struct
import time

#: How often a read that waits for data looks whether it is still wanted, in seconds.
LOOK_S = 0.2
#: At most this many bytes of a pipe are looked at before its video is read.
HEAD_BYTES = 1 << 16
#: The boxes of an MP4 file that may come before its index. Its media data come before or after it.
SMALL_BOXES = frozenset({b"ftyp", b"styp", b"free", b"skip", b"wide", b"uuid", b"pdin"})


class PipeReader:
    """A pipe as a file for PyAV, which has no time-outs of its own: closing it ends a read that waits."""

    def __init__(self, fd: int, name: str, silence_s: float = math.inf) -> None:
        """Takes over the file descriptor `fd`. Reading raises TimeoutError if nothing comes for `silence_s`."""
        self._fd, self.name, self._silence_s = fd, name, silence_s
        self._closed = False
        self._head = b""

    def peek(self) -> bytes:
        """The first bytes, as many as it takes to tell whether the video can be read from a pipe."""
        while len(self._head) < HEAD_BYTES and has_index_first(self._head) is None:
            more = self._wait(HEAD_BYTES - len(self._head))
            if not more:
                break
            self._head += more
        return self._head

    def read(self, size: int) -> bytes:
        """At most `size` bytes, as soon as there are any; none at the end, and after close()."""
        if self._head:
            found, self._head = self._head[:size], self._head[size:]
            return found
        return self._wait(size)

    def _wait(self, size: int) -> bytes:
        began_s = time.monotonic()
        while not self._closed:
            if select.select([self._fd], [], [], LOOK_S)[0]:
                return os.read(self._fd, size)
            if time.monotonic() - began_s > self._silence_s:
                raise TimeoutError
        return b""

    def close(self) -> None:
        """End a read that waits in another thread, and all later ones."""
        self._closed = True

    def release(self) -> None:
        """Give the file descriptor back; nobody may read any more."""
        self.close()
        os.close(self._fd)


def has_index_first(head: bytes) -> bool | None:
    """Whether a video that begins with `head` can be read from its beginning to its end, without going back.

    MP4 and MOV files cannot if their index lies behind their pictures. None: more bytes are needed to tell.
    """
    if len(head) < 8:
        return None
    if head[4:8] not in SMALL_BOXES | {b"moov", b"mdat"}:
        return True  # another container
    place = 0
    while place + 16 <= len(head):
        size, kind = struct.unpack_from(">I4s", head, place)
        if kind == b"moov" or kind not in SMALL_BOXES and kind != b"mdat":
            return True
        if kind == b"mdat":
            return False
        place += struct.unpack_from(">Q", head, place + 8)[0] if size == 1 else max(size, 8)
    return None
