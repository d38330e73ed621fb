"""When the frames of a recording leave: at its own rate, round and round, for ever."""

import asyncio
import math
from collections.abc import Callable

from aiortc import MediaStreamTrack, RTCRtpTransceiver
from av.frame import Frame
from av.packet import Packet

from clients.load.fast_rtp_sender import CLOCK_RATE, Outlet, PlainOutlet, outlet_of
from clients.load.recording import WHOLE_EVERY, Recording

#: A frame that waits longer than this for its sender makes the measurement worthless: the machine is too small for it.
LATE_S = 0.05
#: Points of a frame's time at which recordings begin: those of a process that share one cost a turn of the loop.
PHASES = 8


class Replay(MediaStreamTrack):
    """Sends a recording once a connection is made. `on_frame(frame_id, due_s)` hears of each just before it leaves.

    Frames are due at fixed times, however late the one before was; `is_late`: whether the newest left LATE_S after its.
    """

    kind = "video"

    def __init__(self, recording: Recording, on_frame: Callable[[int, float], None]) -> None:
        super().__init__()
        self._recording, self._on_frame = recording, on_frame
        self._timer: asyncio.TimerHandle | None = None
        self._index = 0  # of the next frame
        self._skipped = 0  # frames of the recording that were left out
        self.is_late = False
        self._plain = PlainOutlet()
        self._outlet: Outlet | PlainOutlet = self._plain

    async def recv(self) -> Frame | Packet:
        """Nothing ever comes this way but where aiortc's own sender sends; it waits here until it is stopped."""
        return await self._plain.next_packet()

    def play(self, transceiver: RTCRtpTransceiver) -> None:
        """Begin to send over what is connected."""
        self._outlet = outlet_of(transceiver, self._plain, on_intra_frame_asked=self._begin_whole)
        self._clock = asyncio.get_running_loop()
        grid = PHASES * self._recording.fps
        self._started_s = math.ceil(self._clock.time() * grid) / grid  # of time.monotonic(), too
        self._timer = self._clock.call_at(self._started_s, self._send)

    @property
    def next_id(self) -> int:
        """Of the frame after the one that leaves, unless an intra frame is asked for."""
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
        self._outlet.send(frames[position % len(frames)], round(self._index * CLOCK_RATE / self._recording.fps))
        self._index += 1
        self._timer = self._clock.call_at(self._due_s(), self._send)

    def _due_s(self) -> float:
        return self._started_s + self._index / self._recording.fps

    def _begin_whole(self) -> None:
        """Go on with the recording's next intra frame, as an encoder does that is asked for one."""
        position = (self._index + self._skipped) % len(self._recording.packets)
        whole = min(-(-position // WHOLE_EVERY) * WHOLE_EVERY, len(self._recording.packets))
        self._skipped += whole - position
