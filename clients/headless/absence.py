"""How long a live source has been away, and when it is tried again."""

from dataclasses import dataclass, field

#: The pauses before a source is opened again: the first one, which doubles with each try, and the longest.
FIRST_PAUSE_S, LAST_PAUSE_S = 0.5, 8.0
#: A source that gives frames for so long is back. One that gives fewer of them is still failing: it is opened less and
#: less often, and given up if it goes on like that.
STEADY_S = 10.0


@dataclass(slots=True)
class Absence:
    """It begins when the frames end, and lasts until they have come for STEADY_S again. Times are a clock's seconds."""

    began_s: float
    short_returns_s: float = 0.0  # how long there were frames meanwhile
    pause_s: float = field(default_factory=lambda: FIRST_PAUSE_S)

    def next_pause_s(self) -> float:
        """How long to wait before the next try."""
        pause_s, self.pause_s = self.pause_s, min(2 * self.pause_s, LAST_PAUSE_S)
        return pause_s

    def away_s(self, now_s: float) -> float:
        """How long there were no frames."""
        return now_s - self.began_s - self.short_returns_s

    def after(self, return_s: float, now_s: float) -> "Absence":
        """The absence once frames have come for `return_s` and ended again: this one, or a new one."""
        if return_s >= STEADY_S:
            return Absence(now_s)
        self.short_returns_s += return_s
        return self
