"""Stylizes a whole video: key frames by the model, every other frame from the key frames before and after it.

Frames are decoded, key frames are stylized, frames are painted, and pictures are encoded, each in a thread of its own.
"""

import ctypes
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress

import av
import numpy as np
from tqdm import tqdm

from clients.feeds.outputs import Target
from clients.media.clip import Clip, upright_luma
from clients.media.encoding import Encoding
from clients.media.writer import writing
from clients.reassembly.flow import Estimate, Flow, flow_between, no_flow, small_luma
from workers.files.key_frame_answers import Answer
from workers.files.key_frames import Choice, Marked, marked
from workers.files.overlap import ahead
from workers.files.painting import Canvas, Mode, Neighbour, Picture

#: The most frames that wait between two stages, enough for none to wait for another, and the most bytes of them.
WAITING, WAITING_BYTES = 8, 24_000_000
#: The size from which a block of memory is given back as soon as it is freed. It is below a frame of 3840x2160 and
#: above what the model needs for each key frame. By itself, glibc keeps whatever it has seen freed once, thread by
#: thread, which are 70 MB in 3840x2160.
GIVEN_BACK_BYTES = 8 << 20
M_MMAP_THRESHOLD = -3  # of glibc's mallopt
#: The flow where nothing moves, float32 h w 2.
UNMOVED = np.zeros((1, 1, 2), np.float32)
#: A frame, and the answer if it is a key frame.
Answered = tuple[Marked, Answer | None]


def stylize_video(
    clip: Clip,
    target: Target,
    answer: Callable[[Marked], Answer],
    *,
    choice: Choice,
    mode: Mode,
    estimate: Estimate,
    size: tuple[int, int],
    encoding: Encoding = Encoding(),
) -> int:
    """Write a stylized clip to the target; return the number of frames.

    `answer` stylizes a key frame. `size` is the (width, height) of the output and of the answers.
    """
    count = 0
    give_back_large_blocks()
    with writing(target, clip, size, encoding) as output, progress_bar(clip.length) as progress:
        canvas = Canvas(size, output.blank)
        waiting = most_waiting(clip.size)
        decoded = ahead(marked(clip.frames(output.packet), choice), waiting)
        stylized = ahead(answered(decoded, answer), waiting)
        with closing(ahead(reassembled(stylized, mode, estimate, canvas), waiting)) as painted:
            try:
                for count, (frame, picture) in enumerate(painted, 1):
                    output.write(picture, frame)
                    progress.update()
            except BaseException:
                clip.source.interrupt()  # so that nothing waits for a pipe any more
                raise
    return count


def most_waiting(size: tuple[int, int]) -> int:
    """How many frames of a size (width, height) may wait between two stages."""
    frame_bytes = size[0] * size[1] * 3 // 2
    return max(1, min(WAITING, WAITING_BYTES // frame_bytes))


def give_back_large_blocks() -> None:
    """Tell glibc, where that is the system's library, to give back large blocks of memory at once."""
    if sys.platform == "linux":
        with suppress(AttributeError):  # another library
            ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, GIVEN_BACK_BYTES)


def progress_bar(frames: int | None) -> tqdm:
    """A bar with the number of frames, frames a second, and the time left if the number of all frames is known."""
    layout = "{percentage:3.0f} % {bar} {n_fmt} of {total_fmt} frames, {rate_noinv_fmt}, {remaining} left"
    return tqdm(total=frames, unit=" frames", disable=None, bar_format=layout if frames else None)


def answered(frames: Generator[Marked], answer: Callable[[Marked], Answer]) -> Generator[Answered]:
    """Yield every frame, and the answer of each key frame."""
    with closing(frames):
        for now in frames:
            yield now, answer(now) if now.key else None


def reassembled(
    frames: Generator[Answered], mode: Mode, estimate: Estimate, canvas: Canvas
) -> Generator[tuple[av.VideoFrame, Picture]]:
    """Yield every frame with its stylized picture at the canvas' size.

    Frames wait for the key frame after them. Nothing is blended across a cut.
    """
    with closing(frames):
        for key, held, after in stretches(frames):
            yield key.frame, mode.paint_key(key, canvas)
            yield from _between(held, key, after, mode, estimate, canvas)


def stretches(frames: Iterable[Answered]) -> Iterator[tuple[Answer, list[av.VideoFrame], Answer | None]]:
    """Yield each key frame's answer, the frames after it, and the next answer: None at a cut and at the end."""
    key: Answer | None = None
    held: list[av.VideoFrame] = []
    for now, answer in frames:
        if answer is None:
            held.append(now.frame)
            continue
        if key:
            yield key, held, None if now.cut else answer
        key, held = answer, []
    if key:
        yield key, held, None


def _between(
    frames: list[av.VideoFrame], before: Answer, after: Answer | None, mode: Mode, estimate: Estimate, canvas: Canvas
) -> Iterator[tuple[av.VideoFrame, Picture]]:
    """Paint the frames between two key frames. The list is emptied, so that no more than those to come are held."""
    count, flows = len(frames), _no_flows if estimate is no_flow else _flows
    following: Sequence[Neighbour | None] = [None] * count
    if after and mode.both:
        following = [Neighbour(after, flow) for _, flow in flows(reversed(frames), after.luma, estimate)][::-1]
    for index, (frame, behind) in enumerate(flows(_taken_out(frames), before.luma, estimate)):
        yield frame, mode.paint(frame, Neighbour(before, behind), following[index], (index + 1) / (count + 1), canvas)


def _taken_out(frames: list[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    frames.reverse()
    while frames:
        yield frames.pop()


def _flows(
    frames: Iterable[av.VideoFrame], key: np.ndarray, estimate: Estimate
) -> Iterator[tuple[av.VideoFrame, Flow]]:
    """Yield each frame and the flow from it to the key frame. The frames' distance grows, and each search starts at the
    last result."""
    flow = None
    for frame in frames:
        flow = flow_between(small_luma(upright_luma(frame)), key, estimate, near=flow)
        yield frame, flow


def _no_flows(
    frames: Iterable[av.VideoFrame], key: np.ndarray, estimate: Estimate
) -> Iterator[tuple[av.VideoFrame, Flow]]:
    """Yield each frame and a flow as if nothing moved, without looking at it."""
    return ((frame, Flow(UNMOVED, UNMOVED)) for frame in frames)
