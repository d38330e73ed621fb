"""Decoder threads: one a core, which all streams share, and none of these lags behind for long.

With one a stream, the event loop, when it wanted to go on, waited for twenty of them: callbacks of 2 ms took 20.

What peers send ends here, so nothing reaches a decoder that means something else to it, or asks for more than a stream
may have: FFmpeg takes an empty frame for the end of all, and makes room for whatever a header says.
"""

import asyncio
import contextlib
import logging
import math
import os
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from functools import partial
from typing import cast

import av
from aiortc import MediaStreamTrack
from aiortc.codecs.base import Decoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from prometheus_client import Counter

from pipeline.basics.token_bucket import TokenBucket
from pipeline.webrtc.internals.rtp import OpenTrack
from pipeline.webrtc.media import video_header, video_limits
from pipeline.webrtc.media.jitter_buffer import is_intra_frame, parts
from pipeline.webrtc.media.native_decoder import native_decoder

logger = logging.getLogger(__name__)

#: A decoder half a second behind goes on with the next intra frame, which is asked for, and again each second.
MOST_WAITING, ASK_EVERY = 15, 30
#: What may wait, whatever it is: intra frames are never skipped, and one may have half a megabyte.
MOST_QUEUED, MOST_QUEUED_BYTES = 60, 4 << 20
#: Frames a second that are decoded, and at once, as after a packet that came late: 60 are sent by the best cameras.
FRAMES_PER_S, FRAMES_AT_ONCE = 90, 90
#: Times a second that a decoder is made for another size, and at once; senders adapt theirs every other second.
CHANGES_PER_S, CHANGES_AT_ONCE = 0.5, 12
#: So long frames may be larger than was said: the message that says so may be sent again meanwhile.
GRACE_S = 2.0
#: A decoder that cannot read half a second of frames may never again; and one that holds back so many is not live.
MOST_FAILURES, MOST_DELAYED = 15, 4
#: Pictures on their way to the event loop; more of them would only make it later.
MOST_HANDED = 8
FORMATS = ("yuv420p", "yuvj420p")
#: How much nicer decoders are than the event loop: on a full core it would else wait for them, 6 to 9 ms each time.
NICER = 5


class StreamRefused(Exception):
    """A stream asks for more than it may have; `reason` is one of metrics.STREAM_REFUSALS."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class Unfit(Exception):
    """A frame that its decoder does not get, but maybe a later one; `reason` is one of metrics.FRAME_DROPS."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Counters:
    """Of one gateway: frames that never come out, and streams that are refused, by reason."""

    dropped: Counter
    refused: Counter


class Room:
    """What one stream's decoder may make room for. Decides; its stream acts."""

    def __init__(self, memory: video_limits.Memory, now_s: float) -> None:
        self._memory = memory
        self._changes = TokenBucket(CHANGES_AT_ONCE, CHANGES_PER_S, now_s)
        self._size = (0, 0)
        self._larger, self._larger_since_s = 0, math.inf  # than was said: pixels, and since when

    def enter(self, demands: list[video_header.Demand], most_pixels: int, now_s: float) -> None:
        """Before a frame is decoded that asks for all this; raises StreamRefused, or Unfit where it may fit later."""
        pixels = max((demand.pixels for demand in demands), default=0)
        side = max((max(demand.width, demand.height) for demand in demands), default=0)
        if pixels > video_limits.MOST_PIXELS or side > video_limits.MOST_SIDE_PX:
            raise StreamRefused("size", "This video's pictures are larger than this server takes.")
        if pixels > most_pixels:
            self._larger, self._larger_since_s = pixels, min(now_s, self._larger_since_s)
        if self._larger > most_pixels and now_s - self._larger_since_s > GRACE_S:
            raise StreamRefused("size", "This video's pictures are larger than was said.")
        if pixels > most_pixels:
            raise Unfit("size")
        for demand in demands:
            self._take(demand, now_s)

    def _take(self, demand: video_header.Demand, now_s: float) -> None:
        self._larger, self._larger_since_s = 0, math.inf
        if (demand.width, demand.height) != self._size:
            self.change(now_s)
        if not self._memory.hold(self, video_limits.needed_bytes(demand)):
            raise StreamRefused(
                "memory", "This server has no room for one more video of this size; send a smaller one."
            )
        self._size = demand.width, demand.height

    def change(self, now_s: float) -> None:
        """Before a decoder makes room anew, for another size or codec; raises StreamRefused."""
        if not self._changes.take(now_s):
            raise StreamRefused("changes", "This video changes its size too often.")

    def check(self, picture: av.VideoFrame, now_s: float) -> None:
        """After a frame was decoded: a decoder may go back to what an earlier header said; raises as `enter`."""
        width, height = self._size
        if picture.width > width or picture.height > height:
            self._take(video_header.Demand.of(picture.width, picture.height), now_s)

    def leave(self) -> None:
        self._memory.release(self)


class EncodedStream:
    """One stream's frames on their way from aiortc's queue, whose place it takes, to its track.

    Where the processor is too slow for all of them, video becomes jerky, and neither late nor a burden on memory. Each
    frame that never comes out is counted by reason.
    """

    def __init__(self, turns: queue.SimpleQueue, counters: Counters, memory: video_limits.Memory) -> None:
        """`turns` is what decoder threads wait for: streams that have a frame to be decoded, each once."""
        now_s = time.monotonic()
        self._turns, self._counters = turns, counters
        self._encoded: deque[tuple[RTCRtpCodecParameters, JitterFrame] | None] = deque()
        self._lock, self._has_turn, self._waiting_bytes = threading.Lock(), False, 0
        self._frames = TokenBucket(FRAMES_AT_ONCE, FRAMES_PER_S, now_s)
        self._gap = False  # something was not put, and nothing is until an intra frame; the event loop's
        self._codec_name, self._skipped = "", 0  # from here on the decoder threads'
        self._decoder: Decoder | None = None
        self._room, self._refused = Room(memory, now_s), False
        self._told = False
        self._failures = self._delayed = self._handed = self._taken = 0

    def begin(self, loop: asyncio.AbstractEventLoop, decoded: asyncio.Queue, failed: threading.Event) -> None:
        """Frames go to `decoded`, and None after the last one; `failed` is set where an intra frame is needed."""
        self._loop, self._decoded, self._failed = loop, decoded, failed

    def put(self, task: tuple[RTCRtpCodecParameters, JitterFrame] | None) -> None:
        """None is the last one. What is too much is dropped here, before it takes memory."""
        now_s = time.monotonic()
        tasks = [None] if task is None else [(task[0], part) for part in parts(task[1]) if self._admits(part, now_s)]
        if not tasks:
            return
        with self._lock:
            self._encoded.extend(tasks)
            self._waiting_bytes += sum(len(entry[1].data) for entry in tasks if entry)
            if not self._has_turn:
                self._has_turn = True
                self._turns.put(self)

    def _admits(self, frame: JitterFrame, now_s: float) -> bool:
        if not frame.data:  # padding; it is no loss
            self._counters.dropped.labels("empty").inc()
            return False
        try:
            self._check(frame, now_s)
        except Unfit as error:
            self._counters.dropped.labels(error.reason).inc()
            self._gap = True
            self._failed.set()
            return False
        self._gap = False
        return True

    def _check(self, frame: JitterFrame, now_s: float) -> None:
        """Raises Unfit."""
        if self._refused:
            raise Unfit("size")
        is_full = len(self._encoded) >= MOST_QUEUED or self._waiting_bytes + len(frame.data) > MOST_QUEUED_BYTES
        if is_full or self._gap and not is_intra_frame(frame.data):
            raise Unfit("behind")
        if not self._frames.take(now_s):
            raise Unfit("budget")

    def take_turn(self) -> None:
        """One frame, in a decoder thread. Whoever has more waits for all others: a heavy one delays none by two."""
        task = self._encoded.popleft()
        try:
            if task is None:
                self._let_go()
                self._call(self._decoded.put_nowait, None)
            else:
                self._hand_over(self._decode(*task))
        finally:
            with self._lock:
                self._waiting_bytes -= len(task[1].data) if task else 0
                self._has_turn = bool(self._encoded)
                if self._has_turn:
                    self._turns.put(self)

    def _hand_over(self, pictures: list[av.VideoFrame]) -> None:
        for picture in pictures:
            if self._handed - self._taken < MOST_HANDED:
                self._handed += 1
                self._call(self._take, picture)
            else:  # the event loop has not come to the last ones yet
                self._counters.dropped.labels("behind").inc()

    def _take(self, picture: av.VideoFrame) -> None:
        """On the event loop."""
        self._taken += 1
        self._decoded.put_nowait(picture)

    def _call(self, function: Callable, *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop has ended
            self._loop.call_soon_threadsafe(function, *args)

    def _decode(self, codec: RTCRtpCodecParameters, frame: JitterFrame) -> list[av.VideoFrame]:
        """The pictures that a frame gives; trouble with it is this stream's alone."""
        try:
            if self._refused:
                raise Unfit("size")
            pictures = self._pictures(codec, frame.data, frame)
        except Unfit as error:
            self._skip(error.reason)
        except StreamRefused as error:
            self._refuse(error)
        except Exception as error:  # FFmpeg's; of any other the peer is the cause as well
            self._fail(error)
        else:
            self._skipped = self._failures = 0
            return pictures
        return []

    def _pictures(self, codec: RTCRtpCodecParameters, data: bytes, frame: JitterFrame) -> list[av.VideoFrame]:
        now_s = time.monotonic()
        if (self._skipped or len(self._encoded) > MOST_WAITING) and not is_intra_frame(data):
            self._room.enter([], self._most_pixels(), now_s)
            raise Unfit("behind")
        try:
            demands = video_header.demands(codec.name, data)
        except ValueError:
            raise Unfit("broken") from None
        self._room.enter(demands, self._most_pixels(), now_s)
        pictures = cast(list[av.VideoFrame], self._decoder_of(codec, now_s).decode(frame))
        self._delayed = max(0, self._delayed + 1 - len(pictures)) if codec.name == "H264" else 0
        if self._delayed > MOST_DELAYED:
            raise ValueError("pictures are held back")
        for picture in pictures:
            if picture.format.name not in FORMATS:
                raise ValueError("not 8 bits in 4:2:0")
            self._room.check(picture, now_s)
        return pictures

    def _most_pixels(self) -> int:
        return self._decoded.most_pixels() if isinstance(self._decoded, Handover) else video_limits.MOST_PIXELS

    def _decoder_of(self, codec: RTCRtpCodecParameters, now_s: float) -> Decoder:
        if self._decoder is not None and codec.name != self._codec_name:
            self._room.change(now_s)
        if self._decoder is None or codec.name != self._codec_name:
            self._codec_name, self._decoder = codec.name, native_decoder(codec)
            self._delayed = 0
        return self._decoder

    def _skip(self, reason: str) -> None:
        """Nothing more is decoded until an intra frame, which is asked for."""
        if self._skipped % ASK_EVERY == 0:
            self._failed.set()
        self._skipped += 1
        self._counters.dropped.labels(reason).inc()

    def _fail(self, error: Exception) -> None:
        """A decoder that says it is at its end, or fails for long, is made anew: it would fail for ever."""
        if not self._told:  # once a stream: its peer decides how often this is
            logger.info("a frame could not be decoded (%s)", type(error).__name__)
            self._told = True
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
        """Give the decoder's memory back."""
        self._decoder = None
        self._room.leave()


def work(turns: queue.SimpleQueue) -> None:
    """A decoder thread's main; None ends it."""
    _step_back()
    while (stream := turns.get()) is not None:
        try:
            stream.take_turn()
        except Exception:  # one stream's trouble is none of the others'
            logger.exception("a decoder failed")


def _step_back() -> None:
    """For the event loop, where a thread has a niceness of its own and may change it."""
    if sys.platform == "linux":
        thread = os.PRIO_PROCESS, threading.get_native_id()
        with contextlib.suppress(OSError):
            os.setpriority(*thread, os.getpriority(*thread) + NICER)


class Handover:
    """In the place of a track's queue: nobody waits for frames, each is taken at once, on the event loop."""

    def __init__(
        self,
        take: Callable[[av.VideoFrame | None], None],
        most_pixels: Callable[[], int],
        refuse: Callable[[str], None],
    ) -> None:
        """As `hand_over`."""
        self.put_nowait, self.most_pixels, self.refuse = take, most_pixels, refuse

    async def put(self, frame: av.VideoFrame | None) -> None:
        """For aiortc's own decoder threads."""
        self.put_nowait(frame)


def hand_over(
    track: MediaStreamTrack,
    take: Callable[[av.VideoFrame | None], None],
    *,
    most_pixels: Callable[[], int],
    refuse: Callable[[str], None],
) -> Coroutine | None:
    """Have `take` called with each frame of a track that is just announced, and with None at its end.

    Frames of more than `most_pixels()`, which any thread may ask, are not decoded; `refuse` is told why, in one
    sentence, when no more frames will come for that. A coroutine is to be run where the track is not ours.
    """
    if isinstance(track, OpenTrack):
        track.hand_over(Handover(take, most_pixels, refuse))
        return None
    return _read(track, take, most_pixels)


async def _read(
    track: MediaStreamTrack, take: Callable[[av.VideoFrame | None], None], most_pixels: Callable[[], int]
) -> None:
    """Each frame of a track of aiortc's own, as it comes, so that none queues up."""
    with contextlib.suppress(MediaStreamError):
        while True:
            frame = cast(av.VideoFrame, await track.recv())
            if frame.width * frame.height <= most_pixels():
                take(frame)
    take(None)


@contextlib.contextmanager
def threads(counters: Counters) -> Iterator[Callable[[], EncodedStream]]:
    """Decoder threads, one a core, and what makes a stream that they decode."""
    turns: queue.SimpleQueue[EncodedStream | None] = queue.SimpleQueue()
    started = [
        threading.Thread(target=work, args=(turns,), name=f"decoder_{number}", daemon=True)
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
