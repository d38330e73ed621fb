"""Paints a frame from the key frames before and after it: the modes of reassembly."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import av
import cv2
import numpy as np

from clients.media.clip import upright, upright_planes
from clients.media.colour import planes_to_rgb
from clients.media.geometry import resized
from clients.reassembly.flow import Flow
from clients.reassembly.grid import STILL, apply_grid, blend_grids, carry_grid
from clients.reassembly.planes import Part, fits, paint_planes
from clients.reassembly.residual import reassemble_residual
from clients.reassembly.warp import warp
from pipeline.key_frames.frames import planes
from workers.files.key_frame_answers import Answer

#: RGB uint8 H W 3, or a frame of three planes in BT.709 and limited range.
Picture = np.ndarray | av.VideoFrame


@dataclass(frozen=True, slots=True)
class Canvas:
    """What the output takes."""

    size: tuple[int, int]  # width and height
    #: Returns an empty frame of that size for planes, or None if the output takes only RGB.
    blank: Callable[[], av.VideoFrame | None]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The key frame before or after a frame, and the flow from the frame to it."""

    answer: Answer
    flow: Flow


@dataclass(frozen=True, slots=True)
class Mode:
    """A mode of reassembly."""

    #: Returns the stylized picture of a frame, given the key frames before and after it (the latter may be None), the
    #: weight of the latter (0 to 1), and the canvas.
    paint: Callable[[av.VideoFrame, Neighbour, Neighbour | None, float, Canvas], Picture]
    #: Returns the stylized picture of a key frame.
    paint_key: Callable[[Answer, Canvas], Picture]
    #: Whether the mode uses the key frame after a frame too.
    both: bool = True


def paint_grid(
    frame: av.VideoFrame, before: Neighbour, after: Neighbour | None, share: float, canvas: Canvas
) -> Picture:
    """Apply the colour transforms of both key frames, which are carried along the flow and blended."""
    neighbours = [(before, 1.0)]
    if after and after.answer.grid.shape == before.answer.grid.shape:
        neighbours = [(before, 1 - share), (after, share)]
    parts = [(neighbour.answer, neighbour.flow.lookup_flow, weight) for neighbour, weight in neighbours]
    painted = _on_planes(frame, parts, canvas)
    if painted is not None:
        return painted
    grids = [carry_grid(answer.grid, flow) for answer, flow, _ in parts]
    return apply_grid(resized(upright(frame), canvas.size), blend_grids(grids[0], grids[-1], share))


def paint_key_by_grid(key: Answer, canvas: Canvas) -> Picture:
    """Apply a key frame's own colour transforms."""
    painted = _on_planes(key.frame, [(key, STILL, 1.0)], canvas)
    return key.stylized if painted is None else painted


def _on_planes(
    frame: av.VideoFrame, parts: Sequence[tuple[Answer, np.ndarray, float]], canvas: Canvas
) -> av.VideoFrame | None:
    """The stylized frame, painted on its own planes; None if it, or the output, needs RGB.

    Each part is a key frame's answer, the flow to it (see `Flow.lookup_flow`), and its weight.
    """
    to_rgb = planes_to_rgb(frame)
    if to_rgb is None or not fits(*canvas.size):
        return None
    source, painted = upright_planes(frame), canvas.blank()
    is_alike = all(planes_to_rgb(answer.frame) is to_rgb for answer, _, _ in parts)
    if painted is None or source[0].shape[::-1] != canvas.size or not is_alike:
        return None
    paint_planes(source, [Part(answer.cells, flow, weight) for answer, flow, weight in parts], to_rgb, planes(painted))
    return painted


def paint_residual(
    frame: av.VideoFrame, before: Neighbour, after: Neighbour | None, share: float, canvas: Canvas
) -> Picture:
    """Blend the stylized pixels of both key frames, which are warped, plus the transformed change of the picture."""
    picture = resized(upright(frame), canvas.size)
    past = _with_change(picture, before)
    return cv2.addWeighted(past, 1 - share, _with_change(picture, after), share, 0) if after else past


def _with_change(picture: np.ndarray, neighbour: Neighbour) -> np.ndarray:
    answer, flow = neighbour.answer, neighbour.flow
    return reassemble_residual(
        picture, answer.picture, answer.stylized, answer.grid, flow.normalized_flow, flow.lookup_flow
    )


def paint_warp(
    frame: av.VideoFrame, before: Neighbour, after: Neighbour | None, share: float, canvas: Canvas
) -> Picture:
    """Warp the stylized pixels of the key frame before, as in the paper's Eq. 1 and Algorithm 1."""
    return warp(before.answer.stylized, before.flow.normalized_flow)


def paint_key_by_pixels(key: Answer, canvas: Canvas) -> Picture:
    """Return what the model drew."""
    return key.stylized


MODES = {
    "grid": Mode(paint_grid, paint_key_by_grid),
    "residual": Mode(paint_residual, paint_key_by_pixels),
    "warp": Mode(paint_warp, paint_key_by_pixels, both=False),
}
