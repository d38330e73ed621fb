"""Draws previews: one picture in several styles, in one job that takes about as long as a key frame."""

from dataclasses import dataclass

import numpy as np

from pipeline.contract.errors import MVStylizerError
from pipeline.contract.grid_codec import pack_grid
from pipeline.contract.image_codec import decode_image
from pipeline.contract.messages import PreviewGrids, PreviewPicture
from pipeline.styles.mood import without_mood
from workers.serving.key_frame_batch import FindStyle, Served


@dataclass(frozen=True, slots=True)
class Unprepared:
    """The job has to be run once more: this time it computed the statistics of one of its styles."""


def previews(served: Served, picture: PreviewPicture, find_jpeg: FindStyle) -> PreviewGrids | Unprepared | None:
    """Return the previews of a picture; None if none of its styles is known any more.

    The statistics of a style cost as much as a key frame, so that no more than those of one style are computed in one
    job: key frames that have come meanwhile go first. Raises MVStylizerError or ValueError if the picture or the model
    cannot be used.
    """
    known = []
    for style_id in picture.styles:
        is_new = without_mood(style_id) not in served.styles
        try:
            style = served.style(style_id, find_jpeg)
        except MVStylizerError:  # it is not known any more, or cannot be read
            continue
        if is_new:
            return Unprepared()
        known.append((style_id, style))
    if not known:
        return None
    style_ids, styles = zip(*known, strict=True)
    grids = served.stylizer.previews(decode_image(picture.picture), styles)  # N 3 D R C 4
    tall = np.concatenate(grids, axis=2)  # 3 D NR C 4: packing takes no differences along the rows
    return PreviewGrids(
        stream_id=picture.stream_id,
        number=picture.number,
        frame_id=picture.frame_id,
        style_ids=",".join(style_ids),
        grid_shape=tall.shape[1:4],
        grids=pack_grid(tall),
    )
