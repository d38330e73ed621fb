"""Plays a recording in a loop, at its own frame rate, as a video track."""

import asyncio
import math
from collections.abc import Callable

from aiortc import MediaStreamTrack, RTCRtpTransceiver
from av.frame import Frame
from av.packet import Packet

from clients.load.fast_rtp_sender import CLOCK_RATE, FastRtpSender, PlainRtpSender, sender_for
from clients.load.recording import Recording
from clients.net.frame_pacer import FRAMES_AFTER_CUT

#: A frame that is sent later than this counts as late: the generator's machine is too small for the test.
LATE_S = 0.05
#: Recordings begin at one of this many points of a frame's duration, so that many clients share a turn of the loop.
PHASES = 8


class Replay(MediaStreamTrack):
    """Plays a recording once its connection is made, and sends as many of its frames as the gateway wants.

    `on_frame(frame_id, due_s)` is called with each frame that the camera sees, once it was sent or left out, and
    `on_cut(frame_id)` with the first frame of a scene, just before it is sent. Frames are due at fixed times, however
    late the one before was.
    """

    kind = "video"

    def __init__(
        self,
        recording: Recording,
        on_frame: Callable[[int, float], None],
        on_cut: Callable[[int], None] = lambda frame_id: None,
    ) -> None:
        super().__init__()
        self._recording, self._on_frame, self._on_cut = recording, on_frame, on_cut
        self._timer: asyncio.TimerHandle | None = None
        self._index = 0  # of the next frame
        self._skipped = 0  # frames of the recording that were left out because an intra frame was asked for
        self._step, self._asked = 1, 0
        self.is_late = False  # whether the newest frame was sent more than LATE_S after it was due
        self.sent_bytes = 0  # of the newest frame; 0 when it was left out
        self._plain = PlainRtpSender()
        self._sender: FastRtpSender | PlainRtpSender = self._plain

    def keep_pace(self, fps: float) -> None:
        """Send this many frames a second from now on, or the next higher number that the recording allows."""
        self._step = self._recording.step(fps)

    def ask(self) -> None:
        """Send the next frame, whatever the pace."""
        self._asked = max(1, self._asked)

    async def recv(self) -> Frame | Packet:
        """The next frame for aiortc's own sender. On the fast path it waits here in vain until it is stopped."""
        return await self._plain.next_packet()

    def play(self, transceiver: RTCRtpTransceiver) -> None:
        """Begin to send over a connected transceiver."""
        self._sender = sender_for(transceiver, self._plain, on_intra_frame_asked=self._skip_to_intra_frame)
        self._clock = asyncio.get_running_loop()
        starts_per_s = PHASES * self._recording.fps
        # The loop's clock is time.monotonic().
        self._started_s = math.ceil(self._clock.time() * starts_per_s) / starts_per_s
        self._timer = self._clock.call_at(self._started_s, self._play_frame)

    @property
    def next_id(self) -> int:
        """The id of the frame after the one that leaves now, unless the receiver asks for an intra frame meanwhile."""
        return self._recording.frame_id(self._index + self._skipped + 1)

    def stop(self) -> None:
        super().stop()
        if self._timer:
            self._timer.cancel()

    def _play_frame(self) -> None:
        due_s, position = self._due_s(), self._index + self._skipped
        frame_id = self._recording.frame_id(position)
        self.is_late = self._clock.time() - due_s > LATE_S
        if self._recording.begins_scene(position):
            self._on_cut(frame_id)
            self._asked = 1 + FRAMES_AFTER_CUT
        self.sent_bytes = self._send(position) if self._is_due(position) else 0
        self._on_frame(frame_id, due_s)
        self._index += 1
        self._timer = self._clock.call_at(self._due_s(), self._play_frame)

    def _is_due(self, position: int) -> bool:
        return self._asked > 0 or self._recording.is_at(position, self._step)

    def _send(self, position: int) -> int:
        self._asked = max(0, self._asked - 1)
        timestamp = round(self._index * CLOCK_RATE / self._recording.fps)
        is_needed = self._recording.is_needed(position)
        return self._sender.send(self._recording.packet(position), timestamp, is_needed=is_needed)

    def _due_s(self) -> float:
        return self._started_s + self._index / self._recording.fps

    def _skip_to_intra_frame(self) -> None:
        """Go on with the recording's next intra frame, because the receiver asks for one."""
        position = self._index + self._skipped
        self._skipped += self._recording.next_intra(position) - position
