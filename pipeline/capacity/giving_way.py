"""Decides how a busy service gives way. The order, which is defined only here, is as follows. No clock and no I/O.

1. Training: trainers pause by themselves while key frames wait in the queue (workers/train.py).
2. Key frames: the intervals of all streams become longer for as long as streams wait for their turns.
3. Frames: clients are asked for fewer frames, which makes no visible difference.
4. Admission: no new session is admitted (see `admission`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

#: If streams wait for a turn longer than the first time, the stretch grows; it shrinks below that, and below the second
#: time, at which there is room for all, it shrinks fast.
LONG_WAIT_S, SHORT_WAIT_S = 0.25, 0.1
#: The factors by which the stretch grows, shrinks and shrinks fast each second, and the largest one.
STRETCH_STEP, RELAX_STEP, FAST_STEP, MOST_STRETCH = 1.25, 1.1, 2.0, 8.0
#: The frames a second that clients are asked for. At a camera's 30 a key frame is taken with the least delay.
RATES = (30.0, 10.0, 5.0, 2.5)
#: A gateway that takes more than the first share of its budget asks for fewer frames, and one that takes more than all
#: of it asks for the fewest. It asks for more again once these would take less than the second share.
BUSY_SHARE, CALM_SHARE = 0.7, 0.6
#: From this stretch of the intervals on, clients are asked for fewer frames too: the edge may be on the same machine.
PRESSED_STRETCH = 2.0
#: How many seconds a rate is kept before a change to fewer or more frames, since the measured load follows with a
#: delay.
FEWER_AFTER, MORE_AFTER = 2, 3
#: The share of a core that a session of 640x360 takes in any case, and for each frame a second.
SESSION_CORES, FRAME_CORES = 0.006, 0.0013


@dataclass(frozen=True, slots=True)
class Load:
    """The load of a gateway and its edge in one second."""

    cores: float  # how many cores of the gateway the sessions take
    turn_wait_s: float  # how long streams wait for a turn
    turns_per_s: float
    streams: int


@dataclass(frozen=True, slots=True)
class Concessions:
    """The reductions that hold for every session at present."""

    #: How many times more a key frame must be worth, and how many times longer the shortest interval between two is.
    stretch: float = 1.0
    fps: float = RATES[0]  # frames a second that a client is asked for
    look_interval_s: float | None = None  # how often a look is renewed while the edge is busy; None when it is not
    capacity: float | None = None  # key frames a second that the edge answers; None as long as it is not busy


@dataclass(slots=True)
class GivingWay:
    """Holds the present reductions of a gateway's service. `update` is called once a second."""

    cpu_budget: float  # cores
    _stretch: float = 1.0
    _rate: int = 0
    _seconds: int = 0  # at this rate

    def update(self, load: Load) -> Concessions:
        """Take the load of the last second into account; return the concessions that hold from now on."""
        self._stretch = self._next_stretch(load.turn_wait_s)
        self._seconds += 1
        self._change_rate(load)
        if load.turn_wait_s <= SHORT_WAIT_S or self._stretch == 1 or not load.turns_per_s or not load.streams:
            return Concessions(self._stretch, RATES[self._rate])
        return Concessions(self._stretch, RATES[self._rate], load.streams / load.turns_per_s, load.turns_per_s)

    def _next_stretch(self, wait_s: float) -> float:
        if wait_s > LONG_WAIT_S:
            return min(MOST_STRETCH, self._stretch * STRETCH_STEP)
        return max(1.0, self._stretch / (FAST_STEP if wait_s < SHORT_WAIT_S else RELAX_STEP))

    def _change_rate(self, load: Load) -> None:
        is_pressed = self._stretch >= PRESSED_STRETCH
        is_busy = load.cores > BUSY_SHARE * self.cpu_budget
        if load.cores > self.cpu_budget:
            self._rate, self._seconds = len(RATES) - 1, 0
        elif (is_busy or is_pressed) and self._rate + 1 < len(RATES) and self._seconds >= FEWER_AFTER:
            self._rate, self._seconds = self._rate + 1, 0
        elif self._rate and not is_pressed and self._seconds >= MORE_AFTER:
            more = load.cores * relative_cost(RATES[self._rate - 1], RATES[self._rate])
            if more < CALM_SHARE * self.cpu_budget:
                self._rate, self._seconds = self._rate - 1, 0


def relative_cost(fps: float, now_fps: float) -> float:
    """Return how many times more processor time a session takes at `fps` than at `now_fps`."""
    return session_cores(fps) / session_cores(now_fps)


def session_cores(fps: float) -> float:
    """Return the share of a core that a session of 640x360 takes at this frame rate."""
    return SESSION_CORES + FRAME_CORES * fps


def steps(concessions: Concessions, *, training_waits: bool, refuses: bool) -> Sequence[tuple[str, bool]]:
    """Return the steps of giving way, in order: a few words for operators, and whether the step is in effect."""
    return (
        ("training waits for key frames", training_waits),
        (f"key frames for {concessions.stretch:.1f} times as much change", concessions.stretch > 1),
        (f"{concessions.fps:g} frames a second from each client", concessions.fps < RATES[0]),
        ("nobody new is let in", refuses),
    )
