"""The gateway's way to its edge: key frames as jobs in RQ and pictures in Redis strings, and who agrees to sharing."""

import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue

from pipeline.basics.lru import LruCache
from pipeline.contract import redis_keys
from pipeline.contract.errors import BadSetting
from pipeline.contract.messages import KeyFrame, PreviewGrids, PreviewPicture, StylizedFrame
from pipeline.queues.answers import answers
from pipeline.queues.redis_clients import client
from pipeline.queues.redis_errors import Outage
from pipeline.queues.redis_errors import place as address
from pipeline.queues.rq_job import PREVIEW, STYLIZE, AllowListedJob, MsgpackSerializer
from pipeline.queues.training_samples import Sharing, public_name

#: A call that Redis does not answer in this time fails; the next key frame tries again.
CALL_TIMEOUT_S = 1.0
#: How many consents a gateway remembers: many times as many as it has sessions.
CONSENTS = 4_096
NO_URL = (
    "This is no Redis URL: redis://[[user]:password@]host:port/0, rediss://..., unix:///path or "
    "redis+sentinel://host:port,host:port/primary/0 is needed, and what is special in a password must be "
    "percent-encoded."
)


def connect(redis_url: str, timeout_s: float = CALL_TIMEOUT_S) -> redis.Redis:
    """Return a client for calls that Redis answers at once. It has a short time-out and no retries, since a late key
    frame is worth nothing.

    A connection to a Redis that has become a read-only replica is given up after one error, so that the next call
    connects anew, and finds the new primary.

    Raises BadSetting for an invalid URL. Whether Redis is there is only found out by the first call.
    """
    try:
        connection = client(
            redis_url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            retry_on_error=[redis.ReadOnlyError],
        )
        pool = connection.connection_pool
        pool.connection_class(**pool.connection_kwargs)  # this does not connect, but checks the URL's options
    except (ValueError, TypeError):  # the text of the error may contain a piece of the password
        raise BadSetting(NO_URL) from None
    return connection


def stylize_queue(connection: redis.Redis, edge_id: str) -> Queue:
    """Return the RQ queue of an edge's key frames."""
    return _queue(connection, redis_keys.stylize_queue(edge_id))


def preview_queue(connection: redis.Redis, edge_id: str) -> Queue:
    """Return the RQ queue of an edge's previews, which workers look at only while no key frame waits."""
    return _queue(connection, redis_keys.preview_queue(edge_id))


def _queue(connection: redis.Redis, name: str) -> Queue:
    return Queue(name, connection=connection, job_class=AllowListedJob, serializer=MsgpackSerializer)


def enqueue_preview(queue: Queue, stream_id: str, number: int, pipe: redis.client.Pipeline | None = None) -> None:
    """Add a job for previews to their queue; it expires soon after the deadline, and an idle queue as well."""
    deadline_s = redis_keys.PREVIEW_DEADLINE_MS // 1000 + 1
    queue.enqueue(
        PREVIEW,
        stream_id,
        number,
        description="",
        ttl=deadline_s,
        result_ttl=redis_keys.JOB_TTL_S,
        failure_ttl=redis_keys.JOB_TTL_S,
        job_timeout=redis_keys.JOB_TIMEOUT_S,
        pipeline=pipe,
    )
    (queue.connection if pipe is None else pipe).expire(queue.key, 2 * deadline_s)  # where no worker takes from it


class GatewayBroker:
    """The gateway's side. Its methods block, so call them in a thread; only `answers` is asynchronous."""

    def __init__(self, redis_url: str, *, edge_id: str, gateway_id: str) -> None:
        self._url, self._gateway_id, self._edge_id = redis_url, gateway_id, edge_id
        self._redis = connect(redis_url)
        self._queue, self._previews = stylize_queue(self._redis, edge_id), preview_queue(self._redis, edge_id)
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

    def submit_previews(self, pictures: Sequence[PreviewPicture]) -> bool:
        """Queue pictures for previews; return False if too many wait there already, or key frames wait."""
        if self._queue.count or self._previews.count + len(pictures) > redis_keys.PREVIEWS_WAITING:
            return False
        with self._redis.pipeline() as pipe:
            for picture in pictures:
                enqueue_preview(self._previews, picture.stream_id, picture.number, pipe)
                key = redis_keys.preview(picture.stream_id, picture.number)
                pipe.set(key, picture.pack(), px=redis_keys.PREVIEW_DEADLINE_MS)
            pipe.execute()
        return True

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

    def answers(
        self, on_refused: Callable[[], None] = lambda: None, on_trouble: Callable[[str], None] = lambda kind: None
    ) -> AsyncGenerator[StylizedFrame | PreviewGrids, None]:
        """Yield every answer to this gateway, for ever: see `pipeline.queues.answers.answers`."""
        outage = Outage("the gateway", address(self._redis), on_trouble)
        return answers(self._url, self._gateway_id, outage, on_refused)

    def close(self) -> None:
        self._redis.close()


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


def _job_id(stream_id: str, frame_id: int) -> str:
    return f"{stream_id}-{frame_id}"
