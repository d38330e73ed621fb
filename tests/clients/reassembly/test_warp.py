from collections.abc import Iterator, Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clients.reassembly.warp import warp

PICTURE = np.random.default_rng(0).integers(0, 256, (36, 64, 3), np.uint8)


def moves(dx: float, dy: float, shape: tuple[int, int] = (9, 16)) -> np.ndarray:
    return np.full((*shape, 3), (dx / 64, dy / 36, 1), np.float32)


@given(st.integers(1, 40), st.integers(1, 40))
def test_without_motion_the_picture_stays(height: int, width: int):
    np.testing.assert_array_equal(warp(PICTURE, moves(0, 0, (height, width))), PICTURE)


@given(st.integers(-20, 20), st.integers(-20, 20))
def test_whole_pixels_are_moved_exactly_and_the_edge_goes_on(dx: int, dy: int):
    y, x = np.mgrid[:36, :64]

    expected = PICTURE[np.clip(y + dy, 0, 35), np.clip(x + dx, 0, 63)]

    np.testing.assert_array_equal(warp(PICTURE, moves(dx, dy)), expected)


def test_between_pixels_it_is_bilinear():
    halfway = warp(PICTURE, moves(0.5, 0)).astype(float)

    mean = (PICTURE[:, :-1].astype(float) + PICTURE[:, 1:]) / 2
    np.testing.assert_allclose(halfway[:, :-1], mean, atol=1)


def printed(frames: Sequence[int], key_frames: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Algorithm 1 to the letter, except that it does not read past the end of its inputs."""
    q = 0
    for p in frames:
        if q + 1 < len(key_frames) and key_frames[q] < p < key_frames[q + 1]:
            yield p, key_frames[q]
        else:
            q = q + 1


def test_the_printed_algorithm_loses_frames():
    """Its else-branch emits nothing: one frame is lost at each key frame, and all frames after the last one."""
    key_frames = [0, 10, 20]
    frames = [p for p in range(30) if p not in key_frames]

    as_printed = dict(printed(frames, key_frames))

    assert sorted(set(frames) - set(as_printed)) == [11, *range(21, 30)]


def test_the_printed_algorithm_cannot_pass_two_key_frames_at_once():
    assert dict(printed([5, 6, 7, 8], [0, 1, 2, 3, 10])) == {8: 3}
