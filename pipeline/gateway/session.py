"""One client: its peer connection and its life, from the answer to its offer until everything is given back."""

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
    Pace,
    SceneCut,
    SharingChoice,
    SizeChange,
    StyleChoice,
)
from pipeline.contract.errors import BadOffer
from pipeline.contract.messages import StylizedFrame
from pipeline.contract.settings import Settings
from pipeline.gateway.chosen_style import ChosenStyle
from pipeline.gateway.consent import Consent
from pipeline.gateway.control_channel import ControlChannel
from pipeline.gateway.key_frame_flow import KeyFrameFlow
from pipeline.gateway.session_context import SessionContext
from pipeline.key_frames.picker import KeyFramePicker
from pipeline.key_frames.selector import KeyFrameSelector
from pipeline.monitoring.stream_stats import StreamStats
from pipeline.queues.broker import GatewayBroker
from pipeline.webrtc.media import decoder_pool, fast_receive, video_limits
from pipeline.webrtc.transport import closing
from pipeline.webrtc.transport.sctp_limits import LimitedSctpTransport

logger = logging.getLogger(__name__)

#: A client that sends nothing for this long never connected, or is gone: ICE alone would notice after half a minute.
SILENCE_TIMEOUT_S = 8.0
#: How often silence is checked for, and the client is told that we are here: ICE would tell it of our end as late.
WATCH_S = 1.0
#: An offer is answered in milliseconds, or once all STUN and TURN servers have answered, or not: aioice's own 5 s.
ANSWER_TIMEOUT_S = 6.0
#: A task that waits for a thread leaves the thread to itself when it is cancelled, so it ends at once.
TASKS_TIMEOUT_S = 0.5


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
        turns: KeyFrameTurns,
        find_style: Callable[[str], str | None],
        on_closed: Callable[["Session"], None],
    ) -> None:
        """`turns` is shared by all sessions. `find_style` turns a style's id or name into its id, and may block."""
        self.stream_id, self.picture_size, self.stats = stream_id, picture_size, stats
        self._on_closed, self._turns = on_closed, turns
        self._pace = self._told_pace = Pace(Concessions().fps)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Task[None] | None = None
        self.began_s = self._heard_s = time.monotonic()
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
        servers = [RTCIceServer(**server) for server in settings.ice_servers]
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self._peer.on("track", self._on_track)
        self._peer.on("datachannel", self._on_channel)
        self._peer.on("connectionstatechange", self._on_connection_state)

    async def answer(self, sdp: str) -> str:
        """The SDP answer to an offer. Raises BadOffer; whoever opened the session closes it then."""
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
        """One connection with one video is what the fast receive path and all limits are for; raises BadOffer."""
        transceivers, sctp = self._peer.getTransceivers(), self._peer.sctp
        if [transceiver.kind for transceiver in transceivers] != ["video"] or sctp is None:
            raise BadOffer("An offer has one video section and one for data channels.")
        if sctp.transport is None or transceivers[0].receiver.transport is not sctp.transport:
            raise BadOffer("An offer has its sections in one BUNDLE group.")

    def deliver(self, answer: StylizedFrame) -> None:
        """Send an edge's answer to the client, if it is still wanted."""
        self._key_frames.deliver(answer)

    @property
    def style_id(self) -> str:
        """The style that key frames get now."""
        return self._style.id

    @property
    def in_flight(self) -> int:
        """Key frames that wait for their answer."""
        return self._picker.in_flight

    def concede(self, concessions: Concessions) -> None:
        """Live with what the gateway can give at present, and tell the client."""
        self._picker.selector.stretch = concessions.stretch
        interval_s = concessions.look_interval_s
        self._pace = Pace(concessions.fps, None if interval_s is None else max(0.5, round(2 * interval_s) / 2))
        self._tell_pace()

    def _tell_pace(self) -> None:
        """Say how many frames are wanted whenever that changes. A client that has heard nothing sends all."""
        if self._pace != self._told_pace and self._control.is_open:
            self._told_pace = self._pace
            self._control.send(self._pace)

    async def count_bytes(self) -> None:
        """Count in the stats what went over the wire since the last time."""
        if self._peer.connectionState != "connected":
            return  # a hostile offer's parts may have no transport
        for report in (await self._peer.getStats()).values():
            if report.type == "transport":
                self.stats.network(report.bytesReceived, report.bytesSent)

    async def close(self) -> None:
        """Return once the place, sockets and tasks are given back, whatever has happened."""
        await asyncio.shield(self._end())

    async def _close(self) -> None:
        try:
            self._turns.leave(self.stream_id)
            await closing.end_tasks(list(self._tasks), TASKS_TIMEOUT_S)
            await closing.close(self._peer)
        finally:
            self._on_closed(self)

    # video

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "video":
            reading = decoder_pool.hand_over(
                track,
                self._on_frame,
                refuse=self._refuse,
                most_pixels=lambda: video_limits.most_pixels(self.picture_size),
            )
            if reading:
                self._spawn(reading)

    def _on_frame(self, frame: av.VideoFrame | None) -> None:
        """Called for every frame as it comes, so that none queues up; key frames are worked on elsewhere."""
        if frame is None:
            logger.info("stream %s: no more video", self.stream_id)
            self._end()
        elif self._closing is None:
            self.stats.frame()
            self._heard_s = time.monotonic()
            try:
                self._key_frames.inspect(frame, self._heard_s)
            except Exception:  # each frame would raise it again, into the event loop's own log
                logger.exception("stream %s: a frame could not be inspected", self.stream_id)
                self._end()

    def _refuse(self, sentence: str) -> None:
        """The decoder takes no more of this video: nothing is left to do but to say so."""
        logger.info("stream %s: %s", self.stream_id, sentence)
        self._spawn(self._end_with(sentence))

    async def _end_with(self, sentence: str) -> None:
        await self._control.send_last(ErrorMessage(sentence))
        self._end()

    # channels

    def _on_channel(self, channel: RTCDataChannel) -> None:
        takers = {"control": self._control.attach, "frames": self._key_frames.attach}
        if channel.label not in takers or not takers[channel.label](channel):
            channel.close()
        self._tell_pace()

    def _on_excess(self, reason: str) -> None:
        """The peer sends more than any client needs, or nonsense: this session ends, and no other."""
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
            case SharingChoice():
                self._consent.choose(message)

    # life

    def _on_connection_state(self) -> None:
        logger.info("stream %s: %s", self.stream_id, self._peer.connectionState)
        if self._peer.connectionState == "connected" and self._closing is None and self._peer.sctp is not None:
            fast_receive.attach(self._peer.sctp.transport, self._peer.getReceivers()[0])
        elif self._peer.connectionState in ("failed", "closed"):
            self._end()

    async def _watch(self) -> None:
        """Close once nothing has come for too long; one timer a second costs less than one a frame."""
        while time.monotonic() - self._heard_s < SILENCE_TIMEOUT_S:
            self._control.send(Alive())
            self._control.obey_held()
            await asyncio.sleep(WATCH_S)
        logger.info("stream %s: silent for %.0f s", self.stream_id, SILENCE_TIMEOUT_S)
        self._end()

    def _end(self) -> asyncio.Task[None]:
        """Begin to close, once. The task is the session's own: whoever waits for it may leave."""
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
        """A session that lost one of its tasks is no session any more; its client comes back."""
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            logger.error("stream %s: a task failed", self.stream_id, exc_info=task.exception())
            self._end()
