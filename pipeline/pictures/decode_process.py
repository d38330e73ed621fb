"""The process that reads strangers' pictures: it forks once for each, and what reads a picture dies with it.

Whoever starts it hands over one end of a socket pair as file descriptor argv[1]. Each byte that comes there brings a
socket along, from which a fork reads one file up to its end, and answers: STARTED, a word of REPLIES, and its payload.
A fork that goes beyond its limits is killed by the kernel, without a word. When the pair's other end closes, all ends.
"""

import contextlib
import ctypes
import gc
import os
import resource
import signal
import socket
import struct
import sys
from io import BytesIO
from pathlib import Path

from PIL import Image

from pipeline.contract.errors import BadImage, PictureTooHard
from pipeline.pictures import decode
from pipeline.pictures.colour.icc_profile import SRGB, matrix_profile, power
from pipeline.pictures.exif import ORIENTATION
from pipeline.pictures.header_limits import MAX_STYLE_BYTES

STARTED = b"+"
#: "files": the style's length in four bytes, the style, its thumbnail. The others: a sentence.
REPLIES = (FILES, BAD, TOO_HARD) = (b"f", b"b", b"h")

#: Honest pictures within the limits of their headers take 0.1 to 0.6 s of a core. Whoever is refused shall not wait.
CPU_S = 0.9
#: Of the clock, for who must share the processor with streams: they go first.
WALL_S = 8.0
NICENESS = 5
#: All of the process' address space: Python and Pillow take 35 MB of it, honest pictures up to 250 MB more.
ADDRESS_SPACE_BYTES = 400 * 1024 * 1024
NOBODY = 65534
PROFILE = matrix_profile(SRGB, power(1.8), "sample")
PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 4, 38


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    prepare()
    while fds := socket.recv_fds(control, 1, 1)[1]:
        with contextlib.suppress(OSError):  # no process to be had: the other end sees its socket close
            if os.fork() == 0:
                control.close()
                serve_and_die(socket.socket(fileno=fds[0]))
        os.close(fds[0])


def prepare() -> None:
    """Load all there is to load, once, and take a place behind the streams: for the processor, and for memory."""
    for kind in decode.FORMATS:
        decode.style_files(sample(kind))
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the gateway, and its end is ours
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the dead
    os.nice(NICENESS)
    with contextlib.suppress(OSError):  # where memory is short, the kernel begins here
        Path("/proc/self/oom_score_adj").write_text("1000")
    if os.geteuid() == 0:
        become_nobody()


def become_nobody() -> None:
    """Root may raise every limit again."""
    with contextlib.suppress(OSError):  # a container may not let it
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def sample(kind: str) -> bytes:
    """A small turned picture with a profile: to read one takes all that Pillow loads late, and a fork opens no file."""
    buffer, exif = BytesIO(), Image.Exif()
    exif[ORIENTATION] = 6
    options = {"max_threads": 1, "speed": 10} if kind == "AVIF" else {}  # what had threads must not fork
    Image.new("RGBA" if kind == "PNG" else "RGB", (8, 8)).save(buffer, kind, exif=exif, icc_profile=PROFILE, **options)
    return buffer.getvalue()


def serve_and_die(peer: socket.socket) -> None:
    try:
        os.dup2(sys.stdin.fileno(), sys.stderr.fileno())  # the null device: a picture writes no log
        give_up_rights()
        peer.sendall(STARTED)
        peer.sendall(reply(received(peer)))
    except OSError:  # whoever asked is gone
        pass
    finally:
        os._exit(0)


def give_up_rights() -> None:
    """From here on: no file, socket or process more, no core dump, and only so much time and memory."""
    no_new_privileges()
    for kind, limit in {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_AS: ADDRESS_SPACE_BYTES,
        resource.RLIMIT_CPU: 2,
    }.items():
        with contextlib.suppress(ValueError, OSError):  # not every system has every limit
            resource.setrlimit(kind, (limit, limit))
    signal.setitimer(signal.ITIMER_PROF, CPU_S)  # both kill, whatever the decoder is doing
    signal.setitimer(signal.ITIMER_REAL, WALL_S)


def no_new_privileges() -> None:
    """Linux: also keep other processes of this user from looking in."""
    if sys.platform == "linux":
        for option, value in ((PR_SET_NO_NEW_PRIVS, 1), (PR_SET_DUMPABLE, 0)):
            ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def received(peer: socket.socket) -> bytes:
    parts, size = [], 0
    while (part := peer.recv(1 << 20)) and size <= MAX_STYLE_BYTES:
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def reply(data: bytes) -> bytes:
    try:
        files = decode.style_files(data)
    except PictureTooHard as error:
        return TOO_HARD + str(error).encode()
    except BadImage as error:
        return BAD + str(error).encode()
    except MemoryError:
        return TOO_HARD + b"The picture takes more memory than there is for it."
    return FILES + struct.pack(">I", len(files.style)) + files.style + files.thumbnail


if __name__ == "__main__":
    main()
