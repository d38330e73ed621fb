"""Converts decoded frames to RGB as a screen shows it, from any matrix, range, transfer and primaries.

Pictures with BT.709's contrast and about its gamut stay as they are. High dynamic range and wide gamuts are converted
as by FFmpeg's zscale and tonemap=clip (PyAV's FFmpeg has no zscale): to light, where 1.0 is white, then to BT.709's
primaries, where it is clipped, then to sRGB.
"""

from collections.abc import Callable
from functools import cache, partial

import av
import cv2
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation

from pipeline.key_frames.frames import converted, planes
from pipeline.pictures.colour.code_points import CURVES, PRIMARIES, TELEVISION
from pipeline.pictures.colour.primaries import to_srgb
from pipeline.pictures.colour.transfer import curve_light, hlg_gain, hlg_light, pq_light, srgb_signal

HD_ROWS = 720  # players take video without a colour tag for BT.709 from this height on, and for BT.601 below it
UNKNOWN_MATRIX, RGB_MATRIX = 2, 0  # AVCOL_SPC_UNSPECIFIED, AVCOL_SPC_RGB
CONSTANT_LUMINANCE_2020 = 10  # AVCOL_SPC_BT2020_CL, which nobody uses; BT.2020's other matrix comes close to it
HALVED = ("yuv420p", "yuvj420p")  # formats of three planes: 8-bit luma, and chroma of half the size
PLANAR = (*HALVED, "yuv422p", "yuv444p")  # formats whose first plane is 8-bit luma
BEYOND = 1.25  # the largest level that coded colours reach, although they should not exceed 1
HDR = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)
#: Primaries with a wider gamut than BT.709's.
WIDE = (ColorPrimaries.BT2020, ColorPrimaries.SMPTE431, ColorPrimaries.SMPTE432)
#: The shares of red and blue in luma, by FFmpeg's number of a matrix; BT2020_SHARES for all others.
BT2020_SHARES = (0.2627, 0.0593)
SMPTE170M = 6  # AVCOL_SPC_SMPTE170M, the same as BT.601
LUMA_SHARES: dict[int | None, tuple[float, float]] = {
    Colorspace.ITU709: (0.2126, 0.0722),
    Colorspace.ITU601: (0.299, 0.114),
    SMPTE170M: (0.299, 0.114),
}
#: Exact rounding and interpolated chroma, both of which swscale spares by default.
EXACT = (
    Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
)


def to_rgb(frame: av.VideoFrame) -> np.ndarray:
    """A frame as RGB uint8 H W 3, as a screen for BT.709 or sRGB shows it."""
    if not is_converted(frame):
        return _coded_rgb(frame)
    light = _light(frame)
    if frame.color_primaries in WIDE:
        light = cv2.transform(light, _to_bt709(frame.color_primaries))
    if frame.color_trc in HDR:  # clipped by its largest channel, so that a colour keeps its hue
        light /= np.maximum(light.max(-1, keepdims=True), 1)
    return np.take(_srgb_levels(), (np.clip(light, 0, 1) * 65535 + 0.5).astype(np.uint16))


def is_converted(frame: av.VideoFrame) -> bool:
    """Whether the frame's colours have to be converted: they are of high dynamic range or of a wide gamut."""
    return frame.color_trc in HDR or frame.color_primaries in WIDE


def tags(frame: av.VideoFrame) -> tuple[int, int]:
    """The primaries and transfer of what to_rgb returns, as FFmpeg numbers them; BT.709's if the file has none."""
    if is_converted(frame):
        return ColorPrimaries.BT709, ColorTrc.BT709
    unknown = ColorTrc.UNSPECIFIED, 0
    primaries, transfer = frame.color_primaries, frame.color_trc
    return (
        ColorPrimaries.BT709 if primaries in unknown else primaries,
        ColorTrc.BT709 if transfer in unknown else transfer,
    )


def alpha(frame: av.VideoFrame) -> np.ndarray | None:
    """A frame's alpha as uint8 H W, where 255 is opaque; None for formats without alpha."""
    if not any(component.is_alpha for component in frame.format.components):
        return None
    return converted(frame, "rgba").to_ndarray()[..., 3]


def planes_to_rgb(frame: av.VideoFrame) -> np.ndarray | None:
    """The matrix, 3x4, from the codes (Y, Cb, Cr, 1) of a frame's three planes to what to_rgb returns, in 0..1.

    It is None if the planes are not 8-bit luma and 8-bit chroma of half its size in BT.601 or BT.709, or if their
    colours are converted.
    """
    matrix = _matrix(frame)
    if frame.format.name not in HALVED or matrix not in LUMA_SHARES or is_converted(frame):
        return None
    return _yuv_to_rgb(matrix, _is_full(frame), 8)


def luma(frame: av.VideoFrame) -> np.ndarray:
    """A frame's luma as uint8 H W, in the file's own range and transfer."""
    return planes(frame if frame.format.name in PLANAR else converted(frame, "yuv420p"))[0]


def _coded_rgb(frame: av.VideoFrame) -> np.ndarray:
    """A frame as RGB uint8 H W 3, with its own transfer and primaries."""
    rgb = converted(
        frame,
        "rgb24",
        src_colorspace=_matrix(frame),
        src_color_range=ColorRange.JPEG if _is_full(frame) else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=EXACT,
    )
    return rgb.to_ndarray()


def _matrix(frame: av.VideoFrame) -> int | None:
    if frame.format.is_rgb or frame.colorspace == RGB_MATRIX:
        return None
    if frame.colorspace == CONSTANT_LUMINANCE_2020:
        return Colorspace.BT2020
    if frame.colorspace == UNKNOWN_MATRIX:
        return Colorspace.ITU709 if frame.height >= HD_ROWS else Colorspace.ITU601
    return frame.colorspace


def _is_full(frame: av.VideoFrame) -> bool:
    return frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj") or frame.format.is_rgb


def _light(frame: av.VideoFrame) -> np.ndarray:
    """A frame as linear RGB float32 H W 3, where 1.0 is white and high dynamic range goes above."""
    levels = np.clip(_coded_exactly(frame), 0, BEYOND) * (65535 / BEYOND) + 0.5
    return np.take(_linear(frame.color_trc), levels.astype(np.uint16))


def _coded_exactly(frame: av.VideoFrame) -> np.ndarray:
    """A frame as RGB float32 H W 3, from 0 to 1 and a little beyond.

    The matrix is applied here, because swscale's own is a level off at 16 bits.
    """
    if frame.format.is_rgb:
        return converted(frame, "rgb48le").to_ndarray().astype(np.float32) / 65535
    whole = converted(frame, "yuv444p16le", interpolation=EXACT)
    yuv = cv2.merge([_levels(plane) for plane in whole.planes]).astype(np.float32)
    return cv2.transform(yuv, _yuv_to_rgb(_matrix(frame), _is_full(frame), 16).astype(np.float32))


def _levels(plane: av.video.plane.VideoPlane) -> np.ndarray:
    """A 16-bit plane as uint16 H W."""
    return np.frombuffer(memoryview(plane), np.uint16).reshape(plane.height, -1)[:, : plane.width]


@cache
def _yuv_to_rgb(matrix: int | None, full: bool, bits: int) -> np.ndarray:
    """The matrix, 3x4, from codes (Y, Cb, Cr, 1) of so many bits to RGB in 0..1, for FFmpeg's number of a matrix."""
    red, blue = LUMA_SHARES.get(matrix, BT2020_SHARES)
    green = 1 - red - blue
    rgb = np.array([
        [1, 0, 2 - 2 * red],
        [1, -(2 - 2 * blue) * blue / green, -(2 - 2 * red) * red / green],
        [1, 2 - 2 * blue, 0],
    ])  # fmt: skip
    top, finer, no_chroma = (1 << bits) - 1, bits - 8, 1 << bits - 1
    black, luma_span, chroma_span = (0, top, top) if full else (16 << finer, 219 << finer, 224 << finer)
    rgb /= [luma_span, chroma_span, chroma_span]
    return np.hstack((rgb, rgb @ [[-black], [-no_chroma], [-no_chroma]]))


@cache
def _linear(transfer: int) -> np.ndarray:
    """The screen's light, float32 [65536], for evenly spaced levels from 0 to BEYOND."""
    light = _light_of_levels(transfer)
    return np.array([light(level) for level in np.linspace(0, BEYOND, 65536).tolist()], np.float32)


def _light_of_levels(transfer: int) -> Callable[[float], float]:
    if transfer == ColorTrc.SMPTE2084:
        return pq_light
    if transfer == ColorTrc.ARIB_STD_B67:
        return _hlg_light
    return partial(curve_light, CURVES.get(transfer, TELEVISION))


def _hlg_light(level: float) -> float:
    """The light of one channel on a screen of HLG_NITS. Each channel is computed by itself, as zscale does it."""
    light = hlg_light(level)
    return light * hlg_gain(light)


@cache
def _srgb_levels() -> np.ndarray:
    """The sRGB level, uint8 [65536], for each 16-bit level of light."""
    signals = np.array([srgb_signal(light) for light in np.linspace(0, 1, 65536).tolist()])
    return (signals * 255 + 0.5).astype(np.uint8)


@cache
def _to_bt709(primaries: int) -> np.ndarray:
    """The matrix, float32 3x3, from light of these primaries to light of BT.709's, which keeps white white."""
    return np.array(to_srgb(PRIMARIES[primaries]), np.float32)
