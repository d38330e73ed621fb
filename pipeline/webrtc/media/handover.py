"""Hands each decoded frame of a track to a callback at once, so that none pile up."""

import contextlib
from collections.abc import Callable, Coroutine
from typing import cast

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from pipeline.webrtc.internals.rtp import OpenTrack


class Handover:
    """Takes the place of a track's queue: each frame is handed at once to a callback, on the event loop."""

    def __init__(
        self,
        take: Callable[[av.VideoFrame | None], None],
        most_pixels: Callable[[], int],
        refuse: Callable[[str], None],
        wants_frame: Callable[[float], bool] = lambda time_s: True,
    ) -> None:
        """The parameters are those of `hand_over`."""
        self.put_nowait, self.most_pixels, self.refuse, self.wants_frame = take, most_pixels, refuse, wants_frame

    async def put(self, frame: av.VideoFrame | None) -> None:
        """Do the same as `put_nowait`; aiortc's own decoder threads call this."""
        self.put_nowait(frame)


def hand_over(
    track: MediaStreamTrack,
    take: Callable[[av.VideoFrame | None], None],
    *,
    most_pixels: Callable[[], int],
    refuse: Callable[[str], None],
    wants_frame: Callable[[float], bool] = lambda time_s: True,
) -> Coroutine | None:
    """Have `take` called with each frame of a track that was just announced, and with None at its end.

    Frames with more than `most_pixels()` pixels are not decoded; any thread may call this function. `refuse` is called
    with a sentence that says why, if the stream is refused.

    `wants_frame` is called on the event loop with the time, in seconds, of each encoded frame, which its picture will
    have as `time`. A frame for which it returns False is not handed over, and only decoded if other frames need it.

    If the track is aiortc's own, a coroutine is returned, which the caller must run; all its frames are decoded.
    """
    if isinstance(track, OpenTrack):
        track.hand_over(Handover(take, most_pixels, refuse, wants_frame))
        return None
    return _read(track, take, most_pixels)


async def _read(
    track: MediaStreamTrack, take: Callable[[av.VideoFrame | None], None], most_pixels: Callable[[], int]
) -> None:
    """Read aiortc's own track: each frame is taken at once, so that none pile up."""
    with contextlib.suppress(MediaStreamError):
        while True:
            frame = cast(av.VideoFrame, await track.recv())
            if frame.width * frame.height <= most_pixels():
                take(frame)
    take(None)
