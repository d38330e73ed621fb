"""Still-camera clips for benchmarks, made of a clip of somebody before a camera. The same clip gives the same frames.

A webcam shows hours of this: the camera stands, the sensor has a little noise, whoever sits there breathes, moves
slowly, and now and then the camera's automatic exposure corrects itself.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np

RATE = 25
SECONDS = 12
#: Standard deviation of the noise, in levels: a webcam's in a lit room, after its own filter.
NOISE_LEVELS = 1.5
#: The picture grows by this share, and shrinks again, with each breath of so many seconds.
BREATH, BREATH_S = 0.005, 4.0
#: The automatic exposure brightens the picture by this factor from one second to the other, for good.
EXPOSURE, EXPOSURE_S = 1.3, (5.0, 6.5)
#: How many times slower the slowed clip is, and when it comes to rest.
SLOWED, RESTS_S = 4, 8.0

#: The clip's frames and a time in seconds -> the picture without noise. All are RGB uint8 [H, W, 3].
Scene = Callable[[Sequence[np.ndarray], float], np.ndarray]


def held(frames: Sequence[np.ndarray], time_s: float) -> np.ndarray:
    """One frame, breathing."""
    height, width = frames[0].shape[:2]
    scale = 1 + BREATH * math.sin(2 * math.pi * time_s / BREATH_S)
    moved = np.array([[scale, 0, (1 - scale) * width / 2], [0, scale, (1 - scale) * height]])  # about the bottom
    return cv2.warpAffine(frames[0], moved, (width, height), borderMode=cv2.BORDER_REPLICATE)


def slowed(frames: Sequence[np.ndarray], time_s: float) -> np.ndarray:
    """The clip in slow motion, which comes to rest."""
    at = min(min(time_s, RESTS_S) * RATE / SLOWED, len(frames) - 1.001)
    share = at - int(at)
    return cv2.addWeighted(frames[int(at)], 1 - share, frames[int(at) + 1], share, 0)


def exposed(frames: Sequence[np.ndarray], time_s: float) -> np.ndarray:
    """One frame, breathing, whose exposure is corrected once."""
    begin_s, end_s = EXPOSURE_S
    gain = EXPOSURE ** np.clip((time_s - begin_s) / (end_s - begin_s), 0, 1)
    return cv2.convertScaleAbs(held(frames, time_s), alpha=float(gain))


STILL_CLIPS: dict[str, Scene] = {"held": held, "slowed": slowed, "exposed": exposed}


def still_clip(scene: Scene, frames: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """RGB uint8 [H, W, 3] of a scene made of a clip's frames, RATE a second."""
    random = np.random.default_rng(0)
    noise = random.normal(0, NOISE_LEVELS, (8, *frames[0].shape)).round().astype(np.int8)
    for index in range(SECONDS * RATE):
        grain = np.roll(noise[random.integers(len(noise))], random.integers(1000, size=2), (0, 1))
        picture = scene(frames, index / RATE).astype(np.int16) + grain
        yield picture.clip(0, 255).astype(np.uint8)
