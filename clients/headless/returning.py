"""Opens a live source again when it has gone, so that it and what was there before are one video."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction

import av

from clients.headless.joined import Joined
from clients.media.clip import Clip
from pipeline.contract.errors import MVStylizerError

logger = logging.getLogger(__name__)

#: How long a source that has gone is tried again, in seconds.
PATIENCE_S = 60.0
#: The pauses before it is opened again: the first one, which doubles with each failure, and the longest.
FIRST_PAUSE_S, LAST_PAUSE_S = 0.5, 8.0


def returning(
    clip: Clip, on_packet: Callable[[av.Packet], None], ended: threading.Event, patience_s: float = PATIENCE_S
) -> Iterator[av.VideoFrame]:
    """The frames of a live source, and its packets of sound for `on_packet`. When it has gone, it is opened again.

    Meanwhile time goes on. The frames end after the clip's `seconds`, when `ended` is set, and where a stream has
    become a file, because it is over. Raises MVStylizerError if a source that has gone is not back after `patience_s`.
    The clip stays its owner's.
    """
    joined, name = Joined(clip, on_packet), clip.source.name
    yield from _until_gone(joined.part(clip, Fraction(0)))
    while joined.end_s < clip.seconds and not ended.is_set():
        gone_s = time.monotonic()
        logger.warning("%s has gone, and is tried again for %.0f s", name, patience_s)
        again = _opened_again(clip, ended, gone_s + patience_s)
        if again is None:
            break
        with again:
            if not again.source.is_live:
                break
            logger.warning("%s is back", name)
            begin_s = joined.end_s + Fraction(time.monotonic() - gone_s)
            again.seconds = clip.seconds - float(begin_s)
            yield from _until_gone(joined.part(again, begin_s))


def _until_gone(frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    try:
        yield from frames
    except MVStylizerError as error:
        logger.warning("%s", error)


def _opened_again(clip: Clip, ended: threading.Event, until_s: float) -> Clip | None:
    """The source, open for reading, or None if `ended` is set before it is. Raises its last error after `until_s`."""
    pause_s = FIRST_PAUSE_S
    while not ended.wait(pause_s):
        try:
            return Clip(clip.source.place)
        except MVStylizerError as error:
            if time.monotonic() > until_s:
                raise MVStylizerError(f"{clip.source.name} has gone, and did not come back: {error}") from error
        pause_s = min(2 * pause_s, LAST_PAUSE_S)
    return None
