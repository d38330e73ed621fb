"""Signs of life: a main loop reports that it turns, and the process that started it notices when it stops.

They travel over a datagram socket in the words of systemd's sd_notify(3), to our own supervisor and to systemd's alike.
"""

import contextlib
import os
import socket
import time
from collections.abc import Callable, MutableMapping, Sequence

#: The number of the socket that a supervisor of ours hands down.
VARIABLE = "MVS_LIFE_FD"
#: systemd's socket is for the process that it started, and not for those that this process starts.
OF_SYSTEMD = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
READY, SIGN = b"READY=1", b"WATCHDOG=1"
#: Loops that turn faster do not report more often than this.
BEAT_S = 0.5
#: How often silence is checked for.
CHECK_S = 1.0


class Pulse:
    """Reports that the caller's main loop turns. It never blocks and never raises."""

    def __init__(self, sockets: Sequence[socket.socket] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self._sockets, self._clock = sockets, clock
        self._beat_s: float | None = None

    @classmethod
    def of_environment(cls, environ: MutableMapping[str, str] = os.environ) -> "Pulse":
        """Report to the supervisor and to systemd, if there are any. To be called once."""
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
        return cls(sockets)

    def beat(self) -> None:
        now_s = self._clock()
        if self._beat_s is not None and now_s < self._beat_s + BEAT_S:
            return
        for each in self._sockets:
            with contextlib.suppress(OSError):  # nobody listens any more, or so many signs wait that one is enough
                each.send(SIGN if self._beat_s is not None else READY)
        self._beat_s = now_s


class Silence:
    """Decides when a process was silent for too long. The caller brings the time."""

    def __init__(self, began_s: float, *, start_s: float, limit_s: float) -> None:
        """`start_s`: how long the first sign may take; `limit_s`: how long each one after it."""
        self._start_s, self._limit_s = start_s, limit_s
        self._last_s = self._checked_s = began_s
        self.heard_once = False

    def heard(self, now_s: float) -> None:
        self._last_s, self.heard_once = now_s, True

    def too_long(self, now_s: float) -> bool:
        """To be called every CHECK_S. If the caller was stopped in between, the other process may have been, too."""
        self._last_s += max(0.0, now_s - self._checked_s - 2 * CHECK_S)
        self._checked_s = now_s
        return now_s - self._last_s > (self._limit_s if self.heard_once else self._start_s)


def drain(listener: socket.socket) -> bool:
    """Whether there was any sign since the last call; `listener` does not block."""
    heard = False
    with contextlib.suppress(OSError):
        while listener.recv(64):
            heard = True
    return heard


def pair() -> tuple[socket.socket, socket.socket]:
    """A pair of sockets: one to listen on, and one to report on."""
    listener, teller = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.setblocking(False)
    teller.setblocking(False)
    return listener, teller
