"""The edge worker process: takes key frames from the queue, and sends their grids to the gateway's stream."""

import argparse
import contextlib
import logging
import os
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import numpy as np
import redis
import torch

from edge.any_model.fitted import load_named
from edge.grid_model.stylizer import GridStylizer, batch_size
from pipeline.contract import redis_keys
from pipeline.contract.errors import BadMessage, BadSetting, MVStylizerError
from pipeline.contract.grid_codec import pack_grid
from pipeline.contract.messages import KeyFrame, StreamMemory, StylizedFrame, TrainingSample, printable
from pipeline.contract.settings import Settings
from pipeline.key_frames.change import lead_s
from pipeline.monitoring.metrics import WorkerMetrics
from pipeline.monitoring.metrics_push import Reporter
from pipeline.monitoring.task_owner import keep_thread_running
from pipeline.queues.broker import connect, enqueue_preview, preview_queue, stylize_queue
from pipeline.queues.edge_broker import Answer, EdgeBroker
from pipeline.queues.redis_errors import place
from pipeline.queues.rq_job import AllowListedJob, MsgpackSerializer
from pipeline.queues.training_samples import Sharing
from pipeline.styles.store import StyleStore
from workers.process.gpu_pages import forget_gpu_libraries
from workers.process.prefork import prefork
from workers.process.runtime import say_ready
from workers.serving.key_frame_batch import Served, TakenKeyFrame, draw
from workers.serving.model_updates import Globals, stylizer_of
from workers.serving.previews import Unprepared, previews
from workers.serving.rq_worker import SOCKET_TIMEOUT_S, WORKER_TTL_S, EdgeWorker
from workers.serving.stream_states import packed, unpacked

logger = logging.getLogger(__name__)

#: The stylizer whose newest weights a worker follows, while the edges learn.
LEARNING = "grid"
#: Gateways make stream ids of 16 characters.
MAX_STREAM_ID = 64


class Edge:
    """An edge worker's model and its connections to Redis. RQ calls `stylize` for each job."""

    def __init__(self, settings: Settings, stylizer: GridStylizer) -> None:
        self._edge_id, self._served = settings.edge_id, Served(stylizer)
        self._redis = connect(settings.redis_url)
        self._broker, self._styles = EdgeBroker(self._redis), StyleStore(self._redis)
        self._sharing = Sharing(self._redis, settings.edge_id)
        self._previews = preview_queue(self._redis, settings.edge_id)
        self._expected: list[tuple[str, int]] = []
        self._taken: dict[tuple[str, int], TakenKeyFrame | None] = {}
        self.metrics = WorkerMetrics()
        self._tell_model()

    @property
    def model_version(self) -> str:
        return self._served.stylizer.model_version

    @property
    def batch_size(self) -> int:
        """How many waiting jobs should be taken at once."""
        return batch_size(self._served.stylizer.device)

    def adopt(self, stylizer: GridStylizer) -> None:
        """Use another model from the next job on. This is called from another thread, so that no job waits for it.

        The statistics of the styles in use are computed here, so that no key frame has to wait for them.
        """
        fresh = Served(stylizer)
        for style_id in list(self._served.styles):
            with contextlib.suppress(MVStylizerError, redis.RedisError):
                fresh.style(style_id, self._styles.jpeg)
        self._served = fresh
        self.metrics.models_adopted.inc()
        self._tell_model()

    def _tell_model(self) -> None:
        self.metrics.model.info({"version": self.model_version})

    def expect(self, jobs: Iterable[tuple]) -> None:
        """Name the key frames that `stylize` is going to be called for next, by their jobs' arguments.

        Those of one shape are drawn together in the first call, which costs less than drawing each alone.
        """
        self._expected, self._taken = [], {}
        for arguments in jobs:
            with contextlib.suppress(BadMessage, TypeError):  # the job itself will fail with the same error
                self._expected.append(named(*arguments))

    def stylize(self, stream_id: str, frame_id: int) -> None:
        """Answer one key frame, unless its deadline has passed."""
        start_s = time.monotonic()
        try:
            taken = self._take_with_expected(named(stream_id, frame_id))
        except BadMessage as error:
            self._refuse(stream_id, frame_id, error)
            return
        if taken is None:
            return
        answer = self._answer(taken)
        self._count(answer, time.monotonic() - start_s)
        if taken.frame.shared_by:
            self._share(taken.frame)

    def preview(self, stream_id: str, number: int) -> None:
        """Answer a request for previews, unless its deadline has passed."""
        start_s, outcome = time.monotonic(), "answered"
        try:
            picture = self._broker.preview(*named(stream_id, number))
            if picture is None:
                outcome = "late"
                return
            made = previews(self._served, picture, self._styles.jpeg)
            if isinstance(made, Unprepared):
                outcome = "again"
                enqueue_preview(self._previews, stream_id, number)
            elif made:
                self._broker.answer_preview(picture.gateway_id, made)
        except (MVStylizerError, ValueError) as error:
            outcome = "refused"
            logger.info("stream %s: no previews: %s", stream_id, error)
        finally:
            self.metrics.previews[outcome].inc()
            self.metrics.busy_seconds.inc(time.monotonic() - start_s)

    def _take_with_expected(self, name: tuple[str, int]) -> TakenKeyFrame | None:
        """Take a key frame out of Redis, and with it all that are expected; None if it was refused or is too late."""
        if name not in self._taken:
            expected, self._expected = self._expected, []
            for each in dict.fromkeys([name, *expected]):
                self._taken[each] = self._take(*each)
        return self._taken.pop(name)

    def _take(self, stream_id: str, frame_id: int) -> TakenKeyFrame | None:
        try:
            found = self._broker.take(stream_id, frame_id)
        except BadMessage as error:
            self._refuse(stream_id, frame_id, error)
            return None
        if found is None:
            logger.info("stream %s: key frame %s came too late", stream_id, frame_id)
            self.metrics.handled["late"].inc()
            return None
        return TakenKeyFrame(*found, self._served)

    def _refuse(self, stream_id: object, frame_id: object, error: BadMessage) -> None:
        logger.info("stream %s: key frame %s refused: %s", stream_id, frame_id, error)
        self.metrics.handled["refused"].inc()

    def _count(self, answer: StylizedFrame, seconds: float) -> None:
        self.metrics.handled["failed" if answer.error else "answered"].inc()
        self.metrics.busy_seconds.inc(seconds)
        self.metrics.styles.set(len(self._served.styles))

    def _share(self, frame: KeyFrame) -> None:
        try:
            self._sharing.append(TrainingSample(frame.shared_by, frame.style_id, frame.picture, frame.consent))
        except redis.RedisError as error:
            logger.info("stream %s: key frame %s is not learned from: %s", frame.stream_id, frame.frame_id, error)

    def _answer(self, taken: TakenKeyFrame) -> StylizedFrame:
        """Answer a key frame and return the answer."""
        frame, stylizer = taken.frame, taken.served.stylizer
        reply = partial(self._reply, frame, stylizer.model_version, queue_ms=taken.waited_ms)
        try:
            equations = self._equations(taken)
        except (MVStylizerError, ValueError) as error:
            answer = reply(error=printable(str(error)[:200]))
            self._broker.answer(frame.gateway_id, answer)
            return answer

        def settled(memory: StreamMemory | None) -> Answer:
            try:
                grid, fresh = settle(stylizer, equations, frame, memory)
                packed_grid = pack_grid(grid)
            except ValueError as error:
                return reply(error=printable(str(error)[:200])), None
            answer = reply(
                grid_shape=grid.shape[1:4],
                grid=packed_grid,
                decode_ms=taken.decode_ms,
                stylize_ms=(time.monotonic_ns() - taken.decoded_ns) / 1e6,
            )
            return answer, fresh

        return self._broker.answer_in_turn(frame, settled)

    def _equations(self, taken: TakenKeyFrame) -> torch.Tensor:
        if taken.equations is None:
            draw(taken, filter(None, self._taken.values()), self._styles.jpeg)
        assert taken.equations is not None  # it was drawn now, or together with an earlier one
        return taken.equations

    def _reply(
        self,
        frame: KeyFrame,
        model_version: str,
        *,
        grid_shape: tuple[int, ...] = (),
        grid: bytes = b"",
        decode_ms: float = 0.0,
        stylize_ms: float = 0.0,
        queue_ms: float = 0.0,
        error: str = "",
    ) -> StylizedFrame:
        return StylizedFrame(
            stream_id=frame.stream_id,
            frame_id=frame.frame_id,
            style_id=frame.style_id,
            edge_id=self._edge_id,
            model_version=model_version,
            cut=frame.cut,
            grid_shape=grid_shape,
            grid=grid,
            decode_ms=decode_ms,
            stylize_ms=stylize_ms,
            queue_ms=queue_ms,
            error=error,
        )


def settle(
    stylizer: GridStylizer, equations: torch.Tensor, frame: KeyFrame, memory: StreamMemory | None
) -> tuple[np.ndarray, StreamMemory | None]:
    """Return a key frame's grid, and its stream's new memory, or None if a later key frame has stored one already.

    A memory that turns out to be unusable is ignored. Raises ValueError if there is no finite grid even then.
    """
    state = unpacked(memory, stylizer.device) if memory and memory.suits(frame) else None
    elapsed_s = memory.elapsed_s(frame) if memory and state else 0.0
    try:
        grid, state = stylizer.settle(equations, state, elapsed_s=elapsed_s, lead_s=lead_s(elapsed_s))
    except ValueError:
        if state is None:
            raise
        grid, state = stylizer.settle(equations, None, elapsed_s=0.0)
    return grid, None if memory and memory.overtakes(frame) else packed(state, frame)


def named(stream_id: object, frame_id: object) -> tuple[str, int]:
    """Check a job's arguments, which anybody may have written, and return them; raises BadMessage."""
    if not isinstance(stream_id, str) or not isinstance(frame_id, int) or len(stream_id) > MAX_STREAM_ID:
        raise BadMessage("This names no key frame.")
    return stream_id, frame_id


#: RQ calls jobs by dotted path, so the one model of this process lives in a module name, set by `run`.
EDGE: Edge | None = None


def stylize_key_frame(stream_id: str, frame_id: int) -> None:
    """Answer a key frame. This is the job that RQ calls by its dotted path (see pipeline.queues.rq_job.ALLOWED)."""
    assert EDGE is not None, "jobs run only in a process that `run` has set up"
    EDGE.stylize(stream_id, frame_id)


def preview_styles(stream_id: str, number: int) -> None:
    """Answer a request for previews. This is a job, too; it waits in a queue of its own."""
    assert EDGE is not None, "jobs run only in a process that `run` has set up"
    EDGE.preview(stream_id, number)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--redis", metavar="URL", help="Redis to use (default MVS_REDIS_URL)")
    parser.add_argument("--edge", metavar="NAME", help="edge to work for (default 'edge', or MVS_EDGE_ID)")
    parser.add_argument(
        "--stylizer",
        default=LEARNING,
        metavar="NAME",
        help="serve this model instead of the one that learns: "
        "paper:VGG19, onnx:FILE, or one that a package of yours offers",
    )


def run(args: argparse.Namespace) -> None:
    global EDGE
    given = {"redis_url": args.redis, "edge_id": args.edge}
    settings = replace(Settings.from_environment(), **{k: v for k, v in given.items() if v is not None})
    forget_gpu_libraries()
    killed: list[bool] = []
    # Importing torch takes seconds, which the successor of a killed worker saves by being forked from here.
    alive = prefork(lambda: killed.append(True))
    torch.set_num_threads(1)  # more threads than free cores make it 5 to 20 times slower
    newest = Globals(settings)
    learns = args.stylizer == LEARNING
    EDGE = edge = Edge(settings, first_model(newest) if learns else named_model(args.stylizer))
    Reporter(connect(settings.redis_url), "stylize", edge.metrics.registry).start()
    edge.metrics.workers_killed.inc(len(killed))
    if learns:
        adoption = partial(newest.follow, lambda file: edge.adopt(stylizer_of(file)), edge.metrics.models_refused)
        keep_thread_running("globals", adoption, edge.metrics.threads_restarted.inc)
    connection = connect(settings.redis_url, SOCKET_TIMEOUT_S)
    worker = EdgeWorker(
        [stylize_queue(connection, settings.edge_id), preview_queue(connection, settings.edge_id)],
        name=f"stylize-{settings.edge_id}-{os.getpid()}-{time.time_ns()}",
        connection=connection,
        job_class=AllowListedJob,
        serializer=MsgpackSerializer,
        worker_ttl=WORKER_TTL_S,
        log_job_description=False,
    )
    worker.beacon, worker.model_version = redis_keys.worker_beacon(settings.edge_id), lambda: edge.model_version
    worker.on_bad_job = edge.metrics.handled["unreadable"].inc
    worker.on_failed_job = edge.metrics.handled["failed"].inc
    worker.on_trouble = lambda kind: edge.metrics.redis_errors[kind].inc()
    worker.on_ready = lambda: say_ready(
        f"The edge worker is ready: edge {settings.edge_id}, model {edge.model_version}, Redis at {place(connection)}."
    )
    worker.batch_size, worker.on_taken = edge.batch_size, edge.expect
    worker.alive = alive
    worker.work(logging_level="WARNING")


def named_model(name: str) -> GridStylizer:
    """Load the stylizer of a name (see `edge.stylizer`). Raises BadSetting with a sentence if it cannot be loaded."""
    try:
        stylizer = load_named(name)
        stylizer.warm_up()
    except ValueError as error:
        raise BadSetting(f"--stylizer {name}: {error}.") from error
    return stylizer


def first_model(newest: Globals) -> GridStylizer:
    """Return the newest global model, or the shipped one if there is none or it cannot be used."""
    try:
        if weights := newest.fetch():
            return stylizer_of(weights)
    except Exception as error:  # whatever is wrong with the global model, there is the shipped one
        logger.warning("starting with the shipped model: %s", error)
        logger.debug("the newest global could not be loaded", exc_info=True)
    stylizer = GridStylizer.load()
    stylizer.warm_up()
    return stylizer
