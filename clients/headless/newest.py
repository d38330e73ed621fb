"""Keeps up with a live source: its newest frame is taken, and the ones before it are skipped and counted."""

import threading
from collections.abc import Iterator
from typing import Self

import av


class Newest:
    """An iterator over the newest of some frames, which are read in a thread of its own as fast as they come."""

    def __init__(self, frames: Iterator[av.VideoFrame]) -> None:
        """It reads from `frames` until they end, fail, or it is closed."""
        self.skipped = 0
        self._frames = frames
        self._frame: av.VideoFrame | None = None
        self._is_over = False
        self._error: Exception | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, name="live source", daemon=True)
        self._thread.start()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> av.VideoFrame:
        """The newest frame, as soon as there is one that was not taken. Raises what reading raised."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame or self._is_over)
            frame, self._frame = self._frame, None
        if frame is not None:
            return frame
        if self._error:
            raise self._error
        raise StopIteration

    def close(self) -> None:
        """Stop, once the frame that is being read has come. Whoever waits for a frame learns that there is none."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        self._thread.join()

    def _read(self) -> None:
        error = None
        try:
            for frame in self._frames:
                with self._changed:
                    if self._is_over:
                        return
                    self.skipped += self._frame is not None
                    self._frame = frame
                    self._changed.notify_all()
        except Exception as trouble:  # it is raised where the next frame is asked for
            error = trouble
        finally:
            self._frames = iter(())  # so that they are closed here, where they were read
        with self._changed:
            self._is_over, self._error = True, error
            self._changed.notify_all()
