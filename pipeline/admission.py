"""Whether one more session may begin: decided from what the gateway does already. No clock and no I/O."""
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

#: What 640x360 at 30 frames a second takes of a core, with its key frames; taken for granted while nothing is known.
SESSION_CORES = 0.05
#: A session younger than this is not in the measurement yet.
SETTLING_S = 5.0
MEASURED_S = 3.0


@dataclass(frozen=True, slots=True)
class Admission:
    max_sessions: int
    cpu_budget: float  # cores

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

    def add(self, now_s: float, cpu_s: float) -> None:
        self._samples.append((now_s, cpu_s))
        while len(self._samples) > 2 and now_s - self._samples[1][0] >= MEASURED_S:
            self._samples.popleft()

    @property
    def cores(self) -> float:
        if len(self._samples) < 2:
            return 0.0
        (since_s, before_s), (now_s, cpu_s) = self._samples[0], self._samples[-1]
        return (cpu_s - before_s) / (now_s - since_s) if now_s > since_s else 0.0
