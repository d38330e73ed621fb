"""What a stream remembers from one key frame to the next, so that its grids do not flicker."""

import math

from torch import Tensor

#: Time constant. Measured on nine clips, every frame stylized: 0.3 s leaves up to 1.18 times the warping error of one
#: held grid, 1 s at most 1.10. A scene cut does not wait for it: there the stream begins anew.
MEMORY_S = 1.0

#: A stream's exponential moving average of its normal equations, B 4 7 D R C: statistics of content and recolouring
#: per cell. Who owns the stream holds it.
StreamState = Tensor


def remember(before: StreamState | None, now: Tensor, elapsed_s: float) -> StreamState:
    """The average `elapsed_s` later; a first picture, or one of another shape, is all there is."""
    if before is None or before.shape != now.shape:
        return now
    return before.lerp(now, 1 - math.exp(-elapsed_s / MEMORY_S))
