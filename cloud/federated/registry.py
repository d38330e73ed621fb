"""The global models on disk. Each version is written whole or not at all, and the last five models can be restored."""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Self

import edge
from cloud.federated import history

#: Version 0, the deployed model of Algorithm 2.
SHIPPED = Path(edge.__file__).parent / "weights" / "grid.safetensors"
#: How many models, and how many versions, are kept. A model that was restored is several versions, but counts once.
KEPT, MOST_VERSIONS = 5, 20
#: The norms of this many earlier changes are kept, to judge new ones by.
NORMS_KEPT = 50


@dataclass(frozen=True, slots=True)
class Record:
    """What is known about one version, beside its weights."""

    version: int
    sha256: str  # of the file with the weights
    shipped: str  # sha256 of the shipped file that this version descends from
    origin: str = "shipped"  # or "round", or, after a rollback, for instance "version 3"
    floor: int = 0  # see cloud.federated.rounds.Line
    counted: dict[str, int] = field(default_factory=dict)  # see cloud.federated.rounds.Line
    norms: list[float] = field(default_factory=list)  # see cloud.federated.fedavg.merge
    examples: dict[str, int] = field(default_factory=dict)  # edge -> images this version learned from
    loss_before: float = 0.0  # on the hold-out clips
    loss_after: float = 0.0
    #: The time at which it was added, in Unix milliseconds, but later than that of any version before. Edges compare
    #: this, not the version, which begins at 0 again when a registry is lost.
    published: int = 0

    @property
    def model_version(self) -> str:
        """The name that workers have for these weights."""
        return self.sha256[:12]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a record from a file. Raises ValueError if it holds none."""
        try:
            record = cls(**json.loads(path.read_text()))
            if record.version != int(path.stem) or type(record.published) is not int:
                raise ValueError
        except (OSError, TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"{path} holds no record of a model") from error
        return record


class Outdated(ValueError):
    """Somebody else added this version first."""


class Registry:
    """A folder of versions. Version 7 is 000007.json, with its weights in 000007.safetensors; 0 is the shipped file."""

    def __init__(self, folder: Path, shipped: Path = SHIPPED, clock: Callable[[], float] = time.time) -> None:
        self.folder, self._shipped, self._clock = folder, shipped, clock
        self._shipped_sha256 = sha256(shipped.read_bytes()).hexdigest()
        self._latest: tuple[list[str], Record] | None = None

    def records(self) -> list[Record]:
        """The records of all kept versions, oldest first. Version 0 is there until version 1 is dropped."""
        found = []
        for path in sorted(self.folder.glob("*.json")):
            with suppress(ValueError):
                found.append(Record.read(path))
        found = [record for record in found if record.version or record.sha256 == self._shipped_sha256]
        if not found or found[0].version == 1:
            found.insert(0, Record(0, self._shipped_sha256, self._shipped_sha256))
        return found

    def latest(self) -> Record:
        """The newest version whose weights are undamaged, which may be the shipped version 0.

        This is cheap while nothing changes, so it may be called every second.
        """
        names = sorted(path.name for path in self.folder.glob("*.json"))
        if self._latest is None or self._latest[0] != names:
            record = next(record for record in reversed(self.records()) if self._undamaged(record))
            self._latest = names, record
        return self._latest[1]

    def of_this_package(self) -> bool:
        """Whether the latest version descends from the model that this package ships."""
        return self.latest().shipped == self._shipped_sha256

    def begin(self) -> None:
        """Give the latest version a time of publication if it has none.

        So version 0 of a new registry counts as newer than all that a lost one had published. Raises OSError if it
        cannot be written.
        """
        if self.latest().published:
            return
        self._make_folder()
        with self._locked():
            record = replace(self.latest(), published=self._publication())
            self._write(f"{record.version:06}.json", json.dumps(asdict(record), indent=1).encode())
            self._latest = None

    def published(self, version: int) -> int | None:
        """When a version was published, see `Record.published`; None if it is not kept any more."""
        return next((record.published for record in self.records() if record.version == version), None)

    def weights(self, version: int) -> bytes:
        """The bytes of a version's safetensors file. Raises ValueError if it is missing or damaged."""
        record = next((record for record in self.records() if record.version == version), None)
        data = self._read(record) if record else b""
        if record is None or sha256(data).hexdigest() != record.sha256:
            raise ValueError(f"version {version} is not in {self.folder}, or damaged")
        return data

    def append(self, record: Record, weights: bytes) -> Record:
        """Make these weights version `record.version`, durably: a crash leaves all of it or nothing.

        Returns the record as it was written. Raises Outdated unless that is the next version, and OSError if it cannot
        be written.
        """
        self._make_folder()
        with self._locked():
            if record.version != self.newest_number() + 1:
                raise Outdated(f"version {record.version} is not the next one any more")
            record = replace(
                record,
                sha256=sha256(weights).hexdigest(),
                norms=record.norms[-NORMS_KEPT:],
                published=self._publication(),
            )
            self._write(f"{record.version:06}.safetensors", weights)
            self._write(f"{record.version:06}.json", json.dumps(asdict(record), indent=1).encode())
            self._prune()
        return record

    def version_before(self) -> int:
        """The version to go back to, see `history.before`. Raises ValueError if there is none."""
        found = history.before({record.version: record.origin for record in self.records()})
        if found is None:
            raise ValueError("there is no earlier model to go back to; name a version")
        return found

    def rollback(self, version: int) -> Record:
        """Make a new version of an old one's weights, since versions only rise. Raises ValueError if it is missing."""
        weights, number = self.weights(version), self.newest_number() + 1
        return self.append(
            replace(self.latest(), version=number, floor=number, origin=f"{history.ROLLBACK}{version}"), weights
        )

    def start_anew(self) -> Record:
        """Make a new version of the shipped model. What edges learned on other models does not count towards it."""
        number = self.newest_number() + 1
        return self.append(Record(number, "", self._shipped_sha256, floor=number), self._shipped.read_bytes())

    def newest_number(self) -> int:
        """The newest version's number. Damaged versions count, too, so that no number is given twice."""
        return max((int(path.stem) for path in self.folder.glob("*.json") if path.stem.isdigit()), default=0)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let only one process make new versions out of updates. Raises ValueError if another one does so already."""
        try:
            self._make_folder()
            lock = (self.folder / "aggregator.lock").open("w")
        except OSError as error:
            raise ValueError(f"{self.folder} cannot be written to: {error}") from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ValueError(f"another aggregator works on {self.folder}") from None
            yield

    def _publication(self) -> int:
        return max(int(self._clock() * 1000), 1 + max((record.published for record in self.records()), default=0))

    def _make_folder(self) -> None:
        """Make the folder for our user alone, because whoever can write to it decides what every edge runs."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / "write.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _read(self, record: Record) -> bytes:
        path = self.folder / f"{record.version:06}.safetensors" if record.version else self._shipped
        try:
            return path.read_bytes()
        except OSError:
            return b""

    def _undamaged(self, record: Record) -> bool:
        return sha256(self._read(record)).hexdigest() == record.sha256

    def _write(self, name: str, data: bytes) -> None:
        fresh = self.folder / f"{name}.new"
        try:
            with fresh.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            fresh.unlink(missing_ok=True)  # half a file on a full disk
            raise
        fresh.replace(self.folder / name)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)  # makes the new name durable, too
        finally:
            os.close(folder)

    def _prune(self) -> None:
        """Drop the oldest versions. Models are counted, so that rollbacks do not crowd out what they go back to."""
        models: set[str] = set()
        for place, path in enumerate(sorted(self.folder.glob("*.json"), reverse=True)):
            with suppress(ValueError):
                models.add(Record.read(path).sha256)
            if len(models) > KEPT or place >= MOST_VERSIONS:
                path.unlink()
                path.with_suffix(".safetensors").unlink(missing_ok=True)
