"""The process that decodes strangers' pictures: it forks for each picture, and the fork exits after that one picture.

decode_client starts it, and passes one end of a socket pair as the file descriptor whose number is argv[1]. Each byte
that arrives there comes with another socket. A fork reads one file from that socket up to its end, and answers with
STARTED, then FILES, BAD or TOO_HARD, and that reply's payload. The kernel kills a fork that exceeds its limits, and
such a fork sends no reply. The process ends when the other end of the socket pair is closed.
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
from pipeline.pictures.colour.icc_profile import matrix_profile
from pipeline.pictures.colour.primaries import SRGB
from pipeline.pictures.colour.transfer import power
from pipeline.pictures.exif import ORIENTATION
from pipeline.pictures.header_limits import MAX_STYLE_BYTES

STARTED = b"+"
#: The payload of FILES is the style's length in four bytes, the style and its thumbnail; the others carry a sentence.
FILES, BAD, TOO_HARD = b"f", b"b", b"h"

#: Honest pictures within the limits on headers take 0.1 to 0.6 s of a core; a refusal should not take much longer.
CPU_S = 0.9
#: This is elapsed time. It is long, since streams have priority for the processor.
WALL_S = 8.0
NICENESS = 5
#: This is the whole address space: Python and Pillow take 35 MB of it, and honest pictures up to 250 MB more.
ADDRESS_SPACE_BYTES = 400 * 1024 * 1024
NOBODY = 65534
PROFILE = matrix_profile(SRGB, power(1.8), "sample")
PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 4, 38


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    prepare()
    while fds := socket.recv_fds(control, 1, 1)[1]:
        with contextlib.suppress(OSError):  # if the fork fails, the client sees its socket close
            if os.fork() == 0:
                control.close()
                serve_and_die(socket.socket(fileno=fds[0]))
        os.close(fds[0])


def prepare() -> None:
    """Load all modules that decoding needs, and give streams priority over this process for processor and memory."""
    for kind in decode.FORMATS:
        decode.style_files(sample(kind))
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the gateway, which then ends this process
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel then reaps the forks
    os.nice(NICENESS)
    with contextlib.suppress(OSError):  # when memory runs out, the kernel kills this process first
        Path("/proc/self/oom_score_adj").write_text("1000")
    if os.geteuid() == 0:
        become_nobody()


def become_nobody() -> None:
    """Give up root's rights, for root could raise every limit again."""
    with contextlib.suppress(OSError):  # some containers forbid it
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def sample(kind: str) -> bytes:
    """Return a small picture file that is turned and has a profile.

    Decoding it makes Pillow load every module that it loads lazily. The forks could not load them: they open no files.
    """
    buffer, exif = BytesIO(), Image.Exif()
    exif[ORIENTATION] = 6
    options = {"max_threads": 1, "speed": 10} if kind == "AVIF" else {}  # a process that has had threads must not fork
    Image.new("RGBA" if kind == "PNG" else "RGB", (8, 8)).save(buffer, kind, exif=exif, icc_profile=PROFILE, **options)
    return buffer.getvalue()


def serve_and_die(peer: socket.socket) -> None:
    try:
        os.dup2(sys.stdin.fileno(), sys.stderr.fileno())  # the null device: a picture writes no log
        give_up_rights()
        peer.sendall(STARTED)
        peer.sendall(reply(received(peer)))
    except OSError:  # the gateway no longer waits for the answer
        pass
    finally:
        os._exit(0)


def give_up_rights() -> None:
    """Limit time and memory, and forbid core dumps and new files, sockets and processes from here on."""
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
    signal.setitimer(signal.ITIMER_PROF, CPU_S)  # both timers kill the process, whatever the decoder is doing
    signal.setitimer(signal.ITIMER_REAL, WALL_S)


def no_new_privileges() -> None:
    """On Linux, forbid gaining rights by exec, and keep other processes of the same user from reading this one."""
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
