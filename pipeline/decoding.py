"""Decoder threads: one a core, which all streams share, and none of these lags behind for long.

With one a stream, the event loop, when it wanted to go on, waited for twenty of them: callbacks of 2 ms took 20.
"""
import asyncio
import contextlib
import logging
import os
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

import av
from aiortc import MediaStreamTrack, codecs, rtcrtpreceiver
from aiortc.codecs.vpx import Vp8Decoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from prometheus_client import Counter

from pipeline.jitter import is_whole_picture

logger = logging.getLogger(__name__)

#: A decoder half a second behind goes on with the next whole picture, which is asked for, and again each second.
MOST_WAITING, ASK_EVERY = 15, 30
#: How much nicer decoders are than the event loop: on a full core it would else wait for them, 6 to 9 ms each time.
NICER = 5


class NativeVp8Decoder(Vp8Decoder):
    """FFmpeg's own decoder: the same pixels as libvpx, which copies each picture; 20 streams take 7/10 of its time."""

    def __init__(self) -> None:
        self.codec = av.CodecContext.create("vp8", "r")
        self.codec.thread_count = 1  # there is a thread a core already


class Stream:
    """One stream's frames on their way from aiortc's queue, whose place it takes, to its track.

    Where the processor is too slow for all of them, video becomes jerky, and neither late nor a burden on memory. Each
    frame that never comes out is counted in `dropped`, as "behind" or "broken".
    """

    def __init__(self, turns: queue.SimpleQueue, dropped: Counter) -> None:
        """`turns` is what decoder threads wait for: streams that have a frame to be decoded, each once."""
        self._turns, self._dropped = turns, dropped
        self._encoded: deque[tuple[RTCRtpCodecParameters, JitterFrame] | None] = deque()
        self._lock, self._has_turn = threading.Lock(), False
        self._codec_name, self._decoder, self._skipped = "", None, 0

    def begin(self, loop: asyncio.AbstractEventLoop, decoded: asyncio.Queue, failed: threading.Event) -> None:
        """Frames go to `decoded`, and None after the last one; `failed` is set where a whole picture is needed."""
        self._loop, self._decoded, self._failed = loop, decoded, failed

    def put(self, task: tuple[RTCRtpCodecParameters, JitterFrame] | None) -> None:
        """None is the last one."""
        with self._lock:
            self._encoded.append(task)
            if not self._has_turn:
                self._has_turn = True
                self._turns.put(self)

    def take_turn(self) -> None:
        """One frame, in a decoder thread. Whoever has more waits for all others: a heavy one delays none by two."""
        task = self._encoded.popleft()
        try:
            for picture in [None] if task is None else self._decode(*task):
                with contextlib.suppress(RuntimeError):  # the event loop has ended
                    self._loop.call_soon_threadsafe(self._decoded.put_nowait, picture)
        finally:
            with self._lock:
                self._has_turn = bool(self._encoded)
                if self._has_turn:
                    self._turns.put(self)

    def _decode(self, codec: RTCRtpCodecParameters, frame: JitterFrame) -> list[av.VideoFrame]:
        if codec.name != self._codec_name:
            self._codec_name, self._decoder = codec.name, rtcrtpreceiver.get_decoder(codec)
        if (self._skipped or len(self._encoded) > MOST_WAITING) and not is_whole_picture(frame.data):
            if self._skipped % ASK_EVERY == 0:
                self._failed.set()
            self._skipped += 1
            self._dropped.labels("behind").inc()
            return []
        self._skipped = 0
        try:
            return self._decoder.decode(frame)
        except av.FFmpegError as error:
            logger.info("a frame could not be decoded: %s", error)
            self._failed.set()
            self._dropped.labels("broken").inc()
            return []


def work(turns: queue.SimpleQueue) -> None:
    """A decoder thread's main."""
    _step_back()
    while True:
        try:
            turns.get().take_turn()
        except Exception:  # one stream's trouble is none of the others'
            logger.exception("a decoder failed")


def _step_back() -> None:
    """For the event loop, where a thread has a niceness of its own and may change it."""
    if sys.platform == "linux":
        thread = os.PRIO_PROCESS, threading.get_native_id()
        with contextlib.suppress(OSError):
            os.setpriority(*thread, os.getpriority(*thread) + NICER)


class Beginning:
    """In the place of the thread that aiortc starts for each stream, and waits for at its end."""

    def __init__(self, *, args: tuple, **_: object) -> None:
        self._loop, self._stream, self._decoded, self._failed = args

    def start(self) -> None:
        self._stream.begin(self._loop, self._decoded, self._failed)

    def join(self) -> None:
        """All that was put comes out without us."""


class Handover:
    """In the place of a track's queue: nobody waits for frames, each is taken at once, on the event loop."""

    def __init__(self, take: Callable[[av.VideoFrame | None], None]) -> None:
        """`take` gets None at the end."""
        self.put_nowait = take

    async def put(self, frame: av.VideoFrame | None) -> None:
        """For aiortc's own decoder threads."""
        self.put_nowait(frame)


def hand_over(track: MediaStreamTrack, take: Callable[[av.VideoFrame | None], None]) -> None:
    """Have `take` called with each frame of a track that is just announced, and with None at its end."""
    track._queue = Handover(take)


def install(dropped: Counter) -> None:
    """For peer connections made from now on; `dropped` counts frames by reason."""
    turns: queue.SimpleQueue[Stream] = queue.SimpleQueue()
    for number in range(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1):
        threading.Thread(target=work, args=(turns,), name=f"decoder_{number}", daemon=True).start()
    rtcrtpreceiver.queue = SimpleNamespace(Queue=partial(Stream, turns, dropped))
    rtcrtpreceiver.threading = SimpleNamespace(Event=threading.Event, Thread=Beginning)
    codecs.Vp8Decoder = NativeVp8Decoder
