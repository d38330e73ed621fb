"""Decides which of a stream's frames are looked at. It has no clock."""

from dataclasses import dataclass

#: A frame is on time if it comes after this share of the interval between wanted frames: cameras are not exact.
ON_TIME = 0.75


@dataclass(slots=True)
class WantedFrames:
    """One stream's. A frame that is not wanted is decoded only if others refer to it."""

    _last_s: float = float("-inf")

    def wants(self, time_s: float, fps: float, *, is_urgent: bool) -> bool:
        """Return whether the frame of this time, in seconds of its sender's clock, is wanted at `fps` frames a second.

        `is_urgent` says that the next frame is wanted in any case: it may become a key frame, or begins a scene.
        """
        if not is_urgent and self._last_s < time_s < self._last_s + ON_TIME / fps:
            return False
        self._last_s = time_s
        return True
