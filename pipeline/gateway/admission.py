"""Whether one more session may begin: decided from what the gateway does already. No clock and no I/O.

Whoever offers and sends no video holds a place only as long as nobody else wants it; and the fewer places are free, the
fewer one address gets. So neither a flood of offers nor one greedy address takes all places.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.contract.errors import Busy
from pipeline.http.client_address import is_local

#: What 640x360 at 30 frames a second takes of a core, with its key frames; taken for granted while nothing is known.
SESSION_CORES = 0.05
#: A session younger than this is not in the measurement yet.
SETTLING_S = 5.0
MEASURED_S = 3.0


#: Sessions without video yet: of all addresses, and of one. Each holds sockets, and 170 KB.
MAX_PENDING = 64
MAX_PENDING_EACH = 32
#: Video comes a second after the answer; until then nobody takes the place away.
PENDING_S = 2.0
#: An address may have so many places for each that is free: 24 of 32, and of the 8 that are left the next one gets 6.
GREED = 3


@dataclass(frozen=True, slots=True)
class Holder:
    """Of a place."""

    client: str
    age_s: float
    is_live: bool  # its video has come


@dataclass(frozen=True, slots=True)
class Admission:
    max_sessions: int
    cpu_budget: float  # cores

    def admit(self, holders: Sequence[Holder], client: str, cores: float) -> int | None:
        """Which holder must go, None if nobody, for one more session of `client`; raises Busy where there is no place.

        `cores` is what all sessions take now.
        """
        pending = [holder for holder in holders if not holder.is_live]
        same = [holder for holder in pending if holder.client == client]
        if len(same) >= MAX_PENDING_EACH:
            return self._place_of(holders, same, "Your address has too many offers without video; try again.")
        why = self.refusal([holder.age_s if holder.is_live else 0.0 for holder in holders], cores)
        if why or len(pending) >= MAX_PENDING:
            return self._place_of(holders, pending, why or "Too many offers come at once; try again in a moment.")
        held, free = sum(holder.client == client for holder in holders), self.max_sessions - len(holders)
        if held >= GREED * free and not is_local(client):
            return self._place_of(holders, same, "Your address has as many places as it may have now; try again.")
        return None

    def _place_of(self, holders: Sequence[Holder], pending: Sequence[Holder], why: str) -> int:
        """The oldest without video, of the address that has most of them."""
        late = [holder for holder in pending if holder.age_s >= PENDING_S]
        if not late:
            raise Busy(why)
        counts = Counter(holder.client for holder in pending)
        return holders.index(max(late, key=lambda holder: (counts[holder.client], holder.age_s)))

    def refusal(self, ages_s: Sequence[float], cores: float) -> str | None:
        """Why there is no place, in one sentence, or None. `ages_s` of all sessions; `cores` that they take now.

        The first session always gets in: a gateway that is busy with nothing of ours would never open otherwise.
        """
        if len(ages_s) >= self.max_sessions:
            return f"All {self.max_sessions} places are taken; try again in a moment."
        if ages_s and expected_cores(ages_s, cores) > self.cpu_budget:
            return f"This server has its hands full with {len(ages_s)}; try again in a moment."
        return None


def expected_cores(ages_s: Sequence[float], cores: float) -> float:
    """What will be taken when the young sessions and one more have settled, each like those that have."""
    settled = sum(age_s >= SETTLING_S for age_s in ages_s)
    each = max(SESSION_CORES, cores / settled) if settled else SESSION_CORES
    return cores + (len(ages_s) - settled + 1) * each


@dataclass(slots=True)
class CpuMeter:
    """Cores that a process took over the last MEASURED_S, from samples of its processor time."""

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
