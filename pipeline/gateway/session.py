"""One client: its peer connection, its two data channels, its video."""

import asyncio
import contextlib
import json
import logging
import re
import secrets
import time
import traceback
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor

import av
import redis
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)

from pipeline.contract.chunks import to_chunks
from pipeline.contract.control import ControlInbox
from pipeline.contract.errors import BadOffer
from pipeline.contract.messages import KeyFrame, StylizedFrame
from pipeline.contract.settings import Settings
from pipeline.gateway.offers import picture_size
from pipeline.key_frames.picker import KeyFramePicker, Picked
from pipeline.key_frames.selector import KeyFrameSelector
from pipeline.monitoring.stream_stats import StreamStats
from pipeline.queues.broker import GatewayBroker
from pipeline.webrtc.media import decoder_pool, fast_receive, video_limits
from pipeline.webrtc.transport import closing
from pipeline.webrtc.transport.sctp_limits import LimitedSctpTransport

logger = logging.getLogger(__name__)

#: A client that sends nothing for this long never connected, or is gone: ICE alone would notice after half a minute.
SILENCE_TIMEOUT_S = 8.0
#: So often this is checked, and the client told that we are here: it would wait as long for ICE to notice our end.
WATCH_S = 1.0
#: An offer is answered in milliseconds, or once all STUN and TURN servers have answered, or not: aioice's own 5 s.
ANSWER_TIMEOUT_S = 6.0
#: So long a client may take to hear why its session ends.
LAST_WORD_S = 1.0
#: Tasks of ours wait for threads at most, and leave these to themselves when they are cancelled.
TASKS_TIMEOUT_S = 0.5
#: While Redis hangs, no more pictures than this wait for a thread that would give them to it.
MAX_SUBMITTING = 2
#: Two answers waiting on a slow path are enough; the next one is newer anyway.
MAX_BUFFERED_BYTES = 64 * 1024


class Session:
    """Owns every task and channel of its client; `close` may be called any number of times."""

    def __init__(
        self,
        *,
        stream_id: str,
        style_id: str,
        picture_size: tuple[int, int],
        settings: Settings,
        broker: GatewayBroker,
        executor: Executor,
        stats: StreamStats,
        find_style: Callable[[str], str | None],
        on_closed: Callable[["Session"], None],
    ) -> None:
        """`find_style` turns a style's id or name into its id, and may block."""
        self.stream_id, self.style_id, self.stats = stream_id, style_id, stats
        self._gateway_id = settings.gateway_id
        self._broker, self._executor, self._metrics = broker, executor, stats.metrics
        self._find_style, self._on_closed = find_style, on_closed
        selector = KeyFrameSelector(max_interval=settings.key_frame_interval_s)
        self._picture_size, self._picker = picture_size, KeyFramePicker(picture_size[1], selector)
        self._control: RTCDataChannel | None = None
        self._frames: RTCDataChannel | None = None
        self._tasks: set[asyncio.Task] = set()
        self._shared, self._telling = False, False  # whether the edge may learn from this client; and is being told so
        self._shared_by = secrets.token_hex(16)  # who gives no word of its own takes back within this session only
        self._wanted_style, self._is_looking_up = style_id, False
        self._messages_sent = self._submitting = 0
        self._inbox = ControlInbox(time.monotonic())
        self.began_s = self._heard_s = time.monotonic()
        self._closing: asyncio.Task | None = None
        servers = [RTCIceServer(**server) for server in settings.ice_servers]
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self._peer.on("track", self._on_track)
        self._peer.on("datachannel", self._on_channel)
        self._peer.on("connectionstatechange", self._on_connection_state)

    async def answer(self, sdp: str) -> str:
        """The SDP answer to an offer; raises BadOffer. Whoever opened the session closes it then."""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await self._peer.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="offer"))
                self._check_sections()
                if isinstance(self._peer.sctp, LimitedSctpTransport):
                    self._peer.sctp.end_with(self._on_excess)
                await self._peer.setLocalDescription(await self._peer.createAnswer())
        except BadOffer:
            raise
        except TimeoutError:
            raise BadOffer(f"This offer could not be answered within {ANSWER_TIMEOUT_S:.0f} s.") from None
        except Exception as error:  # the SDP parser raises almost anything on hostile text
            raise BadOffer(f"This offer cannot be answered ({type(error).__name__}).") from error
        self._spawn(self._watch())
        return self._peer.localDescription.sdp

    def _check_sections(self) -> None:
        """One connection with one video is what `express` and all limits are for; raises BadOffer."""
        transceivers, sctp = self._peer.getTransceivers(), self._peer.sctp
        if [transceiver.kind for transceiver in transceivers] != ["video"] or sctp is None:
            raise BadOffer("An offer has one video section and one for data channels.")
        if sctp.transport is None or transceivers[0].receiver.transport is not sctp.transport:
            raise BadOffer("An offer has its sections in one BUNDLE group.")

    def deliver(self, answer: StylizedFrame) -> None:
        """Send an edge's answer to the client, if it is still wanted."""
        now_s = time.monotonic()
        seconds = self._picker.answered(answer.frame_id, now_s)
        if seconds is None:
            self.stats.lost("late")
            return
        if answer.error:
            self._drop(answer.frame_id, "error")
            self._send({"type": "error", "error": answer.error})
            return
        if answer.style_id != self.style_id:
            self.stats.lost("style")
            return
        if self._send_frame(answer):
            self.stats.answered(answer, seconds, now_s)

    @property
    def in_flight(self) -> int:
        """Key frames that wait for their answer."""
        return self._picker.in_flight

    @property
    def picture_size(self) -> tuple[int, int]:
        """(width, height) that the client last said it sends."""
        return self._picture_size

    async def count_bytes(self) -> None:
        """Add what went over the wire since the last time to the stats."""
        if self._peer.connectionState != "connected":
            return  # a hostile offer's parts may have no transport
        for report in (await self._peer.getStats()).values():
            if report.type == "transport":
                self.stats.network(report.bytesReceived, report.bytesSent)

    async def close(self) -> None:
        """Returns once place, sockets and tasks are given back, whatever has happened; any number of calls may wait."""
        self._end()
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        try:
            await closing.end_tasks(list(self._tasks), TASKS_TIMEOUT_S)
            await closing.close(self._peer)
        finally:
            self._on_closed(self)

    # video

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "video":
            decoder_pool.hand_over(
                track,
                self._on_frame,
                refuse=self._refuse,
                most_pixels=lambda: video_limits.most_pixels(self._picture_size),
            )

    def _refuse(self, sentence: str) -> None:
        """The decoder takes no more of this video; nothing is left to do but to say so."""
        logger.info("stream %s: %s", self.stream_id, sentence)
        self._spawn(self._say_last(sentence))

    async def _say_last(self, sentence: str) -> None:
        """Data channels may open after the first frame, and take a moment to leave."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORD_S):
                while self._control is None or self._control.readyState != "open":
                    await asyncio.sleep(LAST_WORD_S / 20)
                self._send({"type": "error", "error": sentence})
                while self._control.bufferedAmount:
                    await asyncio.sleep(LAST_WORD_S / 20)
        self._end()

    def _on_frame(self, frame: av.VideoFrame | None) -> None:
        """Every frame as it comes, so that none queues up; only key frames are worked on, elsewhere."""
        if frame is None:
            logger.info("stream %s: no more video", self.stream_id)
            self._end()
        elif self._closing is None:
            self.stats.frame()
            self._heard_s = time.monotonic()
            try:
                self._inspect(frame, self._heard_s)
            except Exception:  # each frame would raise it again, into the event loop's own log
                logger.exception("stream %s: a frame could not be looked at", self.stream_id)
                self._end()

    def _inspect(self, frame: av.VideoFrame, now_s: float) -> None:
        unreadable = self._picker.unreadable
        for frame_id in self._picker.expired(now_s):
            self._drop(frame_id, "deadline")
            self._spawn(self._withdraw(frame_id))
        picked = self._picker.inspect(frame, now_s, can_send=self._can_send())
        if self._picker.unreadable > unreadable:
            self._metrics.frames_dropped.labels("strip").inc()
        if picked:
            self.stats.picked(picked.reason)
            self._send({"type": "key_frame", "frame_id": picked.frame_id, "reason": picked.reason})
            self._spawn(self._submit(picked, self.style_id, now_s))

    async def _submit(self, picked: Picked, style_id: str, picked_s: float) -> None:
        self._submitting += 1
        try:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._encode_and_submit, picked, style_id)
            self.stats.encoded(picked.frame_id, time.monotonic() - picked_s)
            self._ask_again()
        except redis.RedisError as error:
            logger.info("stream %s: key frame %s not queued: %s", self.stream_id, picked.frame_id, error)
            traceback.clear_frames(error.__traceback__)  # redis-py's errors hold themselves: the picture would stay
            self._picker.forget(picked.frame_id)
            self._drop(picked.frame_id, "redis")
        finally:
            self._submitting -= 1

    def _encode_and_submit(self, picked: Picked, style_id: str) -> None:
        cut = picked.reason == "cut"
        jpeg, shared_by = picked.jpeg(), self._shared_by if self._shared else ""
        frame = KeyFrame(
            self._gateway_id,
            self.stream_id,
            picked.frame_id,
            style_id,
            cut,
            jpeg,
            shared_by,
            scene=picked.scene,
            picked_ms=round(1000 * picked.picked_s),
        )
        self._broker.submit(frame)

    async def _withdraw(self, frame_id: int) -> None:
        with contextlib.suppress(redis.RedisError):
            await asyncio.get_running_loop().run_in_executor(
                self._executor, self._broker.withdraw, self.stream_id, frame_id
            )

    def _drop(self, frame_id: int, reason: str) -> None:
        self.stats.dropped(reason)
        self._send({"type": "dropped", "frame_id": frame_id, "reason": reason})

    # channels

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label == "control" and self._control is None:
            self._control = channel
            channel.on("message", self._on_control)
        elif channel.label == "frames" and self._frames is None:
            self._frames = channel
        else:
            channel.close()

    def _on_excess(self, reason: str) -> None:
        """The peer sends more than any client needs, or nonsense: this session ends, and no other."""
        logger.info("stream %s: ended (%s)", self.stream_id, reason)
        self._metrics.sessions_cut.labels(reason).inc()
        self._end()

    def _on_control(self, text: str | bytes) -> None:
        try:
            message = self._inbox.take(text, time.monotonic())
        except ValueError:
            return self._send_nonsense()
        if message:
            return self._obey(message)
        self._metrics.control_dropped.labels("rate").inc()

    def _obey(self, message: dict) -> None:
        try:
            handler = {
                "style": self._on_style,
                "size": self._on_size,
                "key_frame": self._on_ask,
                "share": self._on_share,
            }[message["type"]]
            handler(message)
        except (ValueError, KeyError, TypeError):
            self._send_nonsense()

    def _send_nonsense(self) -> None:
        self._metrics.control_dropped.labels("nonsense").inc()
        self._send({"type": "error", "error": "This control message makes no sense."})

    def _on_style(self, message: dict) -> None:
        if not isinstance(message["style"], str):
            raise TypeError("style")
        self._wanted_style = message["style"]
        if not self._is_looking_up:
            self._is_looking_up = True
            self._spawn(self._change_style())

    async def _change_style(self) -> None:
        """Look up one style at a time; the last one that was wanted counts."""
        wanted = None
        while wanted != self._wanted_style:
            wanted = self._wanted_style
            try:
                style_id = await asyncio.get_running_loop().run_in_executor(self._executor, self._find_style, wanted)
            except redis.RedisError:
                style_id = None
        self._is_looking_up = False
        if style_id is None:
            self._send({"type": "error", "error": "This style is not known here any more; upload it again."})
            return
        self.style_id = style_id
        self._picker.selector.ask("style")

    def _on_size(self, message: dict) -> None:
        self._picture_size = picture_size(message)
        self._picker.picture_height = self._picture_size[1]

    def _on_ask(self, message: dict) -> None:
        frame_id = message.get("frame_id")
        if frame_id is not None and (type(frame_id) is not int or not 0 <= frame_id < 65536):
            raise ValueError("frame_id")
        self._picker.ask(frame_id)

    def _on_share(self, message: dict) -> None:
        if type(message["on"]) is not bool:
            raise TypeError("on")
        self._shared, self._shared_by = message["on"], sharer(message.get("by", self._shared_by))
        if not self._telling:
            self._telling = True
            self._spawn(self._share())

    def _ask_again(self) -> None:
        """Where Redis forgot that this client agreed, nothing is shared until it says so anew: it alone knows."""
        if self._shared and not self._telling and not self._broker.agrees(self._shared_by):
            self._shared = False
            self._send({"type": "share_again"})

    async def _share(self) -> None:
        """Have the edge learn from this stream, or drop all it has of it; the client is told when that is so."""
        done = None
        while done != self._shared:  # the last word counts
            on = self._shared
            try:
                share = self._broker.share, self._shared_by, on
                await asyncio.get_running_loop().run_in_executor(self._executor, *share)
                done = on
            except redis.RedisError as error:
                logger.info("stream %s: sharing not changed (%s), trying again", self.stream_id, error)
                await asyncio.sleep(WATCH_S)
        self._telling = False
        self._send({"type": "share", "on": done})

    def _send(self, message: dict) -> None:
        if self._control is None or self._control.readyState != "open":
            return
        if self._control.bufferedAmount > MAX_BUFFERED_BYTES:  # nobody acknowledges what we say
            self._metrics.control_dropped.labels("unread").inc()
            return
        self._control.send(json.dumps(message))

    def _can_send(self) -> bool:
        """Whether a key frame would leave at once, and its answer, too."""
        open_channels = all(c is not None and c.readyState == "open" for c in (self._control, self._frames))
        return open_channels and self._frames.bufferedAmount == 0 and self._submitting < MAX_SUBMITTING

    def _send_frame(self, answer: StylizedFrame) -> bool:
        """Whether the way to the client was free."""
        if self._frames is None or self._frames.readyState != "open":
            self.stats.lost("channel")
            return False
        if self._frames.bufferedAmount > MAX_BUFFERED_BYTES:
            self.stats.lost("slow")
            return False
        self._messages_sent += 1
        for chunk in to_chunks(self._messages_sent, answer):
            self._frames.send(chunk)
        return True

    # life

    def _on_connection_state(self) -> None:
        logger.info("stream %s: %s", self.stream_id, self._peer.connectionState)
        if self._peer.connectionState == "connected" and self._closing is None:
            fast_receive.attach(self._peer.sctp.transport, self._peer.getReceivers()[0])
        elif self._peer.connectionState in ("failed", "closed"):
            self._end()

    async def _watch(self) -> None:
        """Close once nothing has come for too long; one timer a second costs less than one a frame."""
        while time.monotonic() - self._heard_s < SILENCE_TIMEOUT_S:
            self._send({"type": "alive"})
            for message in self._inbox.due(time.monotonic()):
                self._obey(message)
            await asyncio.sleep(WATCH_S)
        logger.info("stream %s: silent for %.0f s", self.stream_id, SILENCE_TIMEOUT_S)
        self._end()

    def _end(self) -> None:
        """Close, and wait for nothing: the task is the session's own."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close())

    def _spawn(self, coroutine: Coroutine) -> None:
        if self._closing is not None:
            return coroutine.close()
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task) -> None:
        """A session that lost one of its tasks is no session any more; its client comes back."""
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            logger.error("stream %s: a task failed", self.stream_id, exc_info=task.exception())
            self._end()


def sharer(name: object) -> str:
    """The name that a client takes its pictures back by, in any later session of its own; raises ValueError."""
    if not isinstance(name, str) or not re.fullmatch("[0-9a-f-]{16,64}", name):
        raise ValueError("16 to 64 hex digits and dashes are needed")
    return name
