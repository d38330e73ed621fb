"""What a stream remembers from one key frame to the next, so that its grids do not flicker."""

import math
from typing import NamedTuple

from torch import Tensor

#: Time constant. Measured on nine clips, every frame stylized: the worst, a drive through a forest, has 1.71 times the
#: warping error of one held grid without memory, 1.08 with 8 s and 1.06 with 12 s. A key frame's answer that comes a
#: second late costs 0.0037 of MS-SSIM with 8 s and 0.0025 with 12 s; what is shown lies a tenth further from what the
#: frame alone would get. At a scene cut the stream begins anew.
MEMORY_S = 12.0


class StreamState(NamedTuple):
    """Normal equations, B 4 7 D R C: statistics of content and recolouring per cell. Who owns the stream holds them."""

    average: Tensor
    #: The last key frame's own.
    last: Tensor


def remember(before: StreamState | None, now: Tensor, elapsed_s: float) -> StreamState:
    """The stream's exponential moving average `elapsed_s` later; a picture that is first, or of another shape, is it.

    Between two key frames the stream is taken to change evenly, for which this is exact. As if all of it had been like
    the later one, an average of few key frames would hang on which they were: in the forest, with one frame in 20, it
    had 1.056 times every frame's warping error.
    """
    if before is None or before.last.shape != now.shape:
        return StreamState(now, now)
    steps = elapsed_s / MEMORY_S
    old = math.exp(-steps)
    late = -math.expm1(-steps) / steps if steps else 1.0
    return StreamState(old * before.average + (late - old) * before.last + (1 - late) * now, now)
