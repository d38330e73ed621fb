"""Has strangers' pictures decoded outside the gateway: runs decode_process, which forks a process for each picture."""

import asyncio
import contextlib
import logging
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence

from pipeline.contract.errors import BadImage, Busy, PictureTooHard
from pipeline.pictures import decode_process
from pipeline.pictures.decode import StyleFiles

logger = logging.getLogger(__name__)

#: The style and its thumbnail fit into this. A process that sends more has been taken over by a malicious picture.
MAX_REPLY_BYTES = 400_000
#: The kernel ends a fork after decode_process.WALL_S. If nothing came by now, the process that forks is replaced too.
WALL_S = decode_process.WALL_S + 2.0
STOP_S = 2.0
#: The gateway's environment holds secrets, so the process gets only the variables that Python may need to start.
ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV", "LANG")
TOO_LONG = "The picture takes too much time or memory to read; send a smaller or plainer one."
RESTING = "Pictures cannot be read here just now; try again in a moment."


class PictureReader:
    """Keeps decode_process running and sends pictures to it.

    The process is started with the first picture, and again whenever it has died. The caller limits how many pictures
    are read at once.
    """

    def __init__(self, program: Sequence[str] = ("-m", "pipeline.pictures.decode_process")) -> None:
        """`program` holds Python's arguments; tests replace it."""
        self._program = program
        self._running: tuple[subprocess.Popen, socket.socket] | None = None

    async def read(self, data: bytes | bytearray) -> StyleFiles:
        """Return the style and thumbnail of a picture file.

        Raises BadImage, PictureTooHard if the picture met a limit, and Busy if no process could be forked.
        """
        ours, process = self._fork()
        with ours:
            try:
                async with asyncio.timeout(WALL_S):
                    answer = await _exchange(ours, data)
            except TimeoutError:
                logger.warning("the process that reads pictures hangs, starting it anew")
                process.kill()
                process.wait()  # this does not block for long: the process has been killed
                raise PictureTooHard(TOO_LONG) from None
        if not answer.startswith(decode_process.STARTED):
            raise Busy(RESTING)
        return _parsed(answer[len(decode_process.STARTED) :])

    def close(self) -> None:
        """End the process; the next picture starts another. Blocks for STOP_S at most."""
        running, self._running = self._running, None
        if running is None:
            return
        process, control = running
        control.close()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _fork(self) -> tuple[socket.socket, subprocess.Popen]:
        """Fork a process for one picture; return our end of a socket pair with it, and its parent. Raises Busy."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            try:
                process, control = self._kept_running()
                socket.send_fds(control, [b"."], [theirs.fileno()])
            except OSError as error:
                ours.close()
                logger.warning("no process to read a picture with: %s", error)
                raise Busy(RESTING) from None
        return ours, process

    def _kept_running(self) -> tuple[subprocess.Popen, socket.socket]:
        """Return the process, started if need be, and the socket through which it is asked to fork."""
        if self._running and self._running[0].poll() is None:
            return self._running
        if self._running:
            logger.warning(
                "the process that reads pictures ended with %s, starting it anew", self._running[0].returncode
            )
            self.close()
        control, theirs = socket.socketpair()
        control.setblocking(False)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", *self._program, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
            )
        self._running = process, control
        return self._running


async def _exchange(ours: socket.socket, data: bytes | bytearray) -> bytes:
    """Send a file to the fork and return its answer, which is empty or cut short if the fork died."""
    loop, answer = asyncio.get_running_loop(), bytearray()
    with contextlib.suppress(ConnectionError):  # the fork died, or answered before it had read the whole file
        await loop.sock_sendall(ours, data)
        ours.shutdown(socket.SHUT_WR)
    with contextlib.suppress(ConnectionError):
        while len(answer) <= MAX_REPLY_BYTES and (part := await loop.sock_recv(ours, 1 << 16)):
            answer += part
    return bytes(answer)


def _parsed(reply: bytes) -> StyleFiles:
    kind, payload = reply[:1], reply[1:]
    if kind == decode_process.BAD:
        raise BadImage(payload.decode(errors="replace"))
    if kind == decode_process.TOO_HARD:
        raise PictureTooHard(payload.decode(errors="replace"))
    if kind != decode_process.FILES or len(payload) < 4 or len(reply) > MAX_REPLY_BYTES:
        raise PictureTooHard(TOO_LONG)
    (length,) = struct.unpack(">I", payload[:4])
    files = StyleFiles(payload[4 : 4 + length], payload[4 + length :])
    if not (files.style and files.thumbnail and len(files.style) == length):
        raise PictureTooHard(TOO_LONG)  # the fork was killed while it wrote its answer
    return files
