"""Picks key frames from a stream's received frames, and keeps account of those that wait for an answer."""

from collections import deque
from dataclasses import dataclass, field

import av
import cv2
import numpy as np

from pipeline.contract import frame_strip, redis_keys
from pipeline.contract.image_codec import encode_jpeg
from pipeline.key_frames.frames import converted, planes
from pipeline.key_frames.selector import KeyFrameSelector, Reason
from pipeline.key_frames.thumbnail import FrameThumbnail

#: The network works on 256 px. Twice that leaves training a choice of crops, and makes a JPEG of 40 KB.
KEY_FRAME_SIDE_PX = 512
#: A frame has at least this many rows of luma, which are one row of chroma, beside its strip.
LEAST_ROWS = 2
#: One client may have asked for this many frames that have not come yet; older requests are forgotten.
ASKED_AHEAD = 8
#: A frame that comes this much later than the frames before it has waited for a lost packet. This is more than the time
#: of two frames at 30 a second, and more than the delays of Wi-Fi.
LATE_S = 0.08
#: After this many late frames at the camera's pace, the delay is normal: the network path has become longer.
PACED_FRAMES = 4


class Punctuality:
    """Recognises frames that waited for a lost packet. They come all at once, so that newer frames follow at once."""

    def __init__(self) -> None:
        self._came_s = self._captured_s = 0.0  # of the last frame
        self._usual_s: float | None = None  # the delay from capture to arrival of the last frame that was on time
        self._paced = 0

    def is_late(self, frame: av.VideoFrame, now_s: float) -> bool:
        """Return whether a frame is late, so that newer frames follow it at once. Call this once for each frame.

        Only differences between delays matter, since the sender's clock and ours have different origins and may run at
        slightly different speeds.
        """
        if frame.time is None:
            return False
        interval_s = frame.time - self._captured_s
        is_paced = now_s - self._came_s > 0.75 * interval_s
        delay_s, self._came_s, self._captured_s = now_s - frame.time, now_s, frame.time
        self._paced = self._paced + 1 if is_paced else 0
        late_s = max(LATE_S, interval_s)  # else no newer frame can have been sent yet
        if self._usual_s is not None and delay_s > self._usual_s + late_s and self._paced < PACED_FRAMES:
            return True
        self._usual_s, self._paced = delay_s, 0
        return False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A frame that should become a key frame, for as long as no newer one has come."""

    frame_id: int
    reason: Reason
    frame: av.VideoFrame
    strip_rows: int
    thumbnail: FrameThumbnail
    seen_s: float


@dataclass(frozen=True, slots=True)
class Picked:
    """A frame that was picked as a key frame, and why."""

    frame_id: int
    reason: Reason
    frame: av.VideoFrame
    strip_rows: int
    #: The number of the scene in the stream, counted from 0; each cut begins a new one.
    scene: int
    picked_s: float

    def jpeg(self) -> bytes:
        """Return the picture without its strip as JPEG. This takes milliseconds, so call it in a thread."""
        return jpeg_of(self.frame, self.strip_rows, KEY_FRAME_SIDE_PX)


@dataclass(slots=True)
class KeyFramePicker:
    """Picks the key frames of one stream. It has no clock and does no I/O: `now_s` comes from the caller."""

    picture_height: int
    selector: KeyFrameSelector = field(default_factory=KeyFrameSelector)
    #: How many frames had a strip that could not be read, or an id out of order.
    unreadable: int = 0
    _ids: frame_strip.MonotonicIdFilter = field(default_factory=frame_strip.MonotonicIdFilter)
    #: The ids of frames that were asked for but have not come yet, since control messages may overtake the video.
    _asked_ids: deque[int] = field(default_factory=lambda: deque(maxlen=ASKED_AHEAD))
    #: The id of a frame that begins a new scene, as the client said, until this frame has come.
    _cut_id: int | None = None
    _picked_at_s: dict[int, float] = field(default_factory=dict)
    _scene: int = 0
    #: The reason why the newest frame is a candidate. It holds until a frame is picked.
    _due: Reason | None = None
    _punctuality: Punctuality = field(default_factory=Punctuality)

    def ask(self, frame_id: int | None = None) -> None:
        """Ask for a key frame: this frame or the first possible one after it; without an id, the next frame."""
        if frame_id is None:
            self.selector.ask("asked")
            self._asked_ids.clear()
        else:
            self._asked_ids.append(frame_id)

    def cut_at(self, frame_id: int) -> None:
        """Note that this frame begins another scene, as the client says. The frame may have come already."""
        self._cut_id = frame_id

    @property
    def awaits_frame(self) -> bool:
        """Whether the next frame is wanted for what was asked for, or for a scene that has no key frame yet."""
        return bool(self._asked_ids) or self._cut_id is not None or self.selector.is_asked

    def inspect(self, frame: av.VideoFrame, now_s: float, *, can_send: bool = True) -> Candidate | None:
        """Return `frame` as a candidate for a key frame, or None if no key frame is due.

        A frame whose strip cannot be read is never a candidate. A late frame, which newer ones follow at once, is one
        only if its scene is new. There is no candidate while `can_send` is false, which says that an earlier answer
        still waits to be sent.
        """
        is_late = self._punctuality.is_late(frame, now_s)
        luma, u, v = planes(frame)
        rows = frame_strip.strip_rows(frame.height, self.picture_height)
        frame_id = frame_strip.read(luma[-rows:]) if frame.height - rows >= LEAST_ROWS else None
        if frame_id is None or not self._ids.accept(frame_id):
            self.unreadable += 1
            return None
        self._note_asked(frame_id)
        thumbnail = FrameThumbnail.at(luma[:-rows], u[: -rows // 2], v[: -rows // 2])
        in_flight = len(self._picked_at_s) if can_send else self.selector.max_in_flight
        reason = self.selector.due(
            now=now_s,
            thumbnail=thumbnail,
            captured=frame.time,
            in_flight=in_flight,
            is_asked_ahead=bool(self._asked_ids),
        )
        if reason == "cut" or self._due is None:
            self._due = reason
        if self._due is None or in_flight >= self.selector.max_in_flight or (is_late and self._due != "cut"):
            return None
        return Candidate(frame_id, self._due, frame, rows, thumbnail, now_s)

    def _note_asked(self, frame_id: int) -> None:
        """Pass requests for frames up to this one, and a cut, on to the selector."""
        if self._cut_id is not None and frame_strip.is_reached(self._cut_id, frame_id):
            self.selector.ask("cut")
            self._cut_id = None
        ahead = [asked_id for asked_id in self._asked_ids if not frame_strip.is_reached(asked_id, frame_id)]
        if len(ahead) < len(self._asked_ids):
            self.ask()
            self._asked_ids.extend(ahead)

    def pick(self, candidate: Candidate, now_s: float) -> Picked:
        """Make a key frame of the newest candidate."""
        self.selector.take(now_s, candidate.thumbnail)
        self._due = None
        self._picked_at_s[candidate.frame_id] = now_s
        self._scene += candidate.reason == "cut"
        return Picked(candidate.frame_id, candidate.reason, candidate.frame, candidate.strip_rows, self._scene, now_s)

    @property
    def newest_id(self) -> int | None:
        """The id of the newest frame whose strip could be read."""
        return self._ids.last

    @property
    def in_flight(self) -> int:
        """How many key frames wait for their answers."""
        return len(self._picked_at_s)

    def answered(self, frame_id: int, now_s: float) -> float | None:
        """Note an answer; return the seconds since its frame was picked, or None if it is no longer waited for.

        Key frames that were picked earlier are no longer waited for either: the newest answer wins.
        """
        picked_s = self._picked_at_s.get(frame_id)
        if picked_s is None:
            return None
        self._picked_at_s = {i: s for i, s in self._picked_at_s.items() if s > picked_s}
        return now_s - picked_s

    def expired(self, now_s: float) -> list[int]:
        """Return the ids of the key frames whose deadline has passed, and stop waiting for their answers."""
        limit_s = now_s - redis_keys.KEY_FRAME_DEADLINE_MS / 1000
        late = [i for i, picked_s in self._picked_at_s.items() if picked_s < limit_s]
        for frame_id in late:
            self.forget(frame_id)
        return late

    def forget(self, frame_id: int) -> None:
        """Stop waiting for the answer to this key frame: the client does not get it."""
        self._picked_at_s.pop(frame_id, None)
        self.selector.miss()


def jpeg_of(frame: av.VideoFrame, strip_rows: int, side: int) -> bytes:
    """Return a frame's picture without its strip, shrunk to `side` pixels, as JPEG."""
    rgb = converted(frame, "rgb24", threads=1).to_ndarray()  # more threads cost more than they save
    return encode_jpeg(shrunk(rgb[: frame.height - strip_rows], side))


def shrunk(rgb: np.ndarray, side: int) -> np.ndarray:
    """Shrink a picture [H, W, 3] so that its longer side is at most `side` pixels.

    It is halved as often as possible and then interpolated, which takes a fifth of the time of INTER_AREA.
    """
    while max(rgb.shape[:2]) >= 2 * side:
        rgb = cv2.resize(rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    scale = side / max(rgb.shape[:2])
    return rgb if scale >= 1 else cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)


def thumbnail_of(frame: av.VideoFrame) -> FrameThumbnail:
    """Return the thumbnail of a frame without a strip, in any pixel format."""
    planar = frame.format.name in ("yuv420p", "yuvj420p")
    return FrameThumbnail.at(*planes(frame if planar else converted(frame, "yuv420p")))
