"""What a stream remembers from one key frame to the next, so that its grids do not flicker."""

import math

from torch import Tensor

#: Time constant. Measured on nine clips, every frame stylized: the worst, a drive through a forest, has 1.71 times the
#: warping error of one held grid without memory, 1.11 with 6 s and 1.09 with 8 s, and a key frame's answer that comes a
#: second late costs a third less with 6 s than with 3 s. A longer one would follow a slow pan too late. At a scene cut
#: the stream begins anew.
MEMORY_S = 8.0

#: A stream's exponential moving average of its normal equations, B 4 7 D R C: statistics of content and recolouring
#: per cell. Who owns the stream holds it.
StreamState = Tensor


def remember(before: StreamState | None, now: Tensor, elapsed_s: float) -> StreamState:
    """The average `elapsed_s` later; a first picture, or one of another shape, is all there is."""
    if before is None or before.shape != now.shape:
        return now
    return before.lerp(now, 1 - math.exp(-elapsed_s / MEMORY_S))
