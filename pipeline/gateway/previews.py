"""Previews of one session: a frame in each style that its client asks for, if there is time for that."""

import logging
import time
from collections.abc import Callable, Sequence

import av
import redis

from pipeline.basics.token_bucket import TokenBucket
from pipeline.capacity.giving_way import Concessions
from pipeline.contract import frame_strip, redis_keys
from pipeline.contract.chunks import to_preview_chunks
from pipeline.contract.messages import PreviewGrids, PreviewPicture
from pipeline.gateway.session_context import SessionContext
from pipeline.key_frames.picker import KeyFramePicker, jpeg_of
from pipeline.monitoring.metrics import GatewayMetrics

logger = logging.getLogger(__name__)

#: How often a client may ask for previews, and how many times in a row it may ask sooner: for a photo just added.
INTERVAL_S, BURST = 10.0, 2
#: The network works on 128 px. Twice that makes a JPEG of 12 KB.
PICTURE_SIDE_PX = 256
STYLES_A_JOB = PreviewPicture.MOST_STYLES


class Previews:
    """Takes one request at a time, and none while the service gives anything up; a refused client may ask later."""

    def __init__(
        self,
        *,
        context: SessionContext,
        picker: KeyFramePicker,
        metrics: GatewayMetrics,
        send: Callable[[Callable[[int], list[bytes]], Callable[[str], None]], bool],
        gateway_id: str,
    ) -> None:
        """`send` sends a message on the frames channel, see KeyFrameFlow.send."""
        self._context, self._picker, self._send, self._gateway_id = context, picker, send, gateway_id
        self._metrics = metrics
        self._budget = TokenBucket(BURST, 1 / INTERVAL_S, time.monotonic())
        self._wanted: tuple[str, ...] = ()  # styles of a request whose frame has not come yet
        self._passed_id: int | None = None  # the newest frame when they were asked for
        self._awaited: set[int] = set()  # the numbers of jobs that are not answered yet
        self._until_s = 0.0  # when nobody waits for them any more
        self._jobs = 0
        self.concessions = Concessions()

    def ask(self, styles: tuple[str, ...], now_s: float) -> None:
        """Have the next frame shown in these styles, or refuse that."""
        if self._wanted or (self._awaited and now_s < self._until_s) or not self._budget.take(now_s):
            self._count("rate")
        elif self._is_busy():
            self._count("busy")
        else:
            self._wanted, self._passed_id = styles, self._picker.newest_id

    def _count(self, outcome: str) -> None:
        self._metrics.previews.labels(outcome).inc()

    def _is_busy(self) -> bool:
        """Return whether the service gives anything up at present, or a stream waits for its turn at the edge."""
        plain = Concessions()
        gives_up = self.concessions.stretch > plain.stretch or self.concessions.fps < plain.fps
        return gives_up or self._context.turns.waiting > 0

    def inspect(self, frame: av.VideoFrame, now_s: float) -> None:
        """Take this frame, which the picker has seen, if one is wanted and its strip could be read."""
        frame_id = self._picker.newest_id
        if not self._wanted or frame_id is None or frame_id == self._passed_id:
            return
        jobs = [self._wanted[i : i + STYLES_A_JOB] for i in range(0, len(self._wanted), STYLES_A_JOB)]
        numbers = range(self._jobs, self._jobs + len(jobs))
        self._wanted, self._jobs = (), numbers.stop
        self._awaited, self._until_s = set(numbers), now_s + redis_keys.PREVIEW_DEADLINE_MS / 1000
        rows = frame_strip.strip_rows(frame.height, self._picker.picture_height)
        self._context.spawn(self._submit(frame, rows, frame_id, dict(zip(numbers, jobs, strict=True))))

    async def _submit(self, frame: av.VideoFrame, rows: int, frame_id: int, jobs: dict[int, Sequence[str]]) -> None:
        def encode_and_submit() -> bool:
            picture = jpeg_of(frame, rows, PICTURE_SIDE_PX)
            ids = (self._gateway_id, self._context.stream_id)
            named = [PreviewPicture(*ids, number, frame_id, ",".join(of), picture) for number, of in jobs.items()]
            return self._context.broker.submit_previews(named)

        try:
            refusal = None if await self._context.in_thread(encode_and_submit) else "queue"
        except redis.RedisError as error:
            logger.info("stream %s: previews not queued: %s", self._context.stream_id, error)
            refusal = "redis"
        if refusal:
            self._awaited.clear()
            self._count(refusal)

    def deliver(self, previews: PreviewGrids) -> None:
        """Send previews to the client, if it still waits for them."""
        if previews.number not in self._awaited or time.monotonic() > self._until_s:
            self._count("late")
            return
        self._awaited.discard(previews.number)
        if self._send(lambda number: to_preview_chunks(number, previews), self._count):
            self._count("answered")
