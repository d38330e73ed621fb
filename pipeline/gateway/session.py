"""The session of one client: its peer connection, from the answer to its offer until all resources are given back."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor

import av
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)

from pipeline.capacity.giving_way import Concessions
from pipeline.capacity.turns import KeyFrameTurns
from pipeline.contract.control import (
    Alive,
    ClientMessage,
    ErrorMessage,
    KeyFrameRequest,
    Move,
    Pace,
    PauseChange,
    PreviewRequest,
    SceneCut,
    SharingChoice,
    SizeChange,
    StyleChoice,
)
from pipeline.contract.errors import BadOffer, Busy
from pipeline.contract.messages import PreviewGrids, StylizedFrame
from pipeline.contract.settings import Settings
from pipeline.gateway.chosen_style import ChosenStyle
from pipeline.gateway.consent import Consent
from pipeline.gateway.control_channel import ControlChannel
from pipeline.gateway.key_frame_flow import KeyFrameFlow
from pipeline.gateway.previews import Previews
from pipeline.gateway.session_context import SessionContext
from pipeline.key_frames.picker import KeyFramePicker
from pipeline.key_frames.selector import KeyFrameSelector
from pipeline.key_frames.wanted_frames import WantedFrames
from pipeline.monitoring.stream_stats import StreamStats
from pipeline.queues.broker import GatewayBroker
from pipeline.webrtc.media import fast_receive, handover, video_limits
from pipeline.webrtc.transport import closing
from pipeline.webrtc.transport.sctp_limits import LimitedSctpTransport

logger = logging.getLogger(__name__)

#: A client that sends nothing for this long never connected, or is gone. ICE alone would notice after half a minute.
SILENCE_TIMEOUT_S = 8.0
#: A paused client keeps its place for this long, as long as nobody else needs it; then it has to connect anew.
PAUSE_TIMEOUT_S = 600.0
#: How often the gateway checks for silence, and sends a sign of life; the client's ICE would notice our end as late.
WATCH_S = 1.0
#: An offer is answered in milliseconds, or else when STUN and TURN servers have answered, for which aioice waits 5 s.
ANSWER_TIMEOUT_S = 6.0
#: Tasks end at once when they are cancelled, since a task that waits for a thread does not wait for the thread's end.
TASKS_TIMEOUT_S = 0.5


class Session:
    """The session of one client, which owns its tasks and channels. `close` may be called any number of times."""

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
        turns: KeyFrameTurns,
        find_style: Callable[[str], str | None],
        on_closed: Callable[["Session"], None],
    ) -> None:
        """`turns` is shared by all sessions. `find_style` turns a style's id or name into its id, and may block."""
        self.stream_id, self.picture_size, self.stats = stream_id, picture_size, stats
        self._on_closed, self._turns = on_closed, turns
        self._pace = self._told_pace = Pace(Concessions().fps)
        self._sign_of_life: Alive | Move = Alive()
        self._wanted_frames = WantedFrames()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Task[None] | None = None
        self.began_s = self._heard_s = time.monotonic()
        self.is_paused = False  # the client has said that it sends no frames for now
        self._control = ControlChannel(self._obey, stats.metrics)
        context = SessionContext(stream_id, broker, executor, self._control, turns, self._spawn)
        self._picker = KeyFramePicker(picture_size[1], KeyFrameSelector(max_interval=settings.key_frame_interval_s))
        self._style = ChosenStyle(style_id, context, find_style, lambda: self._picker.selector.ask("style"))
        self._consent = Consent(context)
        self._key_frames = KeyFrameFlow(
            context=context,
            picker=self._picker,
            stats=stats,
            style=self._style,
            consent=self._consent,
            gateway_id=settings.gateway_id,
        )
        self._previews = Previews(
            context=context,
            picker=self._picker,
            metrics=stats.metrics,
            send=self._key_frames.send,
            gateway_id=settings.gateway_id,
        )
        servers = [RTCIceServer(**server) for server in settings.ice_servers]
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self._peer.on("track", self._on_track)
        self._peer.on("datachannel", self._on_channel)
        self._peer.on("connectionstatechange", self._on_connection_state)

    async def answer(self, sdp: str) -> str:
        """Return the SDP answer to an offer. Raises BadOffer or Busy; then the caller must close the session."""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await self._peer.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="offer"))
                self._check_sections()
                if isinstance(self._peer.sctp, LimitedSctpTransport):
                    self._peer.sctp.end_with(self._on_excess)
                await self._peer.setLocalDescription(await self._peer.createAnswer())
        except (BadOffer, Busy):
            raise
        except TimeoutError:
            raise BadOffer(f"This offer could not be answered within {ANSWER_TIMEOUT_S:.0f} s.") from None
        except Exception as error:  # the SDP parser raises almost anything on hostile text
            raise BadOffer(f"This offer cannot be answered ({type(error).__name__}).") from error
        self._spawn(self._watch())
        return self._peer.localDescription.sdp

    def _check_sections(self) -> None:
        """Raise BadOffer unless there is one connection with one video, as the fast path and all limits assume."""
        transceivers, sctp = self._peer.getTransceivers(), self._peer.sctp
        if [transceiver.kind for transceiver in transceivers] != ["video"] or sctp is None:
            raise BadOffer("An offer has one video section and one for data channels.")
        if sctp.transport is None or transceivers[0].receiver.transport is not sctp.transport:
            raise BadOffer("An offer has its sections in one BUNDLE group.")

    def deliver(self, answer: StylizedFrame | PreviewGrids) -> None:
        """Send an edge's answer to the client, if it is still wanted."""
        if isinstance(answer, PreviewGrids):
            self._previews.deliver(answer)
        else:
            self._key_frames.deliver(answer)

    @property
    def style_id(self) -> str:
        """The id of the style that key frames get now."""
        return self._style.id

    @property
    def in_flight(self) -> int:
        """How many key frames wait for their answers."""
        return self._picker.in_flight

    def concede(self, concessions: Concessions) -> None:
        """Apply the gateway's present reductions to this session, and tell the client."""
        self._picker.selector.stretch = concessions.stretch
        self._previews.concessions = concessions
        interval_s = concessions.look_interval_s
        self._pace = Pace(concessions.fps, None if interval_s is None else max(0.5, round(2 * interval_s) / 2))
        self._tell_pace()

    def ask_to_move(self) -> None:
        """Tell the client that this gateway is about to stop, at once and with each sign of life."""
        self._sign_of_life = Move()
        self._control.send(self._sign_of_life)

    def _tell_pace(self) -> None:
        """Tell the client how many frames are wanted whenever that changes; before it is told, it sends all."""
        if self._pace != self._told_pace and self._control.is_open:
            self._told_pace = self._pace
            self._control.send(self._pace)

    async def count_bytes(self) -> None:
        """Count in the stats the bytes that were sent and received since the last call."""
        if self._peer.connectionState != "connected":
            return  # parts of a hostile offer may have no transport
        for report in (await self._peer.getStats()).values():
            if report.type == "transport":
                self.stats.network(report.bytesReceived, report.bytesSent)

    async def close(self) -> None:
        """Close the session; its place, sockets and tasks are given back when this returns, whatever happens."""
        await asyncio.shield(self._end())

    async def _close(self) -> None:
        try:
            self._turns.leave(self.stream_id)
            await closing.end_tasks(list(self._tasks), TASKS_TIMEOUT_S)
            await closing.close(self._peer)
        finally:
            self._on_closed(self)

    # Video

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "video":
            reading = handover.hand_over(
                track,
                self._on_frame,
                refuse=self._refuse,
                most_pixels=lambda: video_limits.most_pixels(self.picture_size),
                wants_frame=self._wants_frame,
            )
            if reading:
                self._spawn(reading)

    def _wants_frame(self, time_s: float) -> bool:
        """Return whether a frame with this time should be looked at."""
        return not self.is_paused and self._wanted_frames.wants(
            time_s, self._pace.fps, is_urgent=self._key_frames.wants_frame
        )

    def _on_frame(self, frame: av.VideoFrame | None) -> None:
        """Inspect a decoded frame as soon as it comes, so that no frames pile up. None means the end of the video."""
        if frame is None:
            logger.info("stream %s: no more video", self.stream_id)
            self._end()
        elif self._closing is None and not self.is_paused:
            self.stats.frame()
            self._heard_s = time.monotonic()
            try:
                self._key_frames.inspect(frame, self._heard_s)
                self._previews.inspect(frame, self._heard_s)
            except Exception:  # each further frame would raise the same error, into the event loop's own log
                logger.exception("stream %s: a frame could not be inspected", self.stream_id)
                self._end()

    def _refuse(self, sentence: str) -> None:
        """End the session because the decoder refused the video; the client is told why first."""
        logger.info("stream %s: %s", self.stream_id, sentence)
        self._spawn(self._end_with(sentence))

    async def _end_with(self, sentence: str) -> None:
        await self._control.send_last(ErrorMessage(sentence))
        self._end()

    # Data channels

    def _on_channel(self, channel: RTCDataChannel) -> None:
        takers = {"control": self._control.attach, "frames": self._key_frames.attach}
        if channel.label not in takers or not takers[channel.label](channel):
            channel.close()
        self._tell_pace()

    def _on_excess(self, reason: str) -> None:
        """End the session because the peer sent more than any client needs, or invalid packets."""
        logger.info("stream %s: ended (%s)", self.stream_id, reason)
        self.stats.metrics.sessions_cut.labels(reason).inc()
        self._end()

    def _obey(self, message: ClientMessage) -> None:
        match message:
            case StyleChoice():
                self._style.choose(message.style)
            case SizeChange():
                self.picture_size = message.width, message.height
                self._picker.picture_height = message.height
            case KeyFrameRequest():
                self._picker.ask(message.frame_id)
            case SceneCut():
                self._picker.cut_at(message.frame_id)
            case PauseChange():
                self._pause(message.on)
            case SharingChoice():
                self._consent.choose(message)
            case PreviewRequest():
                self._previews.ask(message.styles, time.monotonic())

    def _pause(self, on: bool) -> None:
        """Begin or end a pause. After it the first frame becomes a key frame, and the time without one is no delay."""
        if on == self.is_paused:
            return
        self.is_paused, self._heard_s = on, time.monotonic()
        if on:
            self._key_frames.pause()
        else:
            self.stats.resumed(self._heard_s)
            self._picker.ask()

    # Life and end

    def _on_connection_state(self) -> None:
        logger.info("stream %s: %s", self.stream_id, self._peer.connectionState)
        if self._peer.connectionState == "connected" and self._closing is None and self._peer.sctp is not None:
            fast_receive.attach(self._peer.sctp.transport, self._peer.getReceivers()[0])
        elif self._peer.connectionState in ("failed", "closed"):
            self._end()

    async def _watch(self) -> None:
        """Send signs of life, and end the session once no frame has come for too long, or a pause has lasted too long.

        A timer each second costs less than one that is set with each frame.
        """
        while (silent_s := time.monotonic() - self._heard_s) < self._longest_silence_s:
            self._control.send(self._sign_of_life)
            self._control.obey_held()
            await asyncio.sleep(WATCH_S)
        logger.info("stream %s: silent for %.0f s", self.stream_id, silent_s)
        self._end()

    @property
    def _longest_silence_s(self) -> float:
        return PAUSE_TIMEOUT_S if self.is_paused else SILENCE_TIMEOUT_S

    def _end(self) -> asyncio.Task[None]:
        """Begin to close, once; return the closing task, which goes on even if nobody waits for it."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close())
        return self._closing

    def _spawn(self, coroutine: Coroutine[object, object, None]) -> None:
        if self._closing is not None:
            coroutine.close()
            return
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        """End the session if one of its tasks failed; the client will connect again."""
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            logger.error("stream %s: a task failed", self.stream_id, exc_info=task.exception())
            self._end()
