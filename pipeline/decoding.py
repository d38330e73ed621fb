"""Decoder threads: one a stream, none of which lags behind for long."""
import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

import av
from aiortc import MediaStreamTrack, codecs, rtcrtpreceiver
from aiortc.codecs.vpx import Vp8Decoder
from prometheus_client import Counter

from pipeline.jitter import is_whole_picture

logger = logging.getLogger(__name__)

#: A decoder half a second behind goes on with the next whole picture, which is asked for, and again each second.
MOST_WAITING, ASK_EVERY = 15, 30


class NativeVp8Decoder(Vp8Decoder):
    """FFmpeg's own decoder: the same pixels as libvpx, which copies each picture; 20 streams take 7/10 of its time."""

    def __init__(self) -> None:
        self.codec = av.CodecContext.create("vp8", "r")
        self.codec.thread_count = 1  # there is a thread a stream already


def decode(
    dropped: Counter, loop: asyncio.AbstractEventLoop, encoded: queue.SimpleQueue, decoded: asyncio.Queue,
    failed: threading.Event,
) -> None:
    """A decoder thread's main, in the place of aiortc's: frames until None comes, which goes on to the track.

    Where the processor is too slow for all of them, video becomes jerky, and neither late nor a burden on memory. Each
    frame that never comes out is counted in `dropped`, as "behind" or "broken".
    """
    name = decoder = None
    skipped = 0
    while (task := encoded.get()) is not None:
        codec, frame = task
        if codec.name != name:
            name, decoder = codec.name, rtcrtpreceiver.get_decoder(codec)
        if (skipped or encoded.qsize() > MOST_WAITING) and not is_whole_picture(frame.data):
            if skipped % ASK_EVERY == 0:
                failed.set()
            skipped += 1
            dropped.labels("behind").inc()
            continue
        skipped = 0
        try:
            frames = decoder.decode(frame)
        except av.FFmpegError as error:
            logger.info("a frame could not be decoded: %s", error)
            failed.set()
            dropped.labels("broken").inc()
            continue
        for picture in frames:
            loop.call_soon_threadsafe(decoded.put_nowait, picture)
    loop.call_soon_threadsafe(decoded.put_nowait, None)


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
    rtcrtpreceiver.decoder_worker = partial(decode, dropped)
    rtcrtpreceiver.queue = SimpleNamespace(Queue=queue.SimpleQueue)  # of C; a third of the time
    codecs.Vp8Decoder = NativeVp8Decoder
