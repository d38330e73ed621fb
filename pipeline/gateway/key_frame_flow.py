"""Moves one stream's key frames: from the received frame to the edge, and from the edge's answer to the client."""

import contextlib
import logging
import time
import traceback
from collections.abc import Callable

import av
import redis
from aiortc import RTCDataChannel

from pipeline.contract.chunks import to_chunks
from pipeline.contract.control import ErrorMessage, FrameRequest, KeyFrameDropped, KeyFramePicked
from pipeline.contract.messages import KeyFrame, StylizedFrame
from pipeline.gateway.chosen_style import ChosenStyle
from pipeline.gateway.consent import Consent
from pipeline.gateway.control_channel import MAX_BUFFERED_BYTES
from pipeline.gateway.session_context import SessionContext
from pipeline.key_frames.picker import Candidate, KeyFramePicker, Picked
from pipeline.monitoring.stream_stats import StreamStats

logger = logging.getLogger(__name__)

#: While Redis hangs, no more pictures than this wait for a thread that sends them to it.
MAX_SUBMITTING = 2
#: A frame that is no older than this is new enough to be a key frame. Otherwise the client is asked for a newer one.
FRESH_S = 0.1


class KeyFrameFlow:
    """The key frames of one session. At each step the newest one wins."""

    def __init__(
        self,
        *,
        context: SessionContext,
        picker: KeyFramePicker,
        stats: StreamStats,
        style: ChosenStyle,
        consent: Consent,
        gateway_id: str,
    ) -> None:
        """`gateway_id` names the gateway to which the edge sends its answers."""
        self._context, self._picker, self._stats = context, picker, stats
        self._style, self._consent, self._gateway_id = style, consent, gateway_id
        self._frames: RTCDataChannel | None = None
        self._messages_sent = self._submitting = 0
        self._candidate: Candidate | None = None  # the newest frame, while the stream waits for its turn
        self._has_turn = False  # whether it is the stream's turn, but the frame that was asked for has not come yet

    def attach(self, channel: RTCDataChannel) -> bool:
        """Use the client's channel for answers; return False if there is one already."""
        if self._frames is not None:
            return False
        self._frames = channel
        return True

    # From the camera to the edge

    def inspect(self, frame: av.VideoFrame, now_s: float) -> None:
        """Have this frame wait for the stream's turn if a key frame is due, and give up overdue key frames."""
        for frame_id in self._picker.expired(now_s):
            self._drop(frame_id, "deadline")
            self._context.turns.give_back(self._context.stream_id)
            self._context.spawn(self._withdraw(frame_id))
        unreadable = self._picker.unreadable
        candidate = self._picker.inspect(frame, now_s, can_send=self._can_send())
        if self._picker.unreadable > unreadable:
            self._stats.metrics.frames_dropped.labels("strip").inc()
        if candidate:
            self._candidate = candidate
            if self._has_turn:
                self._pick(candidate, now_s)
            else:
                self._context.turns.join(self._context.stream_id, self._take_turn, now_s)
        self._context.turns.advance(now_s)

    def _take_turn(self, now_s: float) -> None:
        """Use the stream's turn: pick the newest candidate, or ask the client for a frame if that is too old."""
        candidate = self._candidate
        if candidate is None or not self._can_send():
            self._context.turns.give_back(self._context.stream_id)
        elif now_s - candidate.seen_s <= FRESH_S:
            self._pick(candidate, now_s)
        else:
            self._has_turn = True
            self._context.control.send(FrameRequest())

    def _pick(self, candidate: Candidate, now_s: float) -> None:
        self._candidate, self._has_turn = None, False
        picked = self._picker.pick(candidate, now_s)
        self._stats.picked(picked.reason)
        self._context.control.send(KeyFramePicked(picked.frame_id, picked.reason))
        self._context.spawn(self._submit(picked, self._style.id, now_s))

    def pause(self) -> None:
        """Give up the stream's place in the queue and its turn, since no frame will come for them."""
        self._candidate, self._has_turn = None, False
        self._context.turns.leave(self._context.stream_id)

    @property
    def wants_frame(self) -> bool:
        """Whether the next frame is wanted whatever the pace: it may become a key frame, or begin a scene."""
        return self._candidate is not None or self._picker.awaits_frame

    def _can_send(self) -> bool:
        """Return whether a key frame would be sent at once, and its answer too."""
        if self._frames is None or self._frames.readyState != "open" or not self._context.control.is_open:
            return False
        return self._frames.bufferedAmount == 0 and self._submitting < MAX_SUBMITTING

    async def _submit(self, picked: Picked, style_id: str, picked_s: float) -> None:
        self._submitting += 1
        try:
            await self._context.in_thread(self._encode_and_submit, picked, style_id)
            self._stats.encoded(picked.frame_id, time.monotonic() - picked_s)
            self._consent.check()
        except redis.RedisError as error:
            logger.info("stream %s: key frame %s not queued: %s", self._context.stream_id, picked.frame_id, error)
            traceback.clear_frames(error.__traceback__)  # redis-py's errors are reference cycles that hold the picture
            self._picker.forget(picked.frame_id)
            self._context.turns.give_back(self._context.stream_id)
            self._drop(picked.frame_id, "redis")
        finally:
            self._submitting -= 1

    def _encode_and_submit(self, picked: Picked, style_id: str) -> None:
        key_frame = KeyFrame(
            gateway_id=self._gateway_id,
            stream_id=self._context.stream_id,
            frame_id=picked.frame_id,
            style_id=style_id,
            cut=picked.reason == "cut",
            picture=picked.jpeg(),
            shared_by=self._consent.shared_by,
            scene=picked.scene,
            picked_ms=round(1000 * picked.picked_s),
        )
        self._context.broker.submit(key_frame)

    async def _withdraw(self, frame_id: int) -> None:
        with contextlib.suppress(redis.RedisError):
            await self._context.in_thread(self._context.broker.withdraw, self._context.stream_id, frame_id)

    def _drop(self, frame_id: int, reason: str) -> None:
        self._stats.dropped(reason)
        self._context.control.send(KeyFrameDropped(frame_id, reason))

    # From the edge to the client

    def deliver(self, answer: StylizedFrame) -> None:
        """Send an edge's answer to the client, if it is still wanted, and free its place at the edge."""
        now_s = time.monotonic()
        self._context.turns.answered(
            self._context.stream_id,
            queued_s=answer.queue_ms / 1000,
            worked_s=(answer.decode_ms + answer.stylize_ms) / 1000,
        )
        seconds = self._picker.answered(answer.frame_id, now_s)
        if seconds is None:
            self._stats.lost("late")
        elif answer.error:
            self._picker.forget(answer.frame_id)
            self._drop(answer.frame_id, "error")
            self._context.control.send(ErrorMessage(answer.error))
        elif answer.style_id != self._style.id:
            self._stats.lost("style")
        elif self.send(lambda number: to_chunks(number, answer), self._stats.lost):
            self._stats.answered(answer, seconds, now_s)
        else:
            self._picker.forget(answer.frame_id)
        self._context.turns.advance(now_s)

    def send(self, chunks: Callable[[int], list[bytes]], lost: Callable[[str], None]) -> bool:
        """Send the chunks that `chunks` makes of the message's number, or call `lost` with the reason why not."""
        if self._frames is None or self._frames.readyState != "open":
            lost("channel")
            return False
        if self._frames.bufferedAmount > MAX_BUFFERED_BYTES:
            lost("slow")
            return False
        self._messages_sent += 1
        for chunk in chunks(self._messages_sent):
            self._frames.send(chunk)
        return True
