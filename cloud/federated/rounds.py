"""Which updates make up the next global model, and when? This is decided without a clock and without I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloud.federated.fedavg import Weights

#: An update may start from up to this many versions before the present global model. Older ones say little about it.
MOST_STALENESS = 3


@dataclass(frozen=True, slots=True)
class Line:
    """What is known about the past of a global model."""

    version: int
    #: The oldest version that an update may start from. After a rollback these are only the versions since.
    floor: int = 0
    #: Edge -> the newest base version with which it was counted. A base counts once per edge, because later updates
    #: from it contain the earlier ones.
    counted: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Update:
    """An edge's weights, which contain all its training since `base_version`."""

    edge_id: str
    base_version: int
    num_examples: int
    weights: Weights = field(repr=False)
    entry_id: bytes = b""  # its entry in the stream, to be acknowledged once the update counts


def refusal(update: Update, line: Line) -> str:
    """Why an update cannot count towards the next global model after `line`; "" if it can."""
    if update.base_version > line.version:
        return f"it builds on version {update.base_version}, and there is none after {line.version}"
    if update.base_version < max(line.floor, line.version - MOST_STALENESS):
        return f"it builds on version {update.base_version}, which is too old for {line.version}"
    if update.base_version <= line.counted.get(update.edge_id, -1):
        return f"version {update.base_version} has been built upon by this edge already"
    return "" if update.num_examples > 0 else "it comes of no images"


@dataclass(slots=True)
class Round:
    """Gathers the newest update of each edge until there are `quorum` of them, or `deadline_s` after the first."""

    quorum: int
    deadline_s: float
    _waiting: dict[str, Update] = field(default_factory=dict)
    _opened_s: float | None = None

    def take(self, update: Update, now_s: float) -> Update | None:
        """Take an update that was not refused. Returns the older of it and the edge's earlier one, if there is one."""
        other = self._waiting.get(update.edge_id)
        newer, older = (other, update) if other and age(other) >= age(update) else (update, other)
        self._waiting[update.edge_id] = newer
        self._opened_s = now_s if self._opened_s is None else self._opened_s
        return older

    def holds(self, entry_id: bytes) -> bool:
        return any(update.entry_id == entry_id for update in self._waiting.values())

    def due(self, now_s: float) -> bool:
        """Whether the round is over. A timer must ask this, too: otherwise a round without a quorum would never end."""
        if self._opened_s is None:
            return False
        return len(self._waiting) >= self.quorum or now_s >= self._opened_s + self.deadline_s

    def updates(self) -> list[Update]:
        """The updates of this round, in the order of their edges' ids."""
        return [self._waiting[edge_id] for edge_id in sorted(self._waiting)]

    def clear(self) -> None:
        """End this round; the next one opens with the next update."""
        self._waiting, self._opened_s = {}, None


def age(update: Update) -> tuple[int, int]:
    """A key by which one edge's updates sort, oldest first. On one base, the one with more images has the other's."""
    return update.base_version, update.num_examples
