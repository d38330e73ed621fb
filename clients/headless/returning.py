"""Opens a live source again when it has gone, so that it and what was there before are one video."""

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator
from fractions import Fraction

import av

from clients.headless.absence import Absence
from clients.headless.joined import Joined
from clients.media.clip import Clip
from pipeline.contract.errors import MVStylizerError

logger = logging.getLogger(__name__)

#: How long a source that has gone is tried again, in seconds.
PATIENCE_S = 60.0


def returning(
    clip: Clip, on_packet: Callable[[av.Packet], None], ended: threading.Event, patience_s: float = PATIENCE_S
) -> Iterator[av.VideoFrame]:
    """The frames of a live source, and its packets of sound for `on_packet`. When it has gone, it is opened again.

    Meanwhile time goes on. The frames end after the clip's `seconds`, when `ended` is set, and where a stream has
    become a file, because it is over. Raises MVStylizerError if it has been absent for `patience_s`: the source is
    not back, or again and again not for long. The clip stays its owner's.
    """
    joined, name = Joined(clip, on_packet), clip.source.name
    yield from _until_gone(joined.part(clip, Fraction(0)))
    absence = Absence(time.monotonic())
    while joined.end_s < clip.seconds and not ended.is_set():
        gone_s = time.monotonic()
        left_s = patience_s - absence.away_s(gone_s)
        if left_s <= 0:
            raise MVStylizerError(f"{name} has gone, and ends again each time that it is back.")
        logger.warning("%s has gone, and is tried again for %.0f s", name, left_s)
        again = _opened_again(clip, ended, absence, gone_s + left_s)
        if again is None:
            break
        with again:
            if not again.source.is_live:
                break
            logger.warning("%s is back", name)
            begin_s = joined.end_s + Fraction(time.monotonic() - gone_s)
            again.seconds = clip.seconds - float(begin_s)
            return_s = yield from _until_gone(joined.part(again, begin_s))
        absence = absence.after(return_s, time.monotonic())


def _until_gone(frames: Iterator[av.VideoFrame]) -> Generator[av.VideoFrame, None, float]:
    """Yield the frames, and return how long they came, in seconds."""
    first_s = last_s = None
    try:
        for frame in frames:
            last_s = time.monotonic()
            first_s = first_s or last_s
            yield frame
    except MVStylizerError as error:
        logger.warning("%s", error)
    return last_s - first_s if first_s and last_s else 0.0


def _opened_again(clip: Clip, ended: threading.Event, absence: Absence, until_s: float) -> Clip | None:
    """The source, open for reading, or None if `ended` is set before it is. Raises its last error after `until_s`."""
    while not ended.wait(absence.next_pause_s()):
        try:
            return Clip(clip.source.place)
        except MVStylizerError as error:
            if time.monotonic() > until_s:
                raise MVStylizerError(f"{clip.source.name} has gone, and did not come back: {error}") from error
    return None
