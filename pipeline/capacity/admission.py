"""Decides whether one more session may begin, given the present sessions and their load. No clock and no I/O.

A client that makes an offer but sends no video, or has paused, loses its place as soon as another client needs it. The
fewer places are free, the fewer of them one address gets. So neither a flood of offers nor one greedy address can take
all places.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.capacity.giving_way import RATES, Concessions, relative_cost, session_cores
from pipeline.contract.errors import Busy
from pipeline.http.client_address import is_local

#: The rate that a session is assumed to have before it has settled. It begins with all frames, but on a busy gateway it
#: is soon asked for fewer.
YOUNG_FPS = RATES[1]
#: No session is admitted if the edge would then renew each look less often than this.
LONGEST_LOOK_INTERVAL_S = 4.0
#: A session younger than this is not covered by the measurement yet.
SETTLING_S = 5.0
MEASURED_S = 3.0

#: How many sessions without video there may be, of all addresses and of one. Each holds sockets and 170 KB.
MAX_PENDING = 64
MAX_PENDING_EACH = 32
#: Video comes a second after the answer. A session keeps its place for this long in any case.
PENDING_S = 2.0
#: An address may have this many places for each place that stays free: of 32 places the first address gets 24, and the
#: next one gets 6 of the remaining 8.
GREED = 3


@dataclass(frozen=True, slots=True)
class Holder:
    """A session that holds a place."""

    client: str
    age_s: float
    is_live: bool  # its video comes


@dataclass(frozen=True, slots=True)
class Admission:
    """The limits of a gateway, and the decision by them."""

    max_sessions: int
    cpu_budget: float  # cores

    def admit(
        self, holders: Sequence[Holder], client: str, cores: float, concessions: Concessions = Concessions()
    ) -> int | None:
        """Admit one more session of `client`; return the index of the holder that must leave for it, or None.

        `cores` is how many cores all sessions take now, with these concessions. Raises Busy if there is no place.
        """
        pending = [holder for holder in holders if not holder.is_live]
        same = [holder for holder in pending if holder.client == client]
        if len(same) >= MAX_PENDING_EACH:
            return self._place_of(holders, same, "Your address has too many offers without video; try again.")
        why = self.refusal([holder.age_s if holder.is_live else 0.0 for holder in holders], cores, concessions)
        if why or len(pending) >= MAX_PENDING:
            return self._place_of(holders, pending, why or "Too many offers come at once; try again in a moment.")
        held, free = sum(holder.client == client for holder in holders), self.max_sessions - len(holders)
        if held >= GREED * free and not is_local(client):
            return self._place_of(holders, same, "Your address has as many places as it may have now; try again.")
        return None

    def _place_of(self, holders: Sequence[Holder], pending: Sequence[Holder], why: str) -> int:
        """Return the index of the holder that must leave: the oldest without video, of the address that has most."""
        late = [holder for holder in pending if holder.age_s >= PENDING_S]
        if not late:
            raise Busy(why)
        counts = Counter(holder.client for holder in pending)
        return holders.index(max(late, key=lambda holder: (counts[holder.client], holder.age_s)))

    def refusal(self, ages_s: Sequence[float], cores: float, concessions: Concessions = Concessions()) -> str | None:
        """Return a sentence that says why there is no place, or None. The sessions have these ages and take `cores`.

        Processor time that further concessions would free counts as free. The first session is always admitted:
        otherwise a machine that is busy with other things would admit nobody.
        """
        if len(ages_s) >= self.max_sessions:
            return f"All {self.max_sessions} places are taken; try again in a moment."
        if ages_s and expected_cores(ages_s, cores, concessions.fps) > self.cpu_budget:
            return f"This server has its hands full with {len(ages_s)}; try again in a moment."
        if concessions.capacity and (len(ages_s) + 1) / concessions.capacity > LONGEST_LOOK_INTERVAL_S:
            return f"This server's edge has its hands full with {len(ages_s)}; try again in a moment."
        return None


def expected_cores(ages_s: Sequence[float], cores: float, fps: float = RATES[0]) -> float:
    """Return the cores that will be taken with one more session, if clients are asked for the fewest possible frames.

    `cores` is what sessions of these ages take while clients are asked for `fps` frames a second. A young session is
    assumed to take as much as the settled ones do on average.
    """
    settled = sum(age_s >= SETTLING_S for age_s in ages_s)
    cores *= relative_cost(RATES[-1], fps)
    each = max(session_cores(YOUNG_FPS), cores / settled) if settled else session_cores(YOUNG_FPS)
    return cores + (len(ages_s) - settled + 1) * each


@dataclass(slots=True)
class CpuMeter:
    """Measures how many cores a process took during the last MEASURED_S, from samples of its processor time."""

    _samples: deque[tuple[float, float]] = field(default_factory=deque)

    def record(self, now_s: float, cpu_s: float) -> None:
        self._samples.append((now_s, cpu_s))
        while len(self._samples) > 2 and now_s - self._samples[1][0] >= MEASURED_S:
            self._samples.popleft()

    @property
    def cores(self) -> float:
        if len(self._samples) < 2:
            return 0.0
        (since_s, before_s), (now_s, cpu_s) = self._samples[0], self._samples[-1]
        return (cpu_s - before_s) / (now_s - since_s) if now_s > since_s else 0.0
