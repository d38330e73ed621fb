"""Plays a video as a camera, in real time: small stamped frames for the gateway, full ones for the viewer."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from clients.headless.looping import looped
from clients.headless.newest import Newest
from clients.headless.returning import PATIENCE_S, returning
from clients.media.clip import Clip, upright
from clients.media.geometry import square_size
from clients.net.frame_pacer import FramePacer
from pipeline.contract.frame_strip import stamp
from pipeline.key_frames.picker import thumbnail_of
from pipeline.key_frames.selector import FrameThumbnail, is_cut

#: The longer side of the sent frames. The stylizer reduces them to 256 px anyway; larger ones only cost bandwidth.
SENT_SIDE_PX = 640
_CLOCK_RATE = 90_000


@dataclass(frozen=True, slots=True)
class CameraFrame:
    """One frame of the video, in full size."""

    frame_id: int
    rgb: np.ndarray  # uint8 H W 3, in the video's own size, upright
    captured_s: float  # time.monotonic() at which it was due
    decoded: av.VideoFrame  # as it was decoded, with its time and duration


class ClipCamera(MediaStreamTrack):
    """Plays a clip in real time, and yields the frames that are to be sent.

    A file's frames are due at their times. A live source's are due when they come, and of those that come faster than
    they are taken only the newest one is; if it goes away, it is opened again.

    `on_frame` is called with each frame when it is due, and `on_cut` with the id of a frame that begins another scene,
    just before it is sent. The camera must be closed before the clip.
    """

    kind = "video"

    def __init__(
        self,
        clip: Clip,
        on_frame: Callable[[CameraFrame], None],
        on_packet: Callable[[av.Packet], None] = lambda packet: None,
        *,
        pacer: FramePacer | None = None,
        on_cut: Callable[[int], None] = lambda frame_id: None,
        loop: bool = False,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """`on_packet` is called with the packets of sound and subtitles, ahead of time and in another thread.

        `pacer` decides which frames are sent; without one, all are. With `loop`, the file begins again at its end. A
        live source that has gone is given up after `patience_s`; with 0, the clip ends where it goes.
        """
        super().__init__()
        self.sent_size = sent_size(*square_size(clip.size, clip.pixel_aspect))
        self.error: Exception | None = None  # why the clip could not be played to its end
        self._clip = clip
        self._closed = threading.Event()
        if loop:
            frames = looped(clip, on_packet)
        elif patience_s and clip.source.may_return:
            frames = returning(clip, on_packet, self._closed, patience_s)
        else:
            frames = clip.frames(on_packet)
        self._newest = Newest(frames) if clip.source.is_live else None
        self._frames = self._newest or frames
        self._decoder = ThreadPoolExecutor(1, thread_name_prefix="camera")
        self._on_frame, self._on_cut = on_frame, on_cut
        self._pacer = pacer or FramePacer()
        self._thumbnail: FrameThumbnail | None = None  # of the frame before
        self._count = self.sent = 0  # frames that were shown, and those of them that were sent
        self._started_s: float | None = None

    @property
    def skipped(self) -> int:
        """How many frames of a live source were too late to be taken."""
        return self._newest.skipped if self._newest else 0

    async def recv(self) -> av.VideoFrame:
        """The next frame to be sent, small and stamped, once it is due. Raises MediaStreamError at the end."""
        while True:
            decoded, rgb, is_cut = await self._in_thread(self._next)
            due_s = await self._until_due(decoded.time)
            frame_id = self._count & 0xFFFF
            self._on_frame(CameraFrame(frame_id, rgb, due_s, decoded))
            self._count += 1
            cause = self._pacer.cause(decoded.time, is_cut=is_cut)
            if cause == "cut":
                self._on_cut(frame_id)
            if cause is not None:
                frame: av.VideoFrame = await self._in_thread(self._prepared, rgb, frame_id, decoded.time)
                frame.opaque = self._pacer.most_bits_per_s
                self.sent += 1
                return frame

    async def _in_thread(self, function: Callable, *args: object) -> Any:
        """Run this in the decoder's thread. Where it fails or returns None, the track is over."""
        try:
            result = await asyncio.get_running_loop().run_in_executor(self._decoder, function, *args)
        except Exception as error:  # the reader of a track can only be told that it is over
            result = None
            if self.readyState != "ended":  # what fails because it was stopped is no error
                self.error = error
        if result is None:
            self.stop()
            raise MediaStreamError
        return result

    def _next(self) -> tuple[av.VideoFrame, np.ndarray, bool] | None:
        """The next decoded frame, the same upright, and whether it begins another scene."""
        decoded = next(self._frames, None)
        if decoded is None:
            return None
        before, self._thumbnail = self._thumbnail, thumbnail_of(decoded)
        return decoded, upright(decoded), before is not None and is_cut(before, self._thumbnail)

    def _prepared(self, rgb: np.ndarray, frame_id: int, time_s: float) -> av.VideoFrame:
        small = cv2.resize(rgb, self.sent_size, interpolation=cv2.INTER_AREA)
        frame = av.VideoFrame.from_ndarray(stamp(small, frame_id), format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = round(time_s * _CLOCK_RATE), Fraction(1, _CLOCK_RATE)
        return frame

    async def _until_due(self, time_s: float) -> float:
        if self._newest:
            return time.monotonic()
        if self._started_s is None:
            self._started_s = time.monotonic() - time_s
        due_s = self._started_s + time_s
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        return due_s

    async def close(self) -> None:
        """Stop, and wait until nothing reads the clip any more."""
        self.stop()
        self._closed.set()
        self._clip.source.interrupt()
        if self._newest:
            await asyncio.to_thread(self._newest.close)
        await asyncio.to_thread(self._decoder.shutdown)

    def stop(self) -> None:
        if self.readyState != "ended":
            super().stop()
            self._decoder.shutdown(wait=False)


def sent_size(width: int, height: int) -> tuple[int, int]:
    """The even width and height, of at most SENT_SIDE_PX, at which a picture is sent; its shape stays the same."""
    scale = min(1.0, SENT_SIDE_PX / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
