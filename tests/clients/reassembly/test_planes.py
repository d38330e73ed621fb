"""A grid applied to planes, compared with the same on RGB."""

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from clients.media import colour
from clients.media.clip import upright
from clients.reassembly.grid import IDENTITY, STILL, apply_grid
from clients.reassembly.planes import LEAST_SIDE, Part, fits, in_codes, paint_planes
from pipeline.key_frames.frames import planes

SMPTE170M = 6


def smooth(width: int, height: int) -> np.ndarray:
    """A picture of soft shapes, as cameras see them, from dark to bright."""
    noise = np.random.default_rng(3).integers(30, 225, (5, 8, 3), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def coded(rgb: np.ndarray, matrix: int = Colorspace.ITU709, *, full: bool = False) -> av.VideoFrame:
    space = Colorspace.ITU601 if matrix == SMPTE170M else matrix
    wide = ColorRange.JPEG if full else ColorRange.MPEG
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
        format="yuv420p", dst_colorspace=space, dst_color_range=wide
    )
    frame.colorspace, frame.color_range = matrix, wide
    return frame


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / max(1e-9, np.square(a.astype(float) - b).mean()))


def a_look(seed: int = 0) -> np.ndarray:
    """A grid as strong as a real one, with 8 layers of 9x16 places."""
    noise = np.random.default_rng(seed).normal(0, 0.12, (3, 4, 3, 5, 4))
    finer = np.stack([cv2.resize(plane, (16, 9)) for plane in noise.transpose(0, 1, 4, 2, 3).reshape(-1, 3, 5)])
    places = finer.reshape(3, 4, 4, 9, 16).transpose(0, 1, 3, 4, 2).repeat(2, 1)
    return (np.eye(3, 4).reshape(3, 1, 1, 1, 4) * 0.9 + places).astype(np.float16)


def painted(frame: av.VideoFrame, grid: np.ndarray, flow: np.ndarray = STILL) -> av.VideoFrame:
    out, to_rgb = av.VideoFrame(frame.width, frame.height, "yuv420p"), colour.planes_to_rgb(frame)
    paint_planes(planes(frame), [Part(in_codes(grid, to_rgb), flow, 1.0)], to_rgb, planes(out))
    out.colorspace, out.color_range = Colorspace.ITU709, ColorRange.MPEG
    return out


@pytest.mark.parametrize("size", [(1280, 720), (640, 360), (514, 302), (38, 512)])
def test_the_identity_changes_no_code(size: tuple[int, int]):
    frame = coded(smooth(*size))

    out = painted(frame, np.tile(IDENTITY, (1, 8, 9, 16, 1)))

    for before, after in zip(planes(frame), planes(out), strict=True):
        np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("size", [(1920, 1080), (640, 360), (518, 302)])
@pytest.mark.parametrize("matrix", [Colorspace.ITU709, Colorspace.ITU601, SMPTE170M])
@pytest.mark.parametrize("full", [False, True])
def test_planes_are_painted_as_rgb_is(size: tuple[int, int], matrix: int, full: bool):
    frame, grid = coded(smooth(*size), matrix, full=full), a_look()

    expected = coded(apply_grid(upright(frame), grid))

    for by_rgb, by_planes in zip(planes(expected), planes(painted(frame, grid)), strict=True):
        assert psnr(by_planes, by_rgb) > 48


def test_two_answers_are_weighted_and_carried_along_the_flow():
    frame, grids = coded(smooth(640, 360)), (a_look(0), a_look(1))
    flow = np.full((9, 16, 3), (0.1, 0, 1), np.float32)
    to_rgb, out = colour.planes_to_rgb(frame), av.VideoFrame(640, 360, "yuv420p")

    parts = [Part(in_codes(grid, to_rgb), flow, weight) for grid, weight in zip(grids, (0.25, 0.75), strict=True)]
    paint_planes(planes(frame), parts, to_rgb, planes(out))

    mixed = 0.25 * grids[0].astype(float) + 0.75 * grids[1].astype(float)
    moved = painted(frame, mixed.astype(np.float16), flow)
    for a, b in zip(planes(out), planes(moved), strict=True):
        assert np.abs(a.astype(int) - b).max() <= 1
    assert psnr(planes(out)[0], planes(painted(frame, mixed.astype(np.float16)))[0]) < 45, "the flow moves the look"


def test_places_that_the_key_frame_does_not_show_keep_the_look_of_their_place():
    frame, grid = coded(smooth(640, 360)), a_look()
    unseen = np.full((9, 16, 3), (0.3, 0.3, 0), np.float32)

    for a, b in zip(planes(painted(frame, grid, unseen)), planes(painted(frame, grid)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_sky_that_becomes_too_bright_keeps_its_hue():
    rgb = np.full((32, 512, 3), (150, 190, 235), np.uint8)
    brighter = np.tile(IDENTITY * np.float16(1.5), (1, 8, 2, 3, 1))

    shown = upright(painted(coded(rgb), brighter))[8, 100]

    np.testing.assert_allclose(shown, (225, 255, 255), atol=3)


def test_a_smooth_ramp_has_no_more_bands_than_in_rgb():
    ramp = np.repeat(np.linspace(60, 200, 1280)[None, :, None], 64, 0).repeat(3, 2).astype(np.uint8)
    frame, grid = coded(ramp), a_look()

    by_planes, by_rgb = (planes(out)[0][20].astype(int) for out in (
        painted(frame, grid), coded(apply_grid(upright(frame), grid))
    ))  # fmt: skip

    assert len(set(by_planes)) >= 0.95 * len(set(by_rgb))
    assert np.abs(np.diff(by_planes)).max() <= np.abs(np.diff(by_rgb)).max()


@pytest.mark.parametrize(("size", "fitting"), [
    ((LEAST_SIDE, 2), True), ((30, 1920), False), ((641, 480), False), ((640, 481), False), ((320, 240), False),
])  # fmt: skip
def test_only_even_sides_that_are_not_too_short_fit(size: tuple[int, int], fitting: bool):
    assert fits(*size) is fitting
