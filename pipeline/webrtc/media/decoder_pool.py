"""Decoder threads, one for each core, which all streams share; no stream lags behind for long.

With a thread for each stream, the event loop had to wait for up to twenty of them: callbacks of 2 ms took 20 ms.

The frames come from strangers, so each is checked before a decoder gets it: FFmpeg takes an empty frame for the end of
the stream, and allocates as much memory as a header asks for.
"""

import asyncio
import contextlib
import logging
import os
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, cast

import av
from aiortc.jitterbuffer import JitterFrame
from aiortc.mediastreams import VIDEO_CLOCK_RATE
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from prometheus_client import Counter

from pipeline.basics.token_bucket import TokenBucket
from pipeline.webrtc.media import video_header, video_limits
from pipeline.webrtc.media.handover import Handover
from pipeline.webrtc.media.jitter_buffer import DroppableFrame, is_intra_frame, parts
from pipeline.webrtc.media.native_decoder import NativeDecoder, native_decoder
from pipeline.webrtc.media.video_limits import Room, StreamRefused, Unfit

logger = logging.getLogger(__name__)

#: A decoder that is this many frames (half a second) behind skips to the next intra frame. That is asked for at once,
#: and again after every ASK_EVERY skipped frames (a second).
MOST_WAITING, ASK_EVERY = 15, 30
#: A decoder that is this many frames behind drops those that no other frame needs, before it has to skip all.
MOST_WAITING_DROPPABLE = 5
#: How many frames and bytes of a stream may wait for a decoder. An intra frame may have half a megabyte.
MOST_QUEUED, MOST_QUEUED_BYTES = 60, 4 << 20
#: How many frames are decoded in a second, and in one burst, as after a late packet. The best cameras send 60 a second.
FRAMES_PER_S, FRAMES_AT_ONCE = 90, 90
#: A decoder that fails for this many frames (half a second) may never recover. One that delays more pictures than
#: MOST_DELAYED is no use for live video.
MOST_FAILURES, MOST_DELAYED = 15, 4
#: How many pictures may be on their way to the event loop. If it is slow, more of them would make it slower.
MOST_HANDED = 8
FORMATS = ("yuv420p", "yuvj420p")
#: Decoder threads have this much more niceness than the event loop, which on a full core waited 6 to 9 ms for them.
NICER = 5


@dataclass(frozen=True, slots=True)
class Counters:
    """The counters of one gateway: dropped frames and refused streams, by reason."""

    dropped: Counter
    refused: Counter


class Task(NamedTuple):
    """A frame that waits for a decoder thread."""

    codec: RTCRtpCodecParameters
    frame: JitterFrame
    is_wanted: bool


class EncodedStream:
    """Takes one stream's encoded frames in place of aiortc's queue, and hands the decoded pictures to its track.

    If the processor is too slow for all frames, the video becomes jerky, but it does not lag and does not pile up in
    memory. Each dropped frame is counted by its reason.
    """

    def __init__(self, turns: queue.SimpleQueue, counters: Counters, memory: video_limits.Memory) -> None:
        """`turns` is the queue that decoder threads read: it has each stream with frames to decode once."""
        now_s = time.monotonic()
        self._turns, self._counters = turns, counters
        self._encoded: deque[Task | None] = deque()  # None after the last frame
        self._lock, self._has_turn, self._waiting_bytes = threading.Lock(), False, 0
        self._frames = TokenBucket(FRAMES_AT_ONCE, FRAMES_PER_S, now_s)
        self._gap = False  # whether frames are dropped until an intra frame comes; only the event loop uses this
        self._codec_name, self._skipped = "", 0  # only decoder threads use this and the following
        self._decoder: NativeDecoder | None = None
        self._room, self._refused = Room(memory, now_s), False
        self._logged = False
        self._failures = self._delayed = self._handed = self._taken = 0

    def begin(self, loop: asyncio.AbstractEventLoop, decoded: asyncio.Queue, failed: threading.Event) -> None:
        """Have pictures put into `decoded`, then None; `failed` is set whenever an intra frame is needed."""
        self._loop, self._decoded, self._failed = loop, decoded, failed

    def put(self, task: tuple[RTCRtpCodecParameters, JitterFrame] | None) -> None:
        """Take an encoded frame, or None after the last one. Frames beyond the limits are dropped here."""
        now_s = time.monotonic()
        tasks = [None] if task is None else list(self._admitted(*task, now_s))
        if not tasks:
            return
        with self._lock:
            self._encoded.extend(tasks)
            self._waiting_bytes += sum(len(entry.frame.data) for entry in tasks if entry)
            if not self._has_turn:
                self._has_turn = True
                self._turns.put(self)

    def _admitted(self, codec: RTCRtpCodecParameters, frames: JitterFrame, now_s: float) -> Iterator[Task]:
        for frame in parts(frames):
            task = Task(codec, frame, self._wants(frame))
            if self._admits(task, now_s):
                yield task

    def _admits(self, task: Task, now_s: float) -> bool:
        frame = task.frame
        if not frame.data:  # a frame of padding, which is no loss
            self._counters.dropped.labels("empty").inc()
            return False
        if isinstance(frame, DroppableFrame) and not task.is_wanted:
            self._counters.dropped.labels("unneeded").inc()
            return False
        try:
            self._check(frame, now_s)
        except Unfit as error:
            self._counters.dropped.labels(error.reason).inc()
            if not isinstance(frame, DroppableFrame):
                self._gap = True
                self._failed.set()
            return False
        self._gap = False
        return True

    def _wants(self, frame: JitterFrame) -> bool:
        """Return whether the stream's owner will look at a frame; a track of aiortc's own takes all frames."""
        if not isinstance(self._decoded, Handover):
            return True
        return self._decoded.wants_frame(frame.timestamp / VIDEO_CLOCK_RATE)

    def _check(self, frame: JitterFrame, now_s: float) -> None:
        """Raise Unfit for a frame that must be dropped before it waits."""
        if self._refused:
            raise Unfit("size")
        is_full = len(self._encoded) >= MOST_QUEUED or self._waiting_bytes + len(frame.data) > MOST_QUEUED_BYTES
        if is_full or self._gap and not is_intra_frame(frame.data):
            raise Unfit("behind")
        if not self._frames.take(now_s):
            raise Unfit("budget")

    def take_turn(self) -> None:
        """Decode one frame, in a decoder thread. Further frames wait until all other streams have had a turn."""
        task = self._encoded.popleft()
        try:
            if task is None:
                self._let_go()
                self._call(self._decoded.put_nowait, None)
            else:
                self._hand_over(self._decode(task))
        finally:
            with self._lock:
                self._waiting_bytes -= len(task.frame.data) if task else 0
                self._has_turn = bool(self._encoded)
                if self._has_turn:
                    self._turns.put(self)

    def _hand_over(self, pictures: list[av.VideoFrame]) -> None:
        for picture in pictures:
            if self._handed - self._taken < MOST_HANDED:
                self._handed += 1
                self._call(self._take, picture)
            else:  # the event loop is behind
                self._counters.dropped.labels("behind").inc()

    def _take(self, picture: av.VideoFrame) -> None:
        """Put a picture into the track's queue; this runs on the event loop."""
        self._taken += 1
        self._decoded.put_nowait(picture)

    def _call(self, function: Callable, *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop has ended
            self._loop.call_soon_threadsafe(function, *args)

    def _decode(self, task: Task) -> list[av.VideoFrame]:
        """Return the pictures that a frame gives the stream's owner; an error affects only this stream."""
        try:
            if self._refused:
                raise Unfit("size")
            pictures = self._pictures(task)
        except Unfit as error:
            self._skip(task.frame, error.reason)
        except StreamRefused as error:
            self._refuse(error)
        except Exception as error:  # mostly one of FFmpeg's; any other is caused by the peer's data too
            self._fail(error)
        else:
            self._skipped = self._failures = 0
            return pictures if task.is_wanted else self._without(task.frame, pictures)
        return []

    def _without(self, frame: JitterFrame, pictures: list[av.VideoFrame]) -> list[av.VideoFrame]:
        """Return the pictures but for this frame's own; a decoder of H.264 may give those of earlier frames."""
        self._counters.dropped.labels("unneeded").inc()
        return [picture for picture in pictures if picture.pts != frame.timestamp]

    def _pictures(self, task: Task) -> list[av.VideoFrame]:
        now_s, codec, frame = time.monotonic(), task.codec, task.frame
        most_waiting = MOST_WAITING_DROPPABLE if isinstance(frame, DroppableFrame) else MOST_WAITING
        if (self._skipped or len(self._encoded) > most_waiting) and not is_intra_frame(frame.data):
            self._room.enter([], self._most_pixels(), now_s)
            raise Unfit("behind")
        try:
            demands = video_header.demands(codec.name, frame.data)
        except ValueError:
            raise Unfit("broken") from None
        self._room.enter(demands, self._most_pixels(), now_s)
        decoder = self._decoder_of(codec, now_s)
        pictures = cast(list[av.VideoFrame], (decoder.decode if task.is_wanted else decoder.skim)(frame))
        if codec.name == "H264" and task.is_wanted:
            self._delayed = max(0, self._delayed + 1 - len(pictures))
        if self._delayed > MOST_DELAYED:
            raise ValueError("pictures are held back")
        for picture in pictures:
            if picture.format.name not in FORMATS:
                raise ValueError("not 8 bits in 4:2:0")
            self._room.check(picture, now_s)
        return pictures

    def _most_pixels(self) -> int:
        return self._decoded.most_pixels() if isinstance(self._decoded, Handover) else video_limits.MOST_PIXELS

    def _decoder_of(self, codec: RTCRtpCodecParameters, now_s: float) -> NativeDecoder:
        if self._decoder is not None and codec.name != self._codec_name:
            self._room.change(now_s)
        if self._decoder is None or codec.name != self._codec_name:
            self._codec_name, self._decoder = codec.name, native_decoder(codec)
            self._delayed = 0
        return self._decoder

    def _skip(self, frame: JitterFrame, reason: str) -> None:
        """Drop a frame, and if others may need it all that follow until an intra frame, which is asked for."""
        self._counters.dropped.labels(reason).inc()
        if isinstance(frame, DroppableFrame):
            return
        if self._skipped % ASK_EVERY == 0:
            self._failed.set()
        self._skipped += 1

    def _fail(self, error: Exception) -> None:
        """Drop a frame that could not be decoded. A decoder that would fail for ever is replaced by a new one."""
        if not self._logged:  # a peer decides how often this happens, so it is logged once for each stream
            logger.info("a frame could not be decoded (%s)", type(error).__name__)
            self._logged = True
        self._failures += 1
        self._failed.set()
        self._counters.dropped.labels("broken").inc()
        is_final = isinstance(error, av.error.EOFError) or not isinstance(error, av.FFmpegError)
        if is_final or self._failures % MOST_FAILURES == 0:
            self._decoder = None

    def _refuse(self, error: StreamRefused) -> None:
        self._let_go()
        self._refused = True
        self._counters.dropped.labels("size").inc()
        self._counters.refused.labels(error.reason).inc()
        logger.info("a stream is refused: %s", error)
        if isinstance(self._decoded, Handover):
            self._call(self._decoded.refuse, str(error))

    def _let_go(self) -> None:
        """Release the decoder and its memory."""
        self._decoder = None
        self._room.leave()


def run_decoder_thread(turns: queue.SimpleQueue) -> None:
    """Run a decoder thread until it reads None from `turns`."""
    _step_back()
    while (stream := turns.get()) is not None:
        try:
            stream.take_turn()
        except Exception:  # an error in one stream must not end the thread, which serves the others
            logger.exception("a decoder failed")


def _step_back() -> None:
    """Lower this thread's priority below the event loop's, on Linux, where each thread has its own."""
    if sys.platform == "linux":
        thread = os.PRIO_PROCESS, threading.get_native_id()
        with contextlib.suppress(OSError):
            os.setpriority(*thread, os.getpriority(*thread) + NICER)


@contextlib.contextmanager
def threads(counters: Counters) -> Iterator[Callable[[], EncodedStream]]:
    """Run decoder threads, one for each core; yields the function that makes a stream which they decode."""
    turns: queue.SimpleQueue[EncodedStream | None] = queue.SimpleQueue()
    started = [
        threading.Thread(target=run_decoder_thread, args=(turns,), name=f"decoder_{number}", daemon=True)
        for number in range(_cores())
    ]
    for thread in started:
        thread.start()
    try:
        yield partial(EncodedStream, turns, counters, video_limits.Memory())
    finally:
        for _ in started:
            turns.put(None)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
