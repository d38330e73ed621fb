"""Which frames of a camera are sent: as many as the gateway wants, and at once those that it asks for or that cut."""

from dataclasses import dataclass
from typing import Literal

from pipeline.contract.control import FrameRequest, GatewayMessage, Pace

#: Scene cuts that are sent whatever the pace come at least this far apart: a flickering light makes more of them.
LEAST_CUT_GAP_S = 0.2
#: So many frames after a cut are sent, too. The gateway may have picked a key frame just before the cut, and takes the
#: next one a moment later, which is then at most this many frames late.
FRAMES_AFTER_CUT = 2
#: What a video may take of the uplink, in bits a second: so much at any pace, and so much more for each frame a second.
#: At 2.5 frames a second each frame gets 15 KB, seven times what it gets at 30.
BITS_PER_S, BITS_PER_FRAME = 250_000, 20_000
#: From this pace on the receiver's estimate of the path is the only limit.
MANY_FPS = 15

Cause = Literal["pace", "asked", "cut"]


@dataclass(slots=True)
class FramePacer:
    """The decision for one camera and one gateway. It has no clock: the camera's own times space frames evenly.

    The twin of clients/web/capture/frame_pacer.js.
    """

    fps: float | None = None  # None: all frames
    _asked: int = 0  # so many frames are sent next, whatever the pace
    _is_cut: bool = False
    _seen_s: float | None = None  # time of the last frame of the camera
    _place_s: float = float("-inf")  # where the last sent frame stands among evenly spaced ones
    _cut_s: float = float("-inf")

    def begin(self) -> None:
        """Forget what a gateway wanted, because another one may be there now. It gets all frames until it says more."""
        self.fps, self._asked = None, 0

    def obey(self, message: GatewayMessage) -> None:
        """Note how many frames the gateway wants, or that it wants the next one; other messages change nothing.

        Who asks again before a frame has come gets one frame.
        """
        match message:
            case Pace():
                self.fps = message.fps
            case FrameRequest():
                self._asked = max(1, self._asked)

    def cause(self, at_s: float, *, is_cut: bool) -> Cause | None:
        """Why the frame of this time is sent, or None if it is left out. To be called once for each of the camera's.

        `is_cut`: whether it begins another scene. Where scenes change faster than LEAST_CUT_GAP_S, a later frame is
        sent in its place.
        """
        gap_s = 0.0 if self._seen_s is None else at_s - self._seen_s
        self._seen_s, self._is_cut = at_s, self._is_cut or is_cut
        cause = self._cause(at_s, gap_s)
        if cause is not None:
            self._place_s, self._asked = self._place(cause, at_s), max(0, self._asked - 1)
        if cause == "cut":
            self._cut_s, self._is_cut, self._asked = at_s, False, FRAMES_AFTER_CUT
        return cause

    def _cause(self, at_s: float, gap_s: float) -> Cause | None:
        if self._is_cut and at_s - self._cut_s >= LEAST_CUT_GAP_S:
            return "cut"
        if self._asked:
            return "asked"
        is_nearest = self.fps is None or at_s + gap_s / 2 >= self._due_s(self.fps)  # the next one is farther away
        return "pace" if is_nearest else None

    def _place(self, cause: Cause, at_s: float) -> float:
        """Its even place, unless it was sent out of turn, or the camera paused for longer than that."""
        if self.fps is None or cause != "pace" or at_s - self._due_s(self.fps) > 1 / self.fps:
            return at_s
        return self._due_s(self.fps)

    def _due_s(self, fps: float) -> float:
        return self._place_s + 1 / fps

    @property
    def most_bits_per_s(self) -> int | None:
        """How much the video may take of the uplink; None if it may take all."""
        return None if self.fps is None or self.fps >= MANY_FPS else round(BITS_PER_S + BITS_PER_FRAME * self.fps)
