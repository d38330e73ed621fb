"""Stylizes every camera frame by the newest answer, as a viewer would see it, and writes it to a file."""

import queue
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np

from clients.headless.camera import CameraFrame
from clients.media.clip import Clip
from clients.media.geometry import resized
from clients.media.writer import usual_size, writing
from clients.reassembly.flow import Estimate, small_luma
from clients.reassembly.grid import STILL, apply_grid
from clients.reassembly.grid_fade import GridFade
from clients.reassembly.tracker import Tracker

#: The most frames that may wait to be painted, so that they take a bounded amount of memory.
WAITING = 64


class Painter:
    """Does what it is told in a thread of its own, in order. When it falls behind, frames are dropped and counted.

    It must be closed or abandoned while the clip is still open.
    """

    def __init__(
        self, path: Path, clip: Clip, estimate: Estimate, on_failure: Callable[[], object] = lambda: None
    ) -> None:
        """`on_failure` is called in the painter's thread when it cannot go on; close() then raises the reason.

        Raises MVStylizerError if the output cannot be written.
        """
        self.written = self.dropped = 0
        self._stack, self._size = ExitStack(), usual_size(path, clip)
        self._output = self._stack.enter_context(writing(path, clip, self._size))
        self._fade, self._tracker, self._on_show = GridFade(), Tracker(estimate), -1
        self._error: Exception | None = None
        self._on_failure = on_failure
        self._shown = self._taken = 0  # numbers of frames; each is counted by one thread only
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="painter")
        self._thread.start()

    def show(self, frame: CameraFrame) -> None:
        """Paint the next frame."""
        if self._shown - self._taken < WAITING:
            self._shown += 1
            self._queue.put(partial(self._paint, frame))
        else:
            self.dropped += 1

    def announce(self, frame_id: int) -> None:
        """Note that a frame became a key frame: flow to it is estimated from now on."""
        self._queue.put(partial(self._tracker.announce, frame_id))

    def arrive(self, frame_id: int, grid: np.ndarray, *, cut: bool) -> None:
        """Take a key frame's answer, however late it is; the next frame uses it."""
        self._queue.put(partial(self._switch, frame_id, grid, cut))

    def packet(self, packet: av.Packet) -> None:
        """Write a packet of sound or subtitles, which is never dropped. This may be called in any thread."""
        self._queue.put(partial(self._output.packet, packet))

    def close(self) -> None:
        """Paint the waiting frames and finish the file. If the painter has failed, raise its error; no file is left."""
        self._queue.put(None)
        self._thread.join()
        with self._stack:
            if self._error:
                raise self._error

    def abandon(self, reason: BaseException) -> None:
        """Stop without writing a file; an old one stays."""
        self._error = self._error or RuntimeError("abandoned")  # so that waiting frames are not painted any more
        self._queue.put(None)
        self._thread.join()
        self._stack.__exit__(type(reason), reason, reason.__traceback__)

    def _work(self) -> None:
        while task := self._queue.get():
            if self._error:
                continue
            try:
                task()
            except Exception as error:
                self._error = error
                self._on_failure()

    def _switch(self, frame_id: int, grid: np.ndarray, cut: bool) -> None:
        self._fade.arrive(grid, cut=cut)
        self._tracker.show(frame_id)
        self._on_show = frame_id

    def _paint(self, frame: CameraFrame) -> None:
        self._taken += 1
        rgb = resized(frame.rgb, self._size)
        self._tracker.see(frame.frame_id, small_luma(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)), frame.captured_s)
        flow = self._tracker.flow(self._on_show)
        grid = self._fade.step(flow.lookup_flow if flow else STILL)
        self._output.write(rgb if grid is None else apply_grid(rgb, grid), frame.decoded)
        self.written += 1
