"""The colours of decoded frames: RGB as a screen shows it, by whatever matrix, range, transfer and primaries they have.

Pictures of BT.709's contrast and about its gamut stay as they are. High dynamic range and wide gamuts are converted as
FFmpeg does it with zscale and tonemap=clip, which PyAV's FFmpeg has no zscale for: to light, 1.0 being white, to
BT.709's primaries, cut there, to sRGB.
"""

from functools import cache

import av
import cv2
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation

from pipeline.key_frames.picker import planes

HD_ROWS = 720  # players take video without a colour tag for BT.601 below, for BT.709 from here on
UNKNOWN_MATRIX, RGB_MATRIX = 2, 0  # AVCOL_SPC_UNSPECIFIED, AVCOL_SPC_RGB
CONSTANT_LUMINANCE_2020 = 10  # AVCOL_SPC_BT2020_CL; nobody makes it, and its colours are near the other's
PLANAR = ("yuv420p", "yuvj420p", "yuv422p", "yuv444p")  # a plane of 8-bit luma comes first
#: Light of diffuse white in high dynamic range, in cd/m2 (ITU-R BT.2408); what is brighter is cut.
WHITE_NITS = 203
PQ_PEAK_NITS, HLG_PEAK_NITS = 10_000, 1000
BEYOND = 1.25  # of a level: what a colour comes to, where 1 is all that it should
HLG_SYSTEM_GAMMA = 1.2  # of each colour, as zscale has it, for a screen of HLG_PEAK_NITS
HDR = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)
#: Chromaticities (x, y) of red, green, blue and white, of what is wider than BT.709.
D65 = (0.3127, 0.3290)
BT709 = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), D65)
WIDE = {
    ColorPrimaries.BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),
    ColorPrimaries.SMPTE431: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    ColorPrimaries.SMPTE432: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),
}
#: By a matrix of swscale's: the shares of red and blue in luma.
BT2020_SHARES = (0.2627, 0.0593)
LUMA_SHARES: dict[int | None, tuple[float, float]] = {
    Colorspace.ITU709: (0.2126, 0.0722),
    Colorspace.ITU601: (0.299, 0.114),
}
#: Nothing is a level too dark, and chroma is interpolated: by default swscale saves both.
EXACT = (
    Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
)
GAMMAS: dict[int, float] = {ColorTrc.GAMMA22: 2.2, ColorTrc.GAMMA28: 2.8, ColorTrc.LINEAR: 1.0}
DISPLAY_GAMMA = 2.4  # of ITU-R BT.1886, for BT.709's transfer and its kin
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def to_rgb(frame: av.VideoFrame) -> np.ndarray:
    """RGB uint8 [H, W, 3], as a screen for BT.709 or sRGB shows it."""
    if not is_converted(frame):
        return _coded_rgb(frame)
    light = _light(frame)
    if frame.color_primaries in WIDE:
        light = cv2.transform(light, _to_bt709(frame.color_primaries))
    if frame.color_trc in HDR:  # cut so that a colour keeps its hue
        light /= np.maximum(light.max(-1, keepdims=True), 1)
    return np.take(_srgb_levels(), (np.clip(light, 0, 1) * 65535 + 0.5).astype(np.uint16))


def is_converted(frame: av.VideoFrame) -> bool:
    """Whether the frame's colours do not pass as they are."""
    return frame.color_trc in HDR or frame.color_primaries in WIDE


def tags(frame: av.VideoFrame) -> tuple[int, int]:
    """Primaries and transfer of what to_rgb returns, as FFmpeg numbers them; BT.709's where nothing else is known."""
    if is_converted(frame):
        return ColorPrimaries.BT709, ColorTrc.BT709
    unknown = ColorTrc.UNSPECIFIED, 0
    primaries, transfer = frame.color_primaries, frame.color_trc
    return (
        ColorPrimaries.BT709 if primaries in unknown else primaries,
        ColorTrc.BT709 if transfer in unknown else transfer,
    )


def alpha(frame: av.VideoFrame) -> np.ndarray | None:
    """Uint8 [H, W], 255 being opaque; None for formats without."""
    if not any(component.is_alpha for component in frame.format.components):
        return None
    return frame.to_ndarray(format="rgba")[..., 3]


def luma(frame: av.VideoFrame) -> np.ndarray:
    """Uint8 [H, W] in the file's own range and transfer."""
    return planes(frame if frame.format.name in PLANAR else frame.reformat(format="yuv420p"))[0]


def _coded_rgb(frame: av.VideoFrame) -> np.ndarray:
    """RGB uint8 without regard to transfer and primaries."""
    return frame.to_ndarray(
        format="rgb24",
        src_colorspace=_matrix(frame),
        src_color_range=ColorRange.JPEG if _is_full(frame) else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=EXACT,
    )


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
    """Linear RGB float32 [H, W, 3]; 1.0 is white, and high dynamic range goes above."""
    levels = np.clip(_coded_exactly(frame), 0, BEYOND) * (65535 / BEYOND) + 0.5
    return np.take(_linear(frame.color_trc), levels.astype(np.uint16))


def _coded_exactly(frame: av.VideoFrame) -> np.ndarray:
    """RGB float32 [H, W, 3], 0 to 1 and a little beyond: swscale's own matrix is a level off at 16 bits."""
    if frame.format.is_rgb:
        return frame.to_ndarray(format="rgb48le").astype(np.float32) / 65535
    whole = frame.reformat(format="yuv444p16le", interpolation=EXACT)
    yuv = cv2.merge([_levels(plane) for plane in whole.planes]).astype(np.float32)
    return cv2.transform(yuv, _yuv_to_rgb(_matrix(frame), _is_full(frame)))


def _levels(plane: av.video.plane.VideoPlane) -> np.ndarray:
    """Uint16 [H, W] of a 16-bit plane."""
    return np.frombuffer(memoryview(plane), np.uint16).reshape(plane.height, -1)[:, : plane.width]


@cache
def _yuv_to_rgb(matrix: int | None, full: bool) -> np.ndarray:
    """Float32 [3, 4]: 16-bit Y, Cb, Cr and 1 to RGB of 0 to 1, by a matrix of swscale's."""
    red, blue = LUMA_SHARES.get(matrix, BT2020_SHARES)
    green = 1 - red - blue
    rgb = np.array([
        [1, 0, 2 - 2 * red],
        [1, -(2 - 2 * blue) * blue / green, -(2 - 2 * red) * red / green],
        [1, 2 - 2 * blue, 0],
    ])  # fmt: skip
    black, luma_span, chroma_span = (0, 65535, 65535) if full else (16 << 8, 219 << 8, 224 << 8)
    rgb /= [luma_span, chroma_span, chroma_span]
    return np.hstack((rgb, rgb @ [[-black], [-32768], [-32768]])).astype(np.float32)


@cache
def _linear(transfer: int) -> np.ndarray:
    """Light of the screen, float32 [65536], of levels from 0 to BEYOND."""
    level = np.linspace(0, BEYOND, 65536)
    if transfer == ColorTrc.SMPTE2084:
        root = level ** (1 / 78.84375)
        light = (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
        return (light * PQ_PEAK_NITS / WHITE_NITS).astype(np.float32)
    if transfer == ColorTrc.ARIB_STD_B67:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(level <= 0.5, level**2 / 3, (np.exp((level - c) / a) + b) / 12)
        return (scene**HLG_SYSTEM_GAMMA * HLG_PEAK_NITS / WHITE_NITS).astype(np.float32)
    if transfer == ColorTrc.IEC61966_2_1:
        return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4).astype(np.float32)
    return (level ** GAMMAS.get(transfer, DISPLAY_GAMMA)).astype(np.float32)


@cache
def _srgb_levels() -> np.ndarray:
    """Uint8 [65536]: of each 16-bit level of light."""
    light = np.linspace(0, 1, 65536)
    srgb = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return (srgb * 255 + 0.5).astype(np.uint8)


@cache
def _to_bt709(primaries: int) -> np.ndarray:
    """Float32 [3, 3]: light of these primaries to light of BT.709's, white to white."""
    wide = WIDE[ColorPrimaries(primaries)]
    adapted = np.linalg.inv(BRADFORD) @ np.diag(BRADFORD @ _xyz(D65) / (BRADFORD @ _xyz(wide[3]))) @ BRADFORD
    return (np.linalg.inv(_to_xyz(BT709)) @ adapted @ _to_xyz(wide)).astype(np.float32)


def _to_xyz(chromaticities: tuple[tuple[float, float], ...]) -> np.ndarray:
    *colours, white = map(_xyz, chromaticities)
    columns = np.stack(colours, 1)
    return columns * np.linalg.solve(columns, white)


def _xyz(chromaticity: tuple[float, float]) -> np.ndarray:
    x, y = chromaticity
    return np.array([x / y, 1, (1 - x - y) / y])
