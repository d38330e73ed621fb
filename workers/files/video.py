"""Stylizes a whole video: key frames by the model, every other frame from the key frames before and after it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from tqdm import tqdm

from clients.media.clip import Clip, upright, upright_luma
from clients.media.geometry import resized
from clients.media.writer import writing
from clients.reassembly.flow import Estimate, Flow, flow_between, small_luma
from clients.reassembly.grid import apply_grid, blend_grids, carry_grid
from clients.reassembly.residual import reassemble_residual
from clients.reassembly.warp import warp
from workers.files.key_frame_answers import Answer
from workers.files.key_frames import Choice, Marked, marked


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The key frame before or after a frame, and the flow from the frame to it."""

    answer: Answer
    flow: Flow


@dataclass(frozen=True, slots=True)
class Mode:
    """A mode of reassembly."""

    #: Returns the stylized picture (RGB uint8 H W 3), given the frame's picture, the key frames before and after it
    #: (the latter may be None), and the weight of the latter (0 to 1).
    paint: Callable[[np.ndarray, Neighbour, Neighbour | None, float], np.ndarray]
    #: Whether the mode uses the key frame after a frame too.
    both: bool = True


def paint_grid(picture: np.ndarray, before: Neighbour, after: Neighbour | None, share: float) -> np.ndarray:
    """Apply the colour transforms of both key frames, which are carried along the flow and blended."""
    grid = carry_grid(before.answer.grid, before.flow.lookup_flow)
    if after and after.answer.grid.shape == before.answer.grid.shape:
        grid = blend_grids(grid, carry_grid(after.answer.grid, after.flow.lookup_flow), share)
    return apply_grid(picture, grid)


def paint_residual(picture: np.ndarray, before: Neighbour, after: Neighbour | None, share: float) -> np.ndarray:
    """Blend the stylized pixels of both key frames, which are warped, plus the transformed change of the picture."""
    past = _with_change(picture, before)
    return cv2.addWeighted(past, 1 - share, _with_change(picture, after), share, 0) if after else past


def _with_change(picture: np.ndarray, neighbour: Neighbour) -> np.ndarray:
    answer, flow = neighbour.answer, neighbour.flow
    return reassemble_residual(
        picture, answer.picture, answer.stylized, answer.grid, flow.normalized_flow, flow.lookup_flow
    )


def paint_warp(picture: np.ndarray, before: Neighbour, after: Neighbour | None, share: float) -> np.ndarray:
    """Warp the stylized pixels of the key frame before, as in the paper's Eq. 1 and Algorithm 1."""
    return warp(before.answer.stylized, before.flow.normalized_flow)


MODES = {"grid": Mode(paint_grid), "residual": Mode(paint_residual), "warp": Mode(paint_warp, both=False)}


def stylize_video(
    clip: Clip,
    out: Path,
    answer: Callable[[Marked], Answer],
    *,
    choice: Choice,
    mode: Mode,
    estimate: Estimate,
    size: tuple[int, int],
) -> int:
    """Write a stylized clip to `out`; return the number of frames.

    `answer` stylizes a key frame. `size` is the (width, height) of the output and of the answers.
    """
    count = 0
    with writing(out, clip, size) as output, tqdm(total=clip.length, unit="frame", disable=None) as progress:
        frames = marked(clip.frames(output.packet), choice)
        for count, (frame, picture) in enumerate(reassembled(frames, answer, mode, estimate), 1):
            output.write(picture, frame)
            progress.update()
    return count


def reassembled(
    frames: Iterable[Marked], answer: Callable[[Marked], Answer], mode: Mode, estimate: Estimate
) -> Iterator[tuple[av.VideoFrame, np.ndarray]]:
    """Yield every frame with its stylized picture, RGB uint8 H W 3 at the answers' size.

    Frames wait for the key frame after them. Nothing is blended across a cut.
    """
    after: Answer | None = None
    for held, following in stretches(frames):
        before = after or answer(held[0])
        after = answer(following) if following else None
        yield held[0].frame, before.stylized
        yield from _between([now.frame for now in held[1:]], before, after, mode, estimate)


def stretches(frames: Iterable[Marked]) -> Iterator[tuple[list[Marked], Marked | None]]:
    """Yield each key frame with the frames that follow it, and the next key frame: None at a cut and at the end."""
    held: list[Marked] = []
    for now in frames:
        if held and now.key:
            yield held, None if now.cut else now
            held = []
        held.append(now)
    if held:
        yield held, None


def _between(
    frames: list[av.VideoFrame], before: Answer, after: Answer | None, mode: Mode, estimate: Estimate
) -> Iterator[tuple[av.VideoFrame, np.ndarray]]:
    lumas = [small_luma(upright_luma(frame)) for frame in frames]
    ahead: Sequence[Neighbour | None] = [None] * len(frames)
    if after and mode.both:
        ahead = [Neighbour(after, flow) for flow in _flows(reversed(lumas), after.luma, estimate)][::-1]
    height, width = before.picture.shape[:2]
    for index, (frame, behind) in enumerate(zip(frames, _flows(lumas, before.luma, estimate))):
        picture = resized(upright(frame), (width, height))
        yield frame, mode.paint(picture, Neighbour(before, behind), ahead[index], (index + 1) / (len(frames) + 1))


def _flows(lumas: Iterable[np.ndarray], key: np.ndarray, estimate: Estimate) -> Iterator[Flow]:
    """Yield the flow from each frame to the key frame. The frames' distance grows, and each search starts at the last
    result."""
    flow = None
    for luma in lumas:
        flow = flow_between(luma, key, estimate, near=flow)
        yield flow
