"""Counts what one stream does, for the operators' page and for its gateway's metrics."""

from collections import Counter
from dataclasses import dataclass, field

from pipeline.basics.lru import LruCache
from pipeline.contract.messages import StylizedFrame
from pipeline.monitoring.metrics import GatewayMetrics

#: For this many key frames the encoding time is kept until the answer comes; at most two are in flight.
ENCODINGS = 4


@dataclass(slots=True)
class StreamStats:
    """One stream's counts. Times are in seconds of one monotonic clock. `frame` runs for each frame, so it is fast."""

    metrics: GatewayMetrics
    #: The stream's name on the operators' page. Its real id would let them interfere with the session.
    number: int
    #: When the key frame was picked whose look is shown now; before the first one, when the stream began.
    shown_s: float
    frames: int = 0
    key_frames: int = 0
    answers: int = 0
    drops: Counter[str] = field(default_factory=Counter)
    _encodings_s: LruCache[int, float] = field(default_factory=lambda: LruCache(ENCODINGS))
    _bytes: tuple[int, int] = (0, 0)

    def frame(self) -> None:
        self.frames += 1
        self.metrics.frames.inc()

    def picked(self, reason: str) -> None:
        self.key_frames += 1
        self.metrics.key_frames.labels(reason).inc()

    def encoded(self, frame_id: int, seconds: float) -> None:
        """Note how long it took to pick, encode and queue a key frame."""
        self._encodings_s.put(frame_id, seconds)

    def dropped(self, reason: str) -> None:
        """Count a key frame that will not be answered."""
        self.drops[reason] += 1
        self.metrics.key_frames_dropped.labels(reason).inc()

    def lost(self, reason: str) -> None:
        """Count an answer that came but is not sent to the client."""
        self.drops[reason] += 1
        self.metrics.answers_dropped.labels(reason).inc()

    def answered(self, answer: StylizedFrame, seconds: float, now_s: float) -> None:
        """Count an answer that is sent to the client; its key frame was picked `seconds` ago."""
        if self.answers:
            self.metrics.look_age_seconds.observe(now_s - self.shown_s)
        self.answers += 1
        self.metrics.answers.inc()
        self.metrics.answer_seconds.observe(seconds)
        self.shown_s = now_s - seconds
        self._observe_stages(answer, seconds)

    def resumed(self, now_s: float) -> None:
        """Note that a pause is over, so that looks are not counted as late for it."""
        self.shown_s = now_s

    def _observe_stages(self, answer: StylizedFrame, seconds: float) -> None:
        """Record the time of each stage, measured by the process that did it. The rest is the way back."""
        stages = {
            "encode": self._encodings_s.get(answer.frame_id) or 0.0,
            "queue": answer.queue_ms / 1000,
            "decode": answer.decode_ms / 1000,
            "stylize": answer.stylize_ms / 1000,
        }
        stages["return"] = max(0.0, seconds - sum(stages.values()))
        for stage, value in stages.items():
            self.metrics.stage_seconds[stage].observe(value)

    def network(self, received: int, sent: int) -> None:
        """Count network traffic, given the bytes received and sent since the session began."""
        for direction, now, before in zip(("in", "out"), (received, sent), self._bytes, strict=True):
            self.metrics.network_bytes.labels(direction).inc(max(0, now - before))
        self._bytes = received, sent
