"""What a viewer would see, painted and written to a file: every camera frame through the look of the newest answer."""

import queue
import threading
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np

from clients.headless.camera import CameraFrame
from clients.reassembly.flow import Estimate, small_luma
from clients.reassembly.grid import STILL, apply_grid
from clients.reassembly.grid_fade import GridFade
from clients.reassembly.tracker import Tracker
from pipeline.contract.errors import BadSetting

#: Frames waiting to be painted; more would be memory without a limit.
WAITING = 64


class Painter:
    """Works in a thread of its own, in the order it is told; when it falls behind, frames are dropped and counted."""

    def __init__(self, path: Path, size: tuple[int, int], rate: Fraction, estimate: Estimate) -> None:
        self.written = self.dropped = 0
        try:
            self._container = av.open(str(path), "w")
            self._stream = self._container.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "18"})
            self._stream.width, self._stream.height = (side // 2 * 2 for side in size)
            self._stream.pix_fmt = "yuv420p"
            self._container.start_encoding()
        except (av.FFmpegError, OSError, ValueError) as error:
            raise BadSetting(f"{path} cannot be written ({error}).") from None
        self._fade, self._tracker, self._on_show = GridFade(), Tracker(estimate), -1
        self._position = 0
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="painter")
        self._thread.start()

    def show(self, frame: CameraFrame) -> None:
        """Paint the next frame."""
        if self._queue.qsize() < WAITING:
            self._queue.put(partial(self._paint, frame, self._position))
        else:
            self.dropped += 1
        self._position += 1

    def announce(self, frame_id: int) -> None:
        """This frame became a key frame: flow to it is estimated from now on."""
        self._queue.put(partial(self._tracker.announce, frame_id))

    def arrive(self, frame_id: int, grid: np.ndarray, *, cut: bool) -> None:
        """A key frame's answer, however late: the next frame uses it."""
        self._queue.put(partial(self._switch, frame_id, grid, cut))

    def close(self) -> None:
        """Finish what waits, and the file."""
        self._queue.put(None)
        self._thread.join()
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def _work(self) -> None:
        while task := self._queue.get():
            task()

    def _switch(self, frame_id: int, grid: np.ndarray, cut: bool) -> None:
        self._fade.arrive(grid, cut=cut)
        self._tracker.show(frame_id)
        self._on_show = frame_id

    def _paint(self, frame: CameraFrame, position: int) -> None:
        self._tracker.see(frame.frame_id, small_luma(cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2GRAY)), frame.captured_s)
        flow = self._tracker.flow(self._on_show)
        grid = self._fade.step(flow.lookup_flow if flow else STILL)
        self._write(frame.rgb if grid is None else apply_grid(frame.rgb, grid), position)

    def _write(self, picture: np.ndarray, position: int) -> None:
        even = np.ascontiguousarray(picture[: self._stream.height, : self._stream.width])
        frame = av.VideoFrame.from_ndarray(even, format="rgb24")
        frame.pts = position
        self._container.mux(self._stream.encode(frame))
        self.written += 1
