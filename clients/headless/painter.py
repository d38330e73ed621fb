"""Stylizes every camera frame by the newest answer, as a viewer would see it, and writes it to the output."""

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import av
import cv2
import numpy as np

from clients.feeds.opening import SILENCE_S
from clients.feeds.outputs import Target
from clients.headless.camera import CameraFrame
from clients.media.clip import Clip
from clients.media.geometry import resized
from clients.media.writer import usual_size, writing
from clients.reassembly.flow import Estimate, small_luma
from clients.reassembly.grid import STILL, apply_grid
from clients.reassembly.grid_fade import GridFade
from clients.reassembly.tracker import Tracker
from pipeline.contract.errors import MVStylizerError

#: The most frames that may wait to be painted, so that they take a bounded amount of memory.
WAITING = 64
#: The same of everything else, above all of packets of sound: those of a minute.
WAITING_PACKETS = 4096
#: How often it is looked whether a closing painter still gets on, in seconds.
LOOK_S = 0.2


class Painter:
    """Does what it is told in a thread of its own, in order. When it falls behind, frames are dropped and counted.

    It must be closed or abandoned while the clip is still open. An output that takes nothing any more cannot be
    interrupted; then the thread is left behind, and ends with the process.
    """

    def __init__(
        self,
        target: Target,
        clip: Clip,
        estimate: Estimate,
        on_failure: Callable[[], object] = lambda: None,
        *,
        strength: float = 1.0,
    ) -> None:
        """`on_failure` is called in the painter's thread when it cannot go on; close() then raises the reason.

        Raises MVStylizerError if the output cannot be written.
        """
        self.written = self.dropped = self.dropped_packets = 0
        self._target, self._size, self._strength = target, usual_size(target, clip), strength
        self._fade, self._tracker, self._on_show = GridFade(), Tracker(estimate), -1
        self._error: BaseException | None = None
        self._on_failure = on_failure
        self._shown = self._taken = 0  # numbers of frames; each is counted by one thread only
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._opened = threading.Event()
        self._begun_s: float | None = time.monotonic()  # when the present task was begun
        self._thread = threading.Thread(target=self._work, args=(clip,), name="painter", daemon=True)
        self._thread.start()
        if not self._opened.wait(SILENCE_S):
            raise self._stalled()
        if self._error:
            raise self._error

    def check(self) -> None:
        """Raise MVStylizerError if the output has taken nothing for SILENCE_S."""
        begun_s = self._begun_s
        if begun_s is not None and time.monotonic() - begun_s > SILENCE_S:
            raise self._stalled()

    def _stalled(self) -> MVStylizerError:
        return MVStylizerError(f"{self._target.name} has taken nothing for {SILENCE_S:.0f} s.")

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
        """Write a packet of sound or subtitles. It is dropped, and counted, only if a minute of them waits.

        This may be called in any thread.
        """
        if self._error:
            return
        if self._queue.qsize() < WAITING_PACKETS:
            self._queue.put(lambda: self._output.packet(packet))
        else:
            self.dropped_packets += 1

    def close(self) -> None:
        """Paint the waiting frames and finish the output. If the painter has failed, raise its error.

        After an error no file is left. Raises MVStylizerError if the output takes nothing any more.
        """
        self._queue.put(None)
        while self._thread.is_alive():
            self.check()
            self._thread.join(LOOK_S)
        if self._error:
            raise self._error

    def abandon(self, reason: BaseException) -> None:
        """Stop without finishing the output; an old file stays."""
        self._error = self._error or reason  # so that waiting frames are not painted any more
        with suppress(BaseException):
            self.close()

    def _work(self, clip: Clip) -> None:
        try:
            with writing(self._target, clip, self._size) as self._output:
                self._rest()
                self._opened.set()
                while task := self._queue.get():
                    if self._error:
                        raise self._error
                    self._begun_s = time.monotonic()
                    task()
                    self._rest()
                if self._error:
                    raise self._error
                self._begun_s = time.monotonic()
        except BaseException as error:
            self._error = self._error or error
            self._opened.set()
            self._on_failure()
        self._rest()

    def _rest(self) -> None:
        self._begun_s = None

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
        if grid is not None:
            rgb = apply_grid(rgb, grid, strength=self._strength)
        self._output.write(rgb, frame.decoded)
        self.written += 1
