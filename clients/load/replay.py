"""Plays a recording in a loop, at its own frame rate, as a video track."""

import asyncio
import math
from collections.abc import Callable

from aiortc import MediaStreamTrack, RTCRtpTransceiver
from av.frame import Frame
from av.packet import Packet

from clients.load.fast_rtp_sender import CLOCK_RATE, FastRtpSender, PlainRtpSender, sender_for
from clients.load.recording import INTRA_EVERY, Recording

#: A frame that is sent later than this counts as late: the generator's machine is too small for the test.
LATE_S = 0.05
#: Recordings begin at one of this many points of a frame's duration, so that many clients share a turn of the loop.
PHASES = 8


class Replay(MediaStreamTrack):
    """Sends a recording once its connection is made. `on_frame(frame_id, due_s)` is called just before each frame.

    Frames are due at fixed times, however late the one before was. `is_late` says whether the newest frame left more
    than LATE_S after it was due.
    """

    kind = "video"

    def __init__(self, recording: Recording, on_frame: Callable[[int, float], None]) -> None:
        super().__init__()
        self._recording, self._on_frame = recording, on_frame
        self._timer: asyncio.TimerHandle | None = None
        self._index = 0  # of the next frame
        self._skipped = 0  # frames of the recording that were left out
        self.is_late = False
        self._plain = PlainRtpSender()
        self._sender: FastRtpSender | PlainRtpSender = self._plain

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
        self._timer = self._clock.call_at(self._started_s, self._send)

    @property
    def next_id(self) -> int:
        """The id of the frame after the one that leaves now, unless the receiver asks for an intra frame meanwhile."""
        return self._recording.frame_id(self._index + self._skipped + 1)

    def stop(self) -> None:
        super().stop()
        if self._timer:
            self._timer.cancel()

    def _send(self) -> None:
        due_s = self._due_s()
        self.is_late = self._clock.time() - due_s > LATE_S
        position = self._index + self._skipped
        self._on_frame(self._recording.frame_id(position), due_s)
        frames = self._recording.packets
        self._sender.send(frames[position % len(frames)], round(self._index * CLOCK_RATE / self._recording.fps))
        self._index += 1
        self._timer = self._clock.call_at(self._due_s(), self._send)

    def _due_s(self) -> float:
        return self._started_s + self._index / self._recording.fps

    def _skip_to_intra_frame(self) -> None:
        """Go on with the recording's next intra frame, because the receiver asks for one."""
        position = (self._index + self._skipped) % len(self._recording.packets)
        intra = min(-(-position // INTRA_EVERY) * INTRA_EVERY, len(self._recording.packets))
        self._skipped += intra - position
