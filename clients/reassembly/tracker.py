"""Follows the motion since each key frame whose answer is awaited or shown.

The page's twin is clients/web/flow/tracker.js.
"""

from dataclasses import dataclass

import numpy as np

from clients.reassembly.flow import Estimate, Flow, flow_between

#: Frames are remembered for this long, because a key frame is announced within a round trip.
REMEMBERED_S = 3.0
MAX_FRAMES = 128
#: The key frame on show, two whose answers are on their way, and one to spare.
MAX_KEY_FRAMES = 4


@dataclass(slots=True)
class _Key:
    luma: np.ndarray
    flow: Flow | None = None


class Tracker:
    """One stream's frames and key frames, all of one shape; frames come in order. There is no clock and no thread."""

    def __init__(self, estimate: Estimate) -> None:
        self._estimate = estimate
        self._frames: dict[int, tuple[np.ndarray, float]] = {}  # oldest first, as are the key frames
        self._keys: dict[int, _Key] = {}
        #: Frames forgotten before their age because there were too many, and key frames that were announced when no
        #: longer remembered, or dropped because there were too many.
        self.frames_forgotten = self.key_frames_forgotten = 0

    def see(self, frame_id: int, luma: np.ndarray, now_s: float) -> None:
        """Remember a frame (see `clients.reassembly.flow.small_luma`), and find its flow to each tracked key frame."""
        self._frames[frame_id] = luma, now_s
        self._forget(now_s)
        for key in self._keys.values():
            key.flow = flow_between(luma, key.luma, self._estimate, near=key.flow)

    def announce(self, frame_id: int) -> None:
        """Track a frame that became a key frame, so that the flow to it is known when its answer comes."""
        if frame_id not in self._frames:
            self.key_frames_forgotten += 1
            return
        self._keys[frame_id] = _Key(self._frames[frame_id][0])
        if len(self._keys) > MAX_KEY_FRAMES:
            del self._keys[list(self._keys)[1]]  # the first is on show
            self.key_frames_forgotten += 1

    def show(self, frame_id: int) -> None:
        """Forget the key frames before this one, whose answer is now on show."""
        while self._keys and frame_id in self._keys and next(iter(self._keys)) != frame_id:
            del self._keys[next(iter(self._keys))]

    def flow(self, frame_id: int) -> Flow | None:
        """The flow from the newest frame to this key frame, or None if it is not known."""
        key = self._keys.get(frame_id)
        return key.flow if key else None

    def _forget(self, now_s: float) -> None:
        crowded = len(self._frames) - MAX_FRAMES
        if crowded > 0:
            self.frames_forgotten += crowded
        for index, (frame_id, (_, seen_s)) in enumerate(list(self._frames.items())):
            if index >= crowded and now_s - seen_s <= REMEMBERED_S:
                break
            del self._frames[frame_id]
