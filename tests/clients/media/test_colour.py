"""The colours of frames, compared with FFmpeg's own conversion if it is installed."""

import shutil
import subprocess
from collections.abc import Iterator

import av
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from clients.media import colour

SIZE = 64, 48
TO_SRGB = "zscale=t=iec61966-2-1:m=gbr:r=full,format=gbrp,format=rgb24"
HDR = f"zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=clip:desat=0,{TO_SRGB}"
WIDE = f"zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,{TO_SRGB}"


def smooth(width: int, height: int) -> np.ndarray:
    """A smooth picture, RGB uint16, of all colours from black to full."""
    y, x = np.mgrid[:height, :width]
    red, green, blue = x / (width - 1), y / (height - 1), (x + y) / (width + height - 2)
    return (np.stack((red, green, blue), -1) * 65535).astype(np.uint16)


def coded(matrix: Colorspace, *, pixel_format: str = "yuv420p10le", full: bool = False) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(smooth(*SIZE), format="rgb48le").reformat(
        format=pixel_format, dst_colorspace=matrix, dst_color_range=ColorRange.JPEG if full else ColorRange.MPEG
    )
    frame.colorspace, frame.color_range = matrix, ColorRange.JPEG if full else ColorRange.MPEG
    return frame


def by_ffmpeg(frame: av.VideoFrame, tags: str, filters: str) -> np.ndarray:
    command = shutil.which("ffmpeg")
    if (
        not command
        or "zscale" not in subprocess.run([command, "-v", "0", "-filters"], capture_output=True).stdout.decode()
    ):
        pytest.skip("needs ffmpeg with zscale")
    size = f"{frame.width}x{frame.height}"
    raw = ["-f", "rawvideo", "-pix_fmt", frame.format.name, "-s", size, "-i", "-"]
    picture = subprocess.run(
        [command, "-v", "error", *raw, "-vf", f"setparams={tags},{filters}", "-f", "rawvideo", "-"],
        input=b"".join(bytes_of(frame)), capture_output=True, check=True,
    ).stdout  # fmt: skip
    return np.frombuffer(picture, np.uint8).reshape(frame.height, frame.width, 3)


def bytes_of(frame: av.VideoFrame) -> Iterator[bytes]:
    for plane in frame.planes:
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height]
        yield rows[:, : plane.width * (2 if "10" in frame.format.name else 1)].tobytes()


@pytest.mark.parametrize(("transfer", "primaries", "tags", "filters"), [
    (ColorTrc.SMPTE2084, ColorPrimaries.BT2020, "color_trc=smpte2084:color_primaries=bt2020", HDR),
    (ColorTrc.ARIB_STD_B67, ColorPrimaries.BT2020, "color_trc=arib-std-b67:color_primaries=bt2020", HDR),
    (ColorTrc.BT2020_10, ColorPrimaries.BT2020, "color_trc=bt2020-10:color_primaries=bt2020", WIDE),
    (ColorTrc.BT709, ColorPrimaries.BT2020, "color_trc=bt709:color_primaries=bt2020", WIDE),
    (ColorTrc.IEC61966_2_1, ColorPrimaries.SMPTE432, "color_trc=iec61966-2-1:color_primaries=smpte432", WIDE),
])  # fmt: skip
@pytest.mark.parametrize("full", [False, True])
def test_contrast_and_gamut_become_bt709s_as_ffmpeg_does_it(
    transfer: ColorTrc, primaries: ColorPrimaries, tags: str, filters: str, full: bool
):
    frame = coded(Colorspace.BT2020, pixel_format="yuv444p10le", full=full)
    frame.color_trc, frame.color_primaries = transfer, primaries

    expected = by_ffmpeg(frame, f"{tags}:colorspace=bt2020nc:range={'pc' if full else 'tv'}", filters)

    assert np.abs(colour.to_rgb(frame).astype(int) - expected).mean() < 0.3
    assert colour.tags(frame) == (ColorPrimaries.BT709, ColorTrc.BT709)


def test_white_of_high_dynamic_range_is_white_and_black_is_black():
    """203 nits are 58 % of PQ's signal; brighter colours are cut off, but keep their hue."""
    grey = np.zeros((16, 16, 3), np.uint16)
    grey[4:8], grey[8:12], grey[12:] = 0.5807 * 65535, 65535, (65535, 30000, 30000)
    frame = av.VideoFrame.from_ndarray(grey, format="rgb48le")
    frame.color_trc = ColorTrc.SMPTE2084

    black, white, bright, red = colour.to_rgb(frame)[2::4, 5].astype(int)

    assert black.max() == 0 and white.min() >= 253 and bright.min() == 255
    assert red[0] == 255 and red[1] < 100


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [Colorspace.ITU709, Colorspace.ITU601])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_ordinary_colours_are_the_sources_by_matrix_and_range(pixel_format: str, matrix: Colorspace, full: bool):
    shown = colour.to_rgb(coded(matrix, pixel_format=pixel_format, full=full)).astype(int)

    error = shown - smooth(*SIZE) / 257
    assert np.abs(error).mean() < 1 and np.abs(error.mean((0, 1))).max() < 1.1


def test_tags_of_other_ordinary_colours_stay():
    frame = coded(Colorspace.ITU601)
    frame.color_primaries, frame.color_trc = ColorPrimaries.BT470BG, ColorTrc.GAMMA28

    assert colour.tags(frame) == (ColorPrimaries.BT470BG, ColorTrc.GAMMA28)


def test_rgb_stays_as_it_is():
    rgb = (smooth(*SIZE) >> 8).astype(np.uint8)

    np.testing.assert_array_equal(
        colour.to_rgb(av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="gbrp")), rgb
    )


@pytest.mark.parametrize(("pixel_format", "has_alpha"), [
    ("rgba", True), ("bgra", True), ("yuva420p", True), ("rgb24", False), ("yuv420p", False), ("gray", False),
])  # fmt: skip
def test_alpha_is_found_where_it_is(pixel_format: str, has_alpha: bool):
    rgba = np.full((16, 16, 4), (10, 20, 30, 77), np.uint8)

    alpha = colour.alpha(av.VideoFrame.from_ndarray(rgba, format="rgba").reformat(format=pixel_format))

    assert (alpha is not None) == has_alpha and (alpha is None or (alpha == 77).all())
