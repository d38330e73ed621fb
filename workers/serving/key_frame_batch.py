"""A key frame on its way through the model. Several of one shape are drawn in one batch, which costs less for each."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from rq.timeouts import BaseTimeoutException
from torch import Tensor

from edge.grid_model.colorization import StyleStatistics
from edge.grid_model.stylizer import GridStylizer, network_size
from pipeline.basics.lru import LruCache
from pipeline.contract.errors import MVStylizerError
from pipeline.contract.image_codec import decode_image
from pipeline.contract.messages import KeyFrame
from pipeline.styles.catalog import mood_of
from pipeline.styles.mix import StyleMix
from pipeline.styles.mood import StyleMood

#: The statistics of one style have about 100 KB.
STYLES_CACHED = 64
#: Finds the JPEG of a style by its id.
FindStyle = Callable[[str], bytes | None]


class Served:
    """A model in use, with the statistics of styles that it has computed."""

    def __init__(self, stylizer: GridStylizer) -> None:
        self.stylizer = stylizer
        self.styles: LruCache[str, StyleStatistics] = LruCache(STYLES_CACHED)

    def style(self, style_id: str, find_jpeg: FindStyle) -> StyleStatistics:
        """Return a style's statistics, from the cache or its picture; raises MVStylizerError for an unknown style.

        Those of a mix, or of another mood, are computed each time, which is nothing beside a key frame.
        """
        if mix := StyleMix.parse(style_id):
            first, second = (self.style(part, find_jpeg) for part in (mix.first, mix.second))
            return self.stylizer.mixed(first, second, mix.percent / 100)
        if mood := StyleMood.parse(style_id):
            return self.stylizer.in_mood(self.style(mood.style, find_jpeg), mood.percent / 100)
        style = self.styles.get(style_id)
        if style is None:
            jpeg = find_jpeg(style_id)
            if jpeg is None:
                raise MVStylizerError("This style is not known here any more; upload it again.")
            style = self.stylizer.style(decode_image(jpeg), mood_of(style_id))
            self.styles.put(style_id, style)
        return style


@dataclass(slots=True)
class TakenKeyFrame:
    """A key frame that was taken out of the queue, and what has been computed for it.

    It stays with the model that was in use when it was taken, even if another one is adopted meanwhile.
    """

    frame: KeyFrame
    waited_ms: float
    served: Served
    picture: np.ndarray | None = None
    style: StyleStatistics | None = None
    decode_ms: float = 0.0
    decoded_ns: int = 0
    #: The key frame's own normal equations, 1 4 7 D R C.
    equations: Tensor | None = None

    def decode(self, find_jpeg: FindStyle) -> None:
        """Decode the picture and find its style; raises MVStylizerError if one of them cannot be used."""
        start_ns = time.monotonic_ns()
        self.style = self.served.style(self.frame.style_id, find_jpeg)
        self.picture = decode_image(self.frame.picture)
        self.decoded_ns = time.monotonic_ns()
        self.decode_ms = (self.decoded_ns - start_ns) / 1e6

    @property
    def network_size(self) -> tuple[int, int]:
        assert self.picture is not None
        height, width = self.picture.shape[:2]
        return network_size(height, width)


def draw(first: TakenKeyFrame, others: Iterable[TakenKeyFrame], find_jpeg: FindStyle) -> None:
    """Compute the equations of `first`, and in the same batch those of all others that have its shape and its model.

    Raises MVStylizerError or ValueError if the first one's picture or style cannot be used, and RuntimeError if the
    device has too little memory. An error of another key frame is not raised here; it comes again when that one is
    drawn as the first.
    """
    first.decode(find_jpeg)
    batch = [first, *(other for other in others if _joins(first, other, find_jpeg))]
    try:
        _run_model(batch)
    except RuntimeError:
        if len(batch) == 1:
            raise
        _run_model([first])


def _joins(first: TakenKeyFrame, other: TakenKeyFrame, find_jpeg: FindStyle) -> bool:
    if other.equations is not None or other.served is not first.served:
        return False
    try:
        other.decode(find_jpeg)
    except BaseTimeoutException:  # it is the first one's job that has run for too long
        raise
    except Exception:
        return False
    return other.network_size == first.network_size


def _run_model(batch: list[TakenKeyFrame]) -> None:
    decoded = [(taken.picture, taken.style) for taken in batch if taken.picture is not None and taken.style is not None]
    assert len(decoded) == len(batch)
    pictures, styles = zip(*decoded, strict=True)
    equations = batch[0].served.stylizer.equations_of_each(pictures, styles)
    for taken, own in zip(batch, equations, strict=True):
        taken.equations = own
