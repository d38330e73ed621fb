"""A video file as a camera: frames at their own pace, small and stamped for the gateway, whole for the viewer."""

import asyncio
import fractions
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from pipeline.contract.errors import BadSetting
from pipeline.contract.frame_strip import stamp

#: The network looks at 256 px; more only costs the uplink.
SENT_SIDE_PX = 640
_CLOCK_RATE = 90_000


@dataclass(frozen=True, slots=True)
class CameraFrame:
    frame_id: int
    rgb: np.ndarray  # uint8 [H, W, 3], the file's own size
    captured_s: float  # time.monotonic() at which it was due


class FileCamera(MediaStreamTrack):
    """Plays a file once, in real time, without skipping. `on_frame` sees each frame, whole, when it is due."""

    kind = "video"

    def __init__(self, path: Path, on_frame: Callable[[CameraFrame], None]) -> None:
        """Raises BadSetting when the file holds no readable video."""
        super().__init__()
        try:
            self._container = av.open(str(path))
            stream = self._container.streams.video[0]
        except (av.FFmpegError, OSError, IndexError):
            raise BadSetting(f"{path} is not a readable video file.") from None
        stream.thread_type = "AUTO"
        self.size = stream.width, stream.height
        self.rate = stream.average_rate or fractions.Fraction(30)
        self.sent_size = sent_size(*self.size)
        self._frames = self._container.decode(stream)
        self._decoder = ThreadPoolExecutor(1, thread_name_prefix="camera")
        self._on_frame = on_frame
        self._count = 0
        self._started_s: float | None = None

    async def recv(self) -> av.VideoFrame:
        """The next frame, small and stamped, when it is due; MediaStreamError at the end."""
        decoded = await asyncio.get_running_loop().run_in_executor(self._decoder, self._next, self._count)
        if decoded is None:
            self.stop()
            raise MediaStreamError
        rgb, frame = decoded
        due_s = await self._until_due()
        self._on_frame(CameraFrame(self._count & 0xFFFF, rgb, due_s))
        self._count += 1
        return frame

    def _next(self, frame_id: int) -> tuple[np.ndarray, av.VideoFrame] | None:
        decoded = next(self._frames, None)
        if decoded is None:
            return None
        rgb = decoded.to_ndarray(format="rgb24")
        small = cv2.resize(rgb, self.sent_size, interpolation=cv2.INTER_AREA)
        frame = av.VideoFrame.from_ndarray(stamp(small, frame_id), format="rgb24").reformat(format="yuv420p")
        frame.pts = round(frame_id * _CLOCK_RATE / self.rate)
        frame.time_base = fractions.Fraction(1, _CLOCK_RATE)
        return rgb, frame

    async def _until_due(self) -> float:
        if self._started_s is None:
            self._started_s = time.monotonic()
        due_s = self._started_s + float(self._count / self.rate)
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        return due_s

    def stop(self) -> None:
        if self.readyState == "ended":
            return
        super().stop()
        self._decoder.submit(self._container.close)
        self._decoder.shutdown(wait=False)


def sent_size(width: int, height: int) -> tuple[int, int]:
    """Even width and height of at most SENT_SIDE_PX, in the picture's shape."""
    scale = min(1.0, SENT_SIDE_PX / max(width, height))
    return tuple(max(2, round(side * scale / 2) * 2) for side in (width, height))
