"""Whether one more session may begin, by what the gateway does already. No clock and no I/O.

A client that makes an offer but sends no video loses its place as soon as somebody else wants it. The fewer places are
free, the fewer one address gets. So neither a flood of offers nor one greedy address can take all places.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.capacity.giving_way import RATES, Concessions, relative_cost, session_cores
from pipeline.contract.errors import Busy
from pipeline.http.client_address import is_local

#: What a session is taken to send before it has settled: it begins with all frames, and soon hears of another pace.
YOUNG_FPS = RATES[1]
#: How often a look is renewed at least: an edge that would be slower with one stream more takes none.
LONGEST_LOOK_INTERVAL_S = 4.0
#: The measurement does not cover a session yet that is younger than this.
SETTLING_S = 5.0
MEASURED_S = 3.0

#: The most sessions without video, of all addresses and of one. Each holds sockets and 170 KB.
MAX_PENDING = 64
MAX_PENDING_EACH = 32
#: Video comes a second after the answer. A session keeps its place for this long in any case.
PENDING_S = 2.0
#: For each place that stays free an address may have this many: of 32 places the first gets 24, and the next one 6 of
#: the 8 that are left.
GREED = 3


@dataclass(frozen=True, slots=True)
class Holder:
    """A session that holds a place."""

    client: str
    age_s: float
    is_live: bool  # its video has come


@dataclass(frozen=True, slots=True)
class Admission:
    max_sessions: int
    cpu_budget: float  # cores

    def admit(
        self, holders: Sequence[Holder], client: str, cores: float, concessions: Concessions = Concessions()
    ) -> int | None:
        """Let one more session of `client` in. Returns the index of the holder that must go for it, or None for nobody.

        `cores` is what all sessions take now, with these concessions. Raises Busy where there is no place.
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
        """The index of the holder that must go: the oldest without video, of the address that has most of them."""
        late = [holder for holder in pending if holder.age_s >= PENDING_S]
        if not late:
            raise Busy(why)
        counts = Counter(holder.client for holder in pending)
        return holders.index(max(late, key=lambda holder: (counts[holder.client], holder.age_s)))

    def refusal(self, ages_s: Sequence[float], cores: float, concessions: Concessions = Concessions()) -> str | None:
        """Why there is no place, in one sentence, or None. `cores` is what the sessions with these ages take now.

        What can still be given way counts as free. The first session always gets in. Otherwise a machine that is busy
        with other things would never let anybody in.
        """
        if len(ages_s) >= self.max_sessions:
            return f"All {self.max_sessions} places are taken; try again in a moment."
        if ages_s and expected_cores(ages_s, cores, concessions.fps) > self.cpu_budget:
            return f"This server has its hands full with {len(ages_s)}; try again in a moment."
        if concessions.capacity and (len(ages_s) + 1) / concessions.capacity > LONGEST_LOOK_INTERVAL_S:
            return f"This server's edge has its hands full with {len(ages_s)}; try again in a moment."
        return None


def expected_cores(ages_s: Sequence[float], cores: float, fps: float = RATES[0]) -> float:
    """Cores that will be taken once one more session has come, if clients are asked for as few frames as possible.

    `cores` is what sessions of these ages take while clients are asked for `fps` frames a second. Each new one is taken
    to cost what the settled ones do.
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
