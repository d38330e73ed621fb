"""The edge's trainer process: trains on shared key frames in idle processor time, and sends the cloud its weights."""

import argparse
import contextlib
import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import redis

from cloud.federated.rounds import MOST_STALENESS
from edge.training.reservoir import Reservoir, SharedKeyFrame
from pipeline.basics.lru import LruCache
from pipeline.contract.errors import BadImage, MVStylizerError
from pipeline.contract.image_codec import decode_image
from pipeline.contract.messages import WeightSnapshot
from pipeline.contract.settings import Settings
from pipeline.monitoring.metrics import TrainerMetrics
from pipeline.monitoring.metrics_push import Reporter
from pipeline.queues.broker import connect, stylize_queue
from pipeline.queues.counters import count
from pipeline.queues.redis_errors import Outage, place
from pipeline.queues.training_samples import Sharing
from pipeline.queues.weight_snapshots import Snapshots
from pipeline.styles.mood import without_mood
from pipeline.styles.store import StyleStore
from workers.process.liveness import Pulse
from workers.process.runtime import run_at_idle_priority, say_ready
from workers.serving.model_updates import Globals

if TYPE_CHECKING:
    from workers.serving.learner import Learner, Pair

logger = logging.getLogger(__name__)

#: The trainer keeps this many key frames: at 40 KB each they take 20 MB.
CAPACITY = 512
#: Training starts with this many key frames; fewer are too little to learn from.
LEAST_SAMPLES = 8
#: Each new sample allows training on this many random crops of samples. Without new samples the training stops.
IMAGES_PER_SAMPLE = 8
#: The batch size, which is the paper's.
BATCH = 2
#: The loss is measured on this many samples, before and after the training.
EXAM = 8
STYLES_CACHED = 16
#: How often new samples and globals are read.
TICK_S = 1.0
#: While key frames wait to be stylized, the trainer pauses, and looks again this often.
YIELD_S = 0.05
#: A new global is waited for until the deadline of a round and this time have passed.
GRACE_S = 10.0


class Trainer:
    """Trains an edge's model. It holds samples only in memory, and reads the stream and the global after a crash."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._redis, self._cloud = connect(settings.redis_url), connect(settings.weights_url)
        self._sharing, self._styles = Sharing(self._redis, settings.edge_id), StyleStore(self._redis)
        self._globals, self._snapshots = Globals(settings), Snapshots(self._cloud, settings.snapshot_key)
        self._queue = stylize_queue(self._redis, settings.edge_id)
        self._samples, self._place, self._credit = Reservoir(CAPACITY), "0", 0
        self._pictures: LruCache[str, np.ndarray] = LruCache(STYLES_CACHED)  # of styles
        self._learner: Learner | None = None
        self._base: WeightSnapshot | None = None
        self._exam: tuple[list[SharedKeyFrame], float] = [], 0.0
        self._wait_until_s, self._tick_s = 0.0, 0.0
        self._outage = Outage("the trainer", " or ".join(dict.fromkeys((place(self._redis), place(self._cloud)))))
        self._ready = False
        self.metrics = TrainerMetrics()

    def run(self, alive: Callable[[], None] = lambda: None) -> None:
        """Work for ever, whatever happens. `alive` is called before each turn, as a sign of life."""
        while True:
            alive()
            if not self._try():
                time.sleep(TICK_S)

    def _try(self) -> bool:
        """Take a turn and survive its errors; return False if the next turn can wait for a while."""
        try:
            is_busy = self.run_once(time.monotonic())
            self._outage.ended()
            if not self._ready:
                self._ready = True
                say_ready(f"The trainer is ready: edge {self._settings.edge_id}, Redis at {place(self._redis)}.")
            return is_busy
        except redis.RedisError as error:
            self._outage.failed(error)
        except MVStylizerError as error:
            logger.info("cannot learn now (%s), trying again", error)
        except Exception:  # memory or disk may be full; half-finished training is not worth keeping
            logger.exception("learning begins again from the newest global")
            self._base = None
            with contextlib.suppress(redis.RedisError):
                count(self._redis, learning_failures=1)
        return False

    def run_once(self, now_s: float) -> bool:
        """Train one step, if there is something to learn and no key frame waits; return False if there was nothing."""
        if now_s >= self._tick_s + TICK_S:
            self._tick_s = now_s
            self._collect()
            self._follow(now_s)
        if self._base is None or self._credit < BATCH or now_s < self._wait_until_s or not len(self._samples):
            return False
        if self._queue.count:
            time.sleep(YIELD_S)
            return True
        self._forget()  # samples may have been withdrawn since the last tick
        if not len(self._samples):
            return False
        self._learn(now_s)
        return True

    def _collect(self) -> None:
        """Take new samples in, and drop those that were withdrawn or are a day old."""
        while True:
            page, place = self._sharing.read(self._place)
            for found, taken_s in page:
                sample = SharedKeyFrame(found.shared_by, found.style_id, found.picture, taken_s, found.consent)
                self._samples.observe(sample)
                self._credit = min(self._credit + IMAGES_PER_SAMPLE, CAPACITY * IMAGES_PER_SAMPLE)
            if place == self._place:
                break
            self._place = place
        oldest_s = self._sharing.expire()
        self._samples.expire(oldest_s)
        if any(sample.taken_s < oldest_s for sample in self._exam[0]):
            self._exam = [], 0.0
        self._forget()
        self.metrics.samples.set(len(self._samples))

    def _forget(self) -> None:
        """Drop all samples whose consent does not exist in Redis any more."""
        held = self._samples.agreements() | {sample.agreement for sample in self._exam[0]}
        standing = self._sharing.standing(held)
        if held <= standing:
            return
        self._samples.keep_standing(standing)
        self._pictures.clear()  # the style may have come from the same person
        if any(sample.agreement not in standing for sample in self._exam[0]):
            self._exam = [], 0.0

    def _follow(self, now_s: float) -> None:
        """Adopt the newest global when training starts, after a snapshot was sent, or if the base is too old."""
        newest = self._globals.newest()
        if newest is None or len(self._samples) < LEAST_SAMPLES:
            return
        waiting, waited = self._wait_until_s > 0, now_s >= self._wait_until_s
        late = self._base and newest.base_version > self._base.base_version + MOST_STALENESS
        if self._base is None or late or waiting and (waited or newest != self._base):
            self._adopt(newest)

    def _adopt(self, snapshot: WeightSnapshot) -> None:
        learner = self._loaded()
        try:
            learner.adopt(self._globals.weights(snapshot))
        except ValueError as error:
            raise MVStylizerError(f"Global {snapshot.base_version} is of no use here: {error}.") from error
        exam = self._samples.draw(EXAM)
        self._base, self._wait_until_s, self._exam = snapshot, 0.0, (exam, learner.loss(self._pairs(exam)))
        logger.info("learning from global %d on", snapshot.base_version)

    def _loaded(self) -> "Learner":
        if self._learner is None:
            from workers.serving.learner import Learner  # it imports torch, which takes seconds and 300 MB

            self._learner = Learner(self._settings)
        return self._learner

    def _learn(self, now_s: float) -> None:
        pairs = self._pairs(self._samples.draw(BATCH))
        self._credit -= BATCH
        if pairs:
            self._loaded().step(pairs)
            self.metrics.images.inc(len(pairs))
        if self._loaded().num_examples >= self._settings.train_images:
            self._publish()
            self._wait_until_s = now_s + self._settings.round_deadline_s + GRACE_S

    def _publish(self) -> None:
        learner, base, (exam, before) = self._loaded(), self._base, self._exam
        assert base is not None, "only what a global began is published"
        after = learner.loss(self._pairs(exam)) if exam else 0.0
        if not (math.isfinite(before) and math.isfinite(after)):
            self._base = None
            raise MVStylizerError("What was learned makes no sense: it begins again from the newest global.")
        file = learner.file()
        snapshot = WeightSnapshot.of(
            file,
            edge_id=self._settings.edge_id,
            base_version=base.base_version,
            num_examples=learner.num_examples,
            loss_before=before,
            loss_after=after,
            published=base.published,
        )
        self._snapshots.publish_local(snapshot, file)
        count(self._cloud, snapshots_sent=1)
        if exam:
            self.metrics.loss["before"].observe(before)
            self.metrics.loss["after"].observe(after)
        logger.info("sent what %d images taught: loss %.4f, before %.4f", learner.num_examples, after, before)

    def _pairs(self, samples: list[SharedKeyFrame]) -> list["Pair"]:
        """Return the pictures of samples and of their styles, without samples whose style is not known any more."""
        found = [(self._picture(sample), self._style(sample.style_id)) for sample in samples]
        return [(picture, style) for picture, style in found if picture is not None and style is not None]

    def _picture(self, sample: SharedKeyFrame) -> np.ndarray | None:
        """Decode a sample's picture; if it is broken, drop the sample and return None."""
        try:
            return decode_image(sample.picture)
        except BadImage:
            self._samples.drop(sample)
            count(self._redis, samples_refused=1)
            return None

    def _style(self, style_id: str) -> np.ndarray | None:
        style_id = without_mood(style_id)  # whatever was shown, the model learns from the whole style
        picture = self._pictures.get(style_id)
        if picture is None:
            jpeg = self._styles.jpeg(style_id)
            if jpeg is None:
                return None
            picture = decode_image(jpeg)
            self._pictures.put(style_id, picture)
        return picture


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--redis", metavar="URL", help="Redis of the edge (default MVS_REDIS_URL)")
    parser.add_argument("--edge", metavar="NAME", help="edge to train for (default 'edge', or MVS_EDGE_ID)")


def run(args: argparse.Namespace) -> None:
    given = {"redis_url": args.redis, "edge_id": args.edge}
    settings = replace(Settings.from_environment(), **{k: v for k, v in given.items() if v is not None})
    trainer = Trainer(settings)
    Reporter(connect(settings.redis_url), "train", trainer.metrics.registry).start()
    run_at_idle_priority()  # the reporter has started before: it keeps its priority and goes on reporting
    trainer.run(Pulse.of_environment().beat)
