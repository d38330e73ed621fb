"""The way between a gateway and its edge: RQ for work, Redis strings for pictures, a stream for answers."""
import asyncio
import logging
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue

from pipeline import topology
from pipeline.errors import BadMessage, BadSetting
from pipeline.jobs import STYLIZE, AllowListedJob, MsgpackSerializer
from pipeline.messages import KeyFrame, StylizedFrame
from pipeline.sharing import Sharing, public_name

logger = logging.getLogger(__name__)

#: A call that Redis does not answer in this time fails; the next key frame tries again.
CALL_TIMEOUT_S = 1.0
READ_BLOCK_MS = 1_000
RECONNECT_S = 0.25
#: Many times as many as a gateway has sessions.
CONSENTS = 4_096


def connect(redis_url: str, timeout_s: float = CALL_TIMEOUT_S) -> redis.Redis:
    """For calls that answer at once: short timeout, no retry, since a late key frame is worth nothing.

    Raises BadSetting for a URL that is none; an absent Redis shows at the first call.
    """
    try:
        return redis.Redis.from_url(redis_url, socket_timeout=timeout_s, retry=Retry(NoBackoff(), 0))
    except ValueError as error:
        raise BadSetting(f"{redis_url!r} is no Redis URL: {error}.") from None


def stylize_queue(connection: redis.Redis, edge_id: str) -> Queue:
    return Queue(
        topology.stylize_queue(edge_id), connection=connection, job_class=AllowListedJob, serializer=MsgpackSerializer
    )


class GatewayBroker:
    """The gateway's side. `submit` and `withdraw` block: call them in a thread."""

    def __init__(self, redis_url: str, *, edge_id: str, gateway_id: str) -> None:
        self._url, self._gateway_id, self._edge_id = redis_url, gateway_id, edge_id
        self._redis = connect(redis_url)
        self._queue = stylize_queue(self._redis, edge_id)
        self._sharing, self._consents = Sharing(self._redis, edge_id), Consents()

    def submit(self, frame: KeyFrame) -> None:
        """Queue a key frame in one round trip. Its blob is gone after the deadline, and the job with it.

        Its `shared_by` is a client's secret, and does not leave this process.
        """
        name, consent = self._consents.of(frame.shared_by)
        frame = replace(frame, shared_by=name, consent=consent)
        with self._redis.pipeline() as pipe:  # RQ must come first, it opens the transaction
            self._queue.enqueue(
                STYLIZE, frame.stream_id, frame.frame_id, job_id=_job_id(frame.stream_id, frame.frame_id),
                description="", ttl=topology.KEY_FRAME_DEADLINE_MS // 1000 + 1, result_ttl=topology.JOB_TTL_S,
                failure_ttl=topology.JOB_TTL_S, job_timeout=topology.JOB_TIMEOUT_S, pipeline=pipe,
            )
            key = topology.blob(frame.stream_id, frame.frame_id)
            pipe.set(key, frame.pack(), px=topology.KEY_FRAME_DEADLINE_MS)
            pipe.execute()

    def withdraw(self, stream_id: str, frame_id: int) -> None:
        """Take back a key frame that nobody waits for any more."""
        self._queue.remove(_job_id(stream_id, frame_id))
        self._redis.delete(topology.blob(stream_id, frame_id))

    def share(self, secret: str, on: bool) -> None:
        """Let the edge learn from what somebody shares; or not, and drop all it has kept of it.

        `secret` is the word that only they know. Key frames that are not queued yet are not shared after "off".
        """
        name = public_name(secret)
        if on:
            self._consents.keep(secret, name, self._sharing.allow(name))
        else:
            self._consents.forget(secret)
            self._sharing.withdraw(name)

    def queue_depth(self) -> int:
        """Key frames that wait for a worker."""
        return self._queue.count

    def worker_ready(self) -> bool:
        """Whether a warm worker of this edge was there in the last seconds."""
        return bool(self._redis.exists(topology.worker_beacon(self._edge_id)))

    async def answers(self, on_refused: Callable[[], None] = lambda: None) -> AsyncIterator[StylizedFrame]:
        """Every answer to this gateway, for ever: Redis may go and come back. `on_refused` hears of unreadable ones."""
        key, last = topology.results(self._gateway_id), "0"
        client = redis.asyncio.Redis.from_url(self._url, socket_timeout=None, retry=None)
        try:
            while True:
                try:
                    entries = await client.xread({key: last}, block=READ_BLOCK_MS)
                except redis.RedisError as error:
                    logger.info("Redis does not answer (%s), trying again", error)
                    await asyncio.sleep(RECONNECT_S)
                    continue
                for last, fields in entries[0][1] if entries else ():
                    try:
                        yield StylizedFrame.unpack(fields.get(b"frame", b""))
                    except BadMessage as error:
                        logger.info("an answer was refused: %s", error)
                        on_refused()
        finally:
            await client.aclose()

    def close(self) -> None:
        self._redis.close()


class Consents:
    """Who lets the edge learn from them: secret to public name and token. Used by the threads of an executor."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, secret: str) -> tuple[str, str]:
        """Empty where nothing is agreed, or too long ago to be remembered: then it is not shared."""
        return self._known.get(secret, ("", ""))

    def keep(self, secret: str, name: str, token: str) -> None:
        with self._lock:
            self._known[secret] = name, token
            self._known.move_to_end(secret)
            if len(self._known) > CONSENTS:
                self._known.popitem(last=False)

    def forget(self, secret: str) -> None:
        with self._lock:
            self._known.pop(secret, None)


class EdgeBroker:
    """The edge worker's side."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection

    def take(self, stream_id: str, frame_id: int) -> tuple[KeyFrame, float] | None:
        """The key frame of a job, and the milliseconds it waited; None when its deadline has passed.

        What is left of the blob's life says how long it waited: that is Redis' clock alone. Raises BadMessage.
        """
        key = topology.blob(stream_id, frame_id)
        with self._redis.pipeline() as pipe:
            left_ms, data = pipe.pttl(key).getdel(key).execute()
        waited_ms = max(0.0, float(topology.KEY_FRAME_DEADLINE_MS - left_ms))  # less than none: its clock was set back
        return None if data is None else (KeyFrame.unpack(data), waited_ms)

    def answer(self, gateway_id: str, frame: StylizedFrame) -> None:
        key = topology.results(gateway_id)
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.xadd(key, {"frame": frame.pack()}, maxlen=topology.RESULTS_MAXLEN, approximate=False)
            pipe.expire(key, topology.RESULTS_TTL_S)
            pipe.execute()


def _job_id(stream_id: str, frame_id: int) -> str:
    return f"{stream_id}-{frame_id}"
