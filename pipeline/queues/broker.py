"""Carries key frames from a gateway to its edge and answers back: jobs in RQ, pictures in Redis strings, answers in a
Redis stream."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import Any, cast

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue

from pipeline.basics.lru import LruCache
from pipeline.contract import redis_keys
from pipeline.contract.errors import BadMessage, BadSetting
from pipeline.contract.messages import MAX_BYTES, KeyFrame, StreamMemory, StylizedFrame
from pipeline.queues.redis_errors import Outage, kind
from pipeline.queues.redis_errors import place as address
from pipeline.queues.redis_streams import entries
from pipeline.queues.rq_job import STYLIZE, AllowListedJob, MsgpackSerializer
from pipeline.queues.training_samples import Sharing, public_name

logger = logging.getLogger(__name__)

#: A call that Redis does not answer in this time fails; the next key frame tries again.
CALL_TIMEOUT_S = 1.0
#: A read waits this long for answers. Its time-out is longer, so that it expires only if Redis hangs.
READ_BLOCK_MS, READ_TIMEOUT_S = 1_000, 3.0
#: How often an answer is computed if others change the stream's memory meanwhile. A stream has at most two key frames
#: in flight, so three attempts are enough.
ATTEMPTS = 3
#: How many consents a gateway remembers: many times as many as it has sessions.
CONSENTS = 4_096
#: The answer to a key frame, and the memory that the stream's next key frame needs, or None to leave it as it is.
Answer = tuple[StylizedFrame, StreamMemory | None]
NO_URL = (
    "This is no Redis URL: redis://[[user]:password@]host:port/0, rediss://... or unix:///path is needed, and "
    "what is special in a password must be percent-encoded."
)


def connect(redis_url: str, timeout_s: float = CALL_TIMEOUT_S) -> redis.Redis:
    """Return a client for calls that Redis answers at once. It has a short time-out and no retries, since a late key
    frame is worth nothing.

    Raises BadSetting for an invalid URL. Whether Redis is there is only found out by the first call.
    """
    try:
        client = redis.Redis.from_url(redis_url, socket_timeout=timeout_s, retry=Retry(NoBackoff(), 0))
        pool = client.connection_pool
        pool.connection_class(**pool.connection_kwargs)  # this does not connect, but checks the URL's options
    except (ValueError, TypeError):  # the text of the error may contain a piece of the password
        raise BadSetting(NO_URL) from None
    return client


def stylize_queue(connection: redis.Redis, edge_id: str) -> Queue:
    """Return the RQ queue of an edge's key frames."""
    return Queue(
        redis_keys.stylize_queue(edge_id), connection=connection, job_class=AllowListedJob, serializer=MsgpackSerializer
    )


class GatewayBroker:
    """The gateway's side. Its methods block, so call them in a thread; only `answers` is asynchronous."""

    def __init__(self, redis_url: str, *, edge_id: str, gateway_id: str) -> None:
        self._url, self._gateway_id, self._edge_id = redis_url, gateway_id, edge_id
        self._redis = connect(redis_url)
        self._queue = stylize_queue(self._redis, edge_id)
        self._sharing, self._consents = Sharing(self._redis, edge_id), Consents()

    def submit(self, frame: KeyFrame) -> None:
        """Queue a key frame in one round trip. Its blob and its job expire soon after the deadline.

        `frame.shared_by` is the client's secret. It does not leave this process: the public name is sent instead.
        """
        secret, (name, consent) = frame.shared_by, self._consents.of(frame.shared_by)
        frame = replace(frame, shared_by=name, consent=consent)
        with self._redis.pipeline() as pipe:  # RQ must come first, since it opens the transaction
            self._queue.enqueue(
                STYLIZE,
                frame.stream_id,
                frame.frame_id,
                job_id=_job_id(frame.stream_id, frame.frame_id),
                description="",
                ttl=redis_keys.KEY_FRAME_DEADLINE_MS // 1000 + 1,
                result_ttl=redis_keys.JOB_TTL_S,
                failure_ttl=redis_keys.JOB_TTL_S,
                job_timeout=redis_keys.JOB_TIMEOUT_S,
                pipeline=pipe,
            )
            key = redis_keys.blob(frame.stream_id, frame.frame_id)
            pipe.set(key, frame.pack(), px=redis_keys.KEY_FRAME_DEADLINE_MS)
            if consent:
                pipe.get(redis_keys.consent(self._edge_id, name))
            *_, last = pipe.execute()
        if consent and last != consent.encode():
            self._consents.forget(secret)

    def agrees(self, secret: str) -> bool:
        """Return whether the client with this secret has agreed, as far as this gateway knows.

        A consent that Redis has lost is noticed when the client's next key frame is queued.
        """
        return self._consents.of(secret) != ("", "")

    def withdraw(self, stream_id: str, frame_id: int) -> None:
        """Take back a key frame that nobody waits for any more."""
        self._queue.remove(_job_id(stream_id, frame_id))
        self._redis.delete(redis_keys.blob(stream_id, frame_id))

    def share(self, secret: str, on: bool) -> None:
        """Let the edge learn from a client's key frames, or stop it and delete all that the client has shared.

        `secret` is a name that only the client knows. Key frames that are queued after a stop are not shared.
        """
        name = public_name(secret)
        if on:
            self._consents.keep(secret, name, self._sharing.allow(name))
        else:
            self._consents.forget(secret)
            self._sharing.withdraw(name)

    def queue_depth(self) -> int:
        """Return how many key frames wait for a worker."""
        return self._queue.count

    def worker_ready(self) -> bool:
        """Return whether a worker of this edge with a loaded model was there in the last seconds.

        Raises redis.RedisError, also if Redis answers but cannot be written to, because it is full or a replica.
        """
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.set(redis_keys.gateway(self._gateway_id), b"", ex=redis_keys.GATEWAY_PROBE_S)
            pipe.exists(redis_keys.worker_beacon(self._edge_id))
            return bool(pipe.execute()[-1])

    async def answers(
        self, on_refused: Callable[[], None] = lambda: None, on_trouble: Callable[[str], None] = lambda kind: None
    ) -> AsyncGenerator[StylizedFrame, None]:
        """Yield every answer to this gateway, for ever; it survives outages of Redis and wrong data in it.

        `on_refused` is called for each unreadable answer, and `on_trouble` with the kind of each error of Redis (see
        redis_errors.REASONS).
        """
        key, last, outage = redis_keys.results(self._gateway_id), b"0", self._outage(on_trouble)
        client = redis.asyncio.Redis.from_url(self._url, socket_timeout=None, retry=None)
        try:
            while True:
                try:
                    async with answered_in(READ_TIMEOUT_S):
                        found: Any = await client.xread({key: last}, redis_keys.RESULTS_MAXLEN, READ_BLOCK_MS)
                        if not found and await beyond(client, key, last):
                            last = b"0"
                    outage.ended()
                except redis.RedisError as error:
                    pause_s = outage.failed(error)
                    await _drop_if_wrong(client, key, error)
                    await asyncio.sleep(pause_s)
                    continue
                for last, fields in entries(found[0][1]) if found else ():
                    try:
                        yield StylizedFrame.unpack(fields.get(b"frame", b""))
                    except BadMessage as error:
                        logger.info("an answer was refused: %s", error)
                        on_refused()
        finally:
            await client.aclose()

    def _outage(self, on_trouble: Callable[[str], None]) -> Outage:
        return Outage("the gateway", address(self._redis), on_trouble)

    def close(self) -> None:
        self._redis.close()


@contextlib.asynccontextmanager
async def answered_in(timeout_s: float) -> AsyncGenerator[None, None]:
    """Raise redis.TimeoutError if Redis does not answer within `timeout_s`.

    redis-py's own time-outs lose a cancellation that comes while something is sent, as asyncio.wait_for does.
    """
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError:
        raise redis.TimeoutError("Redis does not answer in time.") from None


class Consents:
    """Remembers who lets the edge learn from them: the public name and token of each secret. It is thread-safe."""

    def __init__(self) -> None:
        self._known: LruCache[str, tuple[str, str]] = LruCache(CONSENTS)
        self._lock = threading.Lock()

    def of(self, secret: str) -> tuple[str, str]:
        """Return the public name and token, or two empty strings if nothing is agreed, or no longer remembered."""
        with self._lock:
            return self._known.get(secret) or ("", "")

    def keep(self, secret: str, name: str, token: str) -> None:
        with self._lock:
            self._known.put(secret, (name, token))

    def forget(self, secret: str) -> None:
        with self._lock:
            self._known.discard(secret)


class EdgeBroker:
    """The edge worker's side."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection

    def take(self, stream_id: str, frame_id: int) -> tuple[KeyFrame, float] | None:
        """Return the key frame of a job and the milliseconds for which it waited, or None after its deadline.

        The waiting time follows from the remaining lifetime of the blob, so that only Redis' clock counts. Raises
        BadMessage.
        """
        key = redis_keys.blob(stream_id, frame_id)
        with self._redis.pipeline() as pipe:
            pipe.pttl(key)
            pipe.getdel(key)
            left_ms, data = pipe.execute()
        # More than the whole lifetime is left if Redis' clock was set back.
        waited_ms = max(0.0, float(redis_keys.KEY_FRAME_DEADLINE_MS - left_ms))
        return None if data is None else (KeyFrame.unpack(data), waited_ms)

    def answer(self, gateway_id: str, frame: StylizedFrame) -> None:
        """Send an answer to a gateway.

        If the stream takes no entry, because it has reached the last possible id or is no stream, it is deleted first.
        """
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                self._append(pipe, gateway_id, frame)
        except redis.ResponseError as error:
            if kind(error) not in ("type", "error"):
                raise
            logger.warning("the stream of answers to gateway %s takes no entries and is deleted", gateway_id)
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.unlink(redis_keys.results(gateway_id))
                self._append(pipe, gateway_id, frame)

    def answer_in_turn(self, frame: KeyFrame, make: Callable[[StreamMemory | None], Answer]) -> StylizedFrame:
        """Answer a key frame with the help of its stream's memory, and store the new memory. Returns the answer.

        `make` is called with the memory, or None, and returns the answer and the new memory. It is called again if
        another worker has answered the stream's other key frame meanwhile, so that each answer builds on the last one.
        """
        key = redis_keys.memory(frame.stream_id)
        for _ in range(ATTEMPTS):
            with self._redis.pipeline() as pipe:
                pipe.watch(key)
                answer, memory = make(memory_in(held(pipe, key)))
                pipe.multi()
                if memory:
                    pipe.set(key, memory.pack(), ex=redis_keys.STREAM_MEMORY_TTL_S)
                try:
                    self._append(pipe, frame.gateway_id, answer)
                    return answer
                except redis.WatchError:
                    continue
                except redis.ResponseError as error:
                    if kind(error) not in ("type", "error"):
                        raise
                    break
        self.answer(frame.gateway_id, answer)
        return answer

    def _append(self, pipe: redis.client.Pipeline, gateway_id: str, frame: StylizedFrame) -> None:
        """Add an answer to `pipe` and execute it; raises an error of this command, but not those of earlier ones."""
        key = redis_keys.results(gateway_id)
        pipe.xadd(key, {"frame": frame.pack()}, maxlen=redis_keys.RESULTS_MAXLEN, approximate=False)
        pipe.expire(key, redis_keys.RESULTS_TTL_S)
        *_, added, _ = pipe.execute(raise_on_error=False)
        if isinstance(added, redis.RedisError):
            raise added


def held(pipe: redis.client.Pipeline, key: str) -> bytes:
    """Return the string at a key, up to a size that no message reaches, or b"" if the key holds another type."""
    try:
        return cast(bytes, pipe.getrange(key, 0, 2 * MAX_BYTES))
    except redis.ResponseError as error:
        if kind(error) != "type":
            raise
        return b""


def memory_in(found: bytes) -> StreamMemory | None:
    """Parse a stream's memory; return None if there is none or it is invalid."""
    with contextlib.suppress(BadMessage):
        return StreamMemory.unpack(found) if found else None
    return None


async def beyond(client: redis.asyncio.Redis, key: str, last: bytes) -> bool:
    """Return whether `last` is beyond the stream's newest id, because the stream was deleted and started anew."""
    try:
        newest = (await client.xinfo_stream(key))["last-generated-id"]
    except redis.ResponseError as error:
        if "no such key" in str(error):
            return True
        raise
    return place(newest) < place(last)


def place(entry_id: bytes) -> tuple[int, int]:
    """Return an entry's id as two numbers, by which entries are ordered."""
    milliseconds, _, number = entry_id.partition(b"-")
    return int(milliseconds), int(number or 0)


async def _drop_if_wrong(client: redis.asyncio.Redis, key: str, error: redis.RedisError) -> None:
    """Delete the key if the error says that it is no stream; it would block ours for ever."""
    if kind(error) == "type":
        with contextlib.suppress(redis.RedisError):
            async with answered_in(READ_TIMEOUT_S):
                await client.unlink(key)


def _job_id(stream_id: str, frame_id: int) -> str:
    return f"{stream_id}-{frame_id}"
