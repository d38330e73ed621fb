"""The edge worker's way to its gateways: key frames out of Redis, answers and streams' memories into it."""

import contextlib
import logging
from collections.abc import Callable
from typing import cast

import redis

from pipeline.contract import redis_keys
from pipeline.contract.errors import BadMessage
from pipeline.contract.messages import MAX_BYTES, KeyFrame, PreviewGrids, PreviewPicture, StreamMemory, StylizedFrame
from pipeline.queues.redis_errors import kind

logger = logging.getLogger(__name__)

#: How often an answer is computed if others change the stream's memory meanwhile. A stream has at most two key frames
#: in flight, so three attempts are enough.
ATTEMPTS = 3
#: The answer to a key frame, and the memory that the stream's next key frame needs, or None to leave it as it is.
Answer = tuple[StylizedFrame, StreamMemory | None]


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

    def preview(self, stream_id: str, number: int) -> PreviewPicture | None:
        """Return the picture of a job, or None after its deadline or its answer. Raises BadMessage."""
        data = held(self._redis, redis_keys.preview(stream_id, number))
        return PreviewPicture.unpack(data) if data else None

    def answer_preview(self, gateway_id: str, previews: PreviewGrids) -> None:
        """Send previews to a gateway, and forget their picture."""
        self._redis.unlink(redis_keys.preview(previews.stream_id, previews.number))
        self.answer(gateway_id, previews)

    def answer(self, gateway_id: str, frame: StylizedFrame | PreviewGrids) -> None:
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

    def _append(self, pipe: redis.client.Pipeline, gateway_id: str, frame: StylizedFrame | PreviewGrids) -> None:
        """Add an answer to `pipe` and execute it; raises an error of this command, but not those of earlier ones."""
        key = redis_keys.results(gateway_id)
        field = "frame" if isinstance(frame, StylizedFrame) else "previews"
        pipe.xadd(key, {field: frame.pack()}, maxlen=redis_keys.RESULTS_MAXLEN, approximate=False)
        pipe.expire(key, redis_keys.RESULTS_TTL_S)
        *_, added, _ = pipe.execute(raise_on_error=False)
        if isinstance(added, redis.RedisError):
            raise added


def held(connection: redis.Redis, key: str) -> bytes:
    """Return the string at a key, up to a size that no message reaches, or b"" if the key holds another type."""
    try:
        return cast(bytes, connection.getrange(key, 0, 2 * MAX_BYTES))
    except redis.ResponseError as error:
        if kind(error) != "type":
            raise
        return b""


def memory_in(found: bytes) -> StreamMemory | None:
    """Parse a stream's memory; return None if there is none or it is invalid."""
    with contextlib.suppress(BadMessage):
        return StreamMemory.unpack(found) if found else None
    return None
