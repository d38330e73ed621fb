"""Signs of life: a process's main loop reports that it is running, and the parent notices when the reports stop.

They are datagrams in the format of systemd's sd_notify(3), for our own supervisor as well as for systemd. For the
health checks of containers, they are the time of a file's last change.
"""

import contextlib
import os
import socket
import time
from collections.abc import Callable, MutableMapping, Sequence
from pathlib import Path

#: The environment variable with the file descriptor of the socket that our supervisor passes to a process.
VARIABLE = "MVS_LIFE_FD"
#: The environment variable with the path of the file that is touched at each sign of life.
FILE = "MVS_LIFE_FILE"
#: systemd's socket is for the process that systemd started, and not for the children of that process.
OF_SYSTEMD = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
READY, SIGN = b"READY=1", b"WATCHDOG=1"
#: Fast loops report no more often than this.
BEAT_S = 0.5
#: How often the parent checks for silence.
CHECK_S = 1.0


class Pulse:
    """Reports that the caller's main loop is running. It never blocks and never raises."""

    def __init__(
        self,
        sockets: Sequence[socket.socket] = (),
        file: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sockets, self._file, self._clock = sockets, file, clock
        self._beat_s: float | None = None

    @classmethod
    def of_environment(cls, environ: MutableMapping[str, str] = os.environ) -> "Pulse":
        """Return a Pulse that reports to our supervisor, systemd and a file, as far as they are there.

        Call this once.
        """
        sockets = []
        with contextlib.suppress(OSError, ValueError):
            if number := environ.pop(VARIABLE, ""):
                sockets.append(socket.socket(fileno=int(number)))
        with contextlib.suppress(OSError):
            if path := environ.get("NOTIFY_SOCKET"):
                sockets.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
                sockets[-1].connect("\0" + path[1:] if path.startswith("@") else path)
        for each in sockets:
            each.setblocking(False)
            os.set_inheritable(each.fileno(), False)
        file = environ.pop(FILE, "")  # children report by ways of their own
        return cls(sockets, Path(file) if file else None)

    def beat(self) -> None:
        """Report, unless the last report is younger than BEAT_S. Call this in each turn of the main loop."""
        now_s = self._clock()
        if self._beat_s is not None and now_s < self._beat_s + BEAT_S:
            return
        for each in self._sockets:
            with contextlib.suppress(OSError):  # nobody listens any more, or enough reports wait to be read
                each.send(SIGN if self._beat_s is not None else READY)
        if self._file:
            with contextlib.suppress(OSError):  # the disk is full, or its folder is gone
                self._file.touch()
        self._beat_s = now_s


class Silence:
    """Decides when a process has been silent for too long. The caller passes the time."""

    def __init__(self, began_s: float, *, start_s: float, limit_s: float) -> None:
        """The first sign of life may take `start_s`, and each later one `limit_s`."""
        self._start_s, self._limit_s = start_s, limit_s
        self._last_s = self._checked_s = began_s
        self.heard_once = False

    def heard(self, now_s: float) -> None:
        self._last_s, self.heard_once = now_s, True

    def too_long(self, now_s: float) -> bool:
        """Return whether the silence is too long. Call this every CHECK_S.

        A longer pause between two calls does not count as silence: the whole machine may have been suspended.
        """
        self._last_s += max(0.0, now_s - self._checked_s - 2 * CHECK_S)
        self._checked_s = now_s
        return now_s - self._last_s > (self._limit_s if self.heard_once else self._start_s)


def drain(listener: socket.socket) -> bool:
    """Read all signs that wait in `listener`, which must not block; return whether there was any."""
    heard = False
    with contextlib.suppress(OSError):
        while listener.recv(64):
            heard = True
    return heard


def pair() -> tuple[socket.socket, socket.socket]:
    """Return a pair of sockets: the parent's, to listen on, and the child's, to report on."""
    listener, teller = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.setblocking(False)
    teller.setblocking(False)
    return listener, teller
