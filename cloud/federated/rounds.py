"""Which updates make up the next global, and when: a pure decision, no clock and no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloud.federated.fedavg import Weights

#: An update may start from this many versions before the present global; what is older has little to say about it.
MOST_STALENESS = 3


@dataclass(frozen=True, slots=True)
class Line:
    """What a global knows of its own past."""

    version: int
    #: Oldest version that may still be built upon: after a rollback nothing that came of the versions before it.
    floor: int = 0
    #: Edge -> newest base version it was counted with. A base counts once: later updates from it contain the earlier.
    counted: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Update:
    """An edge's weights, all its training since `base_version` in them."""

    edge_id: str
    base_version: int
    num_examples: int
    weights: Weights = field(repr=False)
    entry_id: bytes = b""  # where it came from: to be acknowledged once it counts


def refusal(update: Update, line: Line) -> str:
    """Why an update cannot count towards the global after `line`, "" when it can."""
    if update.base_version > line.version:
        return f"it builds on version {update.base_version}, and there is none after {line.version}"
    if update.base_version < max(line.floor, line.version - MOST_STALENESS):
        return f"it builds on version {update.base_version}, which is too old for {line.version}"
    if update.base_version <= line.counted.get(update.edge_id, -1):
        return f"version {update.base_version} has been built upon by this edge already"
    return "" if update.num_examples > 0 else "it comes of no images"


@dataclass(slots=True)
class Round:
    """Gathers the newest update of each edge until there are `quorum` of them, or `deadline_s` is over."""

    quorum: int
    deadline_s: float
    _waiting: dict[str, Update] = field(default_factory=dict)
    _opened_s: float | None = None

    def take(self, update: Update, now_s: float) -> Update | None:
        """Take an update that was not refused; returns the one that it, or that makes it, superfluous."""
        other = self._waiting.get(update.edge_id)
        newer, older = (other, update) if other and age(other) >= age(update) else (update, other)
        self._waiting[update.edge_id] = newer
        self._opened_s = now_s if self._opened_s is None else self._opened_s
        return older

    def holds(self, entry_id: bytes) -> bool:
        return any(update.entry_id == entry_id for update in self._waiting.values())

    def due(self, now_s: float) -> bool:
        """Asked by a timer, not only when something arrives: else the last round would wait for ever."""
        if self._opened_s is None:
            return False
        return len(self._waiting) >= self.quorum or now_s >= self._opened_s + self.deadline_s

    def updates(self) -> list[Update]:
        """Those that are in, by edge."""
        return [self._waiting[edge_id] for edge_id in sorted(self._waiting)]

    def clear(self) -> None:
        """This round is over; the next one opens with the next update."""
        self._waiting, self._opened_s = {}, None


def age(update: Update) -> tuple[int, int]:
    """Larger is newer: of one base, the one with more images contains the other."""
    return update.base_version, update.num_examples
