"""The cloud process: averages edges' weights to the next global model. What it has acknowledged is on disk."""

import argparse
import contextlib
import logging
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import redis

from cloud.federated.fedavg import Contribution, Weights, change, check, merge, read, write
from cloud.federated.registry import Outdated, Record, Registry
from cloud.federated.rounds import Line, Round, Update, refusal
from edge.grid_model.weights import is_trained
from pipeline.contract import redis_keys
from pipeline.contract.errors import BadMessage, BadSetting
from pipeline.contract.image_codec import decode_image
from pipeline.contract.messages import WeightSnapshot
from pipeline.contract.settings import Settings
from pipeline.monitoring.metrics import AggregatorMetrics
from pipeline.monitoring.metrics_push import Reporter
from pipeline.queues.broker import connect
from pipeline.queues.counters import count
from pipeline.queues.redis_errors import Outage, place
from pipeline.queues.weight_snapshots import Entry, Snapshots
from pipeline.styles.catalog import shipped
from workers.process.liveness import Pulse
from workers.process.runtime import run_at_idle_priority, say_ready

logger = logging.getLogger(__name__)

#: A read waits this long for weights, which is half of the time-out of a call. The timers of rounds are then checked.
BLOCK_MS = 500
RETRY_S = 0.25
#: After an error in writing a global, for example because the disk is full, the next attempt waits this long.
DISK_RETRY_S = 10.0
#: After an unexpected error, the next attempt waits this long.
FAILURE_RETRY_S = 5.0

#: Returns the loss of a model on the hold-out pictures, given its safetensors file.
Gate = Callable[[bytes], float]


class Aggregator:
    """Runs rounds of federated averaging.

    It may be killed at any point: all that it must not lose is in the registry, or in Redis and not acknowledged.
    """

    def __init__(self, settings: Settings, registry: Registry, gate: Gate) -> None:
        self._redis = connect(settings.weights_url)
        self._snapshots = Snapshots(self._redis, settings.snapshot_key)
        self._registry, self._gate = registry, gate
        self._name = f"{socket.gethostname()}:{settings.models_dir}"  # after a crash, the same name still has the lease
        self._round = Round(settings.round_quorum, settings.round_deadline_s)
        self._most_loss = 1 + settings.gate_tolerance
        self._again = True  # the first read returns what an earlier aggregator took but did not acknowledge
        self._disk_retry_s: float | None = None
        self._trouble = ""  # the last unexpected error
        self._outage = Outage("the aggregator", place(self._redis))
        self.metrics = AggregatorMetrics()

    def prepare(self) -> None:
        """Repair the registry if its newest global is damaged or of another model; raises OSError on a full disk."""
        if not self._registry.of_this_package():
            logger.warning("this package has another model: its own is the new global")
            self._registry.start_anew()
        elif self._registry.latest().version < self._registry.newest_number():
            logger.warning("the newest global is damaged: the one before it is the new one")
            self._registry.rollback(self._registry.latest().version)
        self._registry.begin()

    def run(self, alive: Callable[[], None] = lambda: None) -> None:
        """Work for ever, whatever Redis and the disk do. `alive` is called often, as a sign of life."""
        self._patiently(self.prepare, alive)
        self._patiently(lambda: self.run_once(time.monotonic()), alive)
        say_ready(f"The aggregator is ready: models in {self._registry.folder}, Redis at {place(self._redis)}.")
        while True:
            self._patiently(lambda: self.run_once(time.monotonic()), alive)

    def _patiently(self, work: Callable[[], None], alive: Callable[[], None]) -> None:
        """Call `work` until it succeeds, with pauses after errors, since the cause of an error may go away."""
        while True:
            alive()
            try:
                work()
                return self._outage.ended()
            except redis.RedisError as error:
                time.sleep(self._outage.failed(error))
            except Exception as error:
                self._survive(error)
                time.sleep(FAILURE_RETRY_S)
            self._again = True

    def _survive(self, error: Exception) -> None:
        """Log and count an unexpected error; if it is the same as before, it is not logged again."""
        if repr(error) != self._trouble:
            logger.error(
                "ALARM: the aggregator cannot go on (%s), it tries again every %.0f s",
                error,
                FAILURE_RETRY_S,
                exc_info=None if isinstance(error, OSError) else error,
            )
        self._trouble = repr(error)
        with contextlib.suppress(redis.RedisError):
            count(self._redis, learning_failures=1)

    def run_once(self, now_s: float) -> None:
        """Publish the newest global, take in edges' weights, and close the round if it is due.

        Nothing happens while the aggregator of another registry works.
        """
        if not self._snapshots.signs:  # without a key nobody would use our snapshots, and we could use none
            time.sleep(RETRY_S)
            return
        if not self._snapshots.lead(self._name):
            self.metrics.round.set(0)  # gateways add up the rounds of all aggregators, and only the other one counts
            time.sleep(RETRY_S)
            return
        self._announce()
        for entry in self._snapshots.take(again=self._again, block_ms=BLOCK_MS):
            self._consider(entry, now_s)
        self._again = False
        if self._round.due(now_s) and now_s >= (self._disk_retry_s or now_s):
            self._close(now_s)
        self.metrics.waiting.set(len(self._round.updates()))

    def _announce(self) -> None:
        """Publish the newest global if Redis does not have it, as after a crash, a rollback or a restart of Redis."""
        latest = self._registry.latest()
        self.metrics.round.set(latest.version)
        known = self._snapshots.newest_global()
        if known and (known.published, known.sha256) == (latest.published, latest.sha256):
            if self._snapshots.complete(known):
                return
        weights = self._registry.weights(latest.version)
        self._snapshots.publish_global(
            WeightSnapshot.of(
                weights,
                edge_id=redis_keys.CLOUD,
                base_version=latest.version,
                published=latest.published,
                num_examples=sum(latest.examples.values()),
                loss_before=latest.loss_before,
                loss_after=latest.loss_after,
            ),
            weights,
        )

    def _consider(self, entry: Entry, now_s: float) -> None:
        entry_id, snapshot = entry
        if self._round.holds(entry_id):
            return
        try:
            update = self._update(entry_id, snapshot)
        except (BadMessage, ValueError) as error:
            self._refuse(entry_id, snapshot.edge_id if snapshot else "nobody", str(error))
            return
        if superfluous := self._round.take(update, now_s):
            self._snapshots.acknowledge(superfluous.entry_id)

    def _update(self, entry_id: bytes, snapshot: WeightSnapshot | None) -> Update:
        """Return the update in a snapshot; raises BadMessage or ValueError, with a reason, if it must not count."""
        if snapshot is None:
            raise BadMessage("This is not a snapshot.")
        if not self._snapshots.genuine_local(snapshot):
            raise BadMessage("It is not signed with this deployment's key (MVS_SNAPSHOT_KEY).")
        update = Update(snapshot.edge_id, snapshot.base_version, snapshot.num_examples, {}, entry_id)
        if reason := refusal(update, line(self._registry.latest())):
            raise ValueError(reason)
        if snapshot.published != self._registry.published(snapshot.base_version):
            raise ValueError(f"it builds on a version {snapshot.base_version} of another registry")
        weights = read(self._snapshots.weights(snapshot))
        check(weights, self._trained(snapshot.base_version))
        return replace(update, weights=weights)

    def _refuse(self, entry_id: bytes, edge_id: str, reason: str) -> None:
        logger.warning("weights of edge %s refused: %s", edge_id, reason)
        count(self._redis, snapshots_refused=1)
        self._snapshots.acknowledge(entry_id)

    def _close(self, now_s: float) -> None:
        """Make the next global and store it on disk; then publish it and acknowledge the updates in it."""
        latest, updates = self._registry.latest(), self._round.updates()
        try:
            self._make(latest, [update for update in updates if not refusal(update, line(latest))])
        except Outdated:
            return  # somebody rolled back meanwhile, so the updates are judged again in the next turn
        except OSError as error:
            self._alarm(error, now_s)
            return
        self._disk_retry_s = None
        self._announce()
        self._snapshots.acknowledge(*(update.entry_id for update in updates))
        self._round.clear()

    def _make(self, latest: Record, updates: list[Update]) -> None:
        if not updates:
            return
        record, file = self._next(latest, updates)
        edges = ", ".join(record.examples)
        self.metrics.measured(record.loss_before, record.loss_after)
        if record.loss_after <= self._most_loss * record.loss_before:
            self._registry.append(record, file)
            logger.info(
                "global %d of %s: hold-out loss %.4f, before %.4f",
                record.version,
                edges,
                record.loss_after,
                record.loss_before,
            )
            count(self._redis, rounds=1)
        else:
            logger.warning(
                "round of %s refused: its hold-out loss would be %.4f, before %.4f",
                edges,
                record.loss_after,
                record.loss_before,
            )
            count(self._redis, rounds_refused=1)

    def _next(self, latest: Record, updates: list[Update]) -> tuple[Record, bytes]:
        """Return the record and the safetensors file of the next global."""
        before = self._registry.weights(latest.version)
        contributions = [
            Contribution(
                change(update.weights, self._trained(update.base_version)),
                update.num_examples,
                latest.version - update.base_version,
            )
            for update in updates
        ]
        merged, norms = merge(self._trained(latest.version), contributions, latest.norms)
        file = write({**float32(read(before)), **merged})
        bases = {update.edge_id: update.base_version for update in updates}
        record = replace(
            latest,
            version=latest.version + 1,
            origin="round",
            counted={**latest.counted, **bases},
            norms=[*latest.norms, *filter(None, norms)],
            loss_before=self._gate(before),
            loss_after=self._gate(file),
            examples={update.edge_id: update.num_examples for update in updates},
        )
        return record, file

    def _trained(self, version: int) -> Weights:
        """Return those weights of a version that edges train; raises ValueError if the version is no longer kept."""
        weights = float32(read(self._registry.weights(version)))
        return {name: array for name, array in weights.items() if is_trained(name)}

    def _alarm(self, error: OSError, now_s: float) -> None:
        if self._disk_retry_s is None:
            logger.error(
                "ALARM: a global could not be written (%s). The one before stays, and serving goes on; "
                "free some space, it is tried again every %.0f s.",
                error,
                DISK_RETRY_S,
            )
            count(self._redis, alarms=1)
        self._disk_retry_s = now_s + DISK_RETRY_S


def line(record: Record) -> Line:
    return Line(record.version, record.floor, record.counted)


def float32(weights: Weights) -> Weights:
    """Return weights in single precision: the shipped ones have half, in which small changes would get lost."""
    return {name: array.astype("float32") for name, array in weights.items()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--redis", metavar="URL", help="Redis of the edges' weights (default MVS_CLOUD_REDIS_URL)")
    parser.add_argument("--models", type=Path, metavar="DIR", help="where globals are kept (default MVS_MODELS_DIR)")


def run(args: argparse.Namespace) -> None:
    given = {"cloud_redis_url": args.redis, "models_dir": args.models}
    settings = replace(Settings.from_environment(), **{k: v for k, v in given.items() if v is not None})
    registry = Registry(settings.models_dir)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(registry.alone())
        except ValueError as error:
            raise BadSetting(f"--models makes no sense: {error}.") from error
        aggregator = Aggregator(settings, registry, LazyGate(settings.vgg))
        Reporter(connect(settings.weights_url), "aggregate", aggregator.metrics.registry).start()
        run_at_idle_priority()  # the reporter has started before: it keeps its priority and goes on reporting
        aggregator.run(Pulse.of_environment().beat)


class LazyGate:
    """Measures the loss on the shipped pictures. It imports torch, which takes 300 MB, only for the first round."""

    def __init__(self, vgg: Path | None) -> None:
        self._vgg = vgg
        self._loss: Gate | None = None

    def __call__(self, file: bytes) -> float:
        if self._loss is None:
            import torch

            from cloud.federated.holdout import HoldOut
            from edge.training.retraining import encoder_features, features_from
            from workers.process.gpu_pages import forget_gpu_libraries

            torch.set_num_threads(1)
            features = features_from(self._vgg) if self._vgg else encoder_features()
            hold_out = HoldOut([decode_image(style.jpeg) for style in shipped()], features)
            self._loss = lru_cache(maxsize=2)(hold_out.loss)  # the new model of a round is the old one of the next
            forget_gpu_libraries()
        return self._loss(file)
