"""Measures of how similar two pictures are, and how steady a video is. Pictures are float32 RGB H W 3 in 0..1."""

import cv2
import numpy as np

#: The weights of the five scales, full size first (Wang, Simoncelli and Bovik 2003).
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW_PX, WINDOW_SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2
LUMA = np.float32([0.299, 0.587, 0.114])


def ms_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Multi-scale SSIM of two pictures' luma; their short side must have at least 176 pixels."""
    a, b, product = a @ LUMA, b @ LUMA, 1.0
    for scale, weight in enumerate(SCALES):
        luminance, structure = _similarity(a, b)
        last = scale == len(SCALES) - 1
        product *= max(float((luminance * structure if last else structure).mean()), 1e-6) ** weight
        half = a.shape[1] // 2, a.shape[0] // 2
        a, b = (cv2.resize(image, half, interpolation=cv2.INTER_AREA) for image in (a, b))
    return product


def _similarity(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two maps without borders: the similarity of brightness, and that of contrast and structure."""
    mean_a, mean_b = _window_means(a), _window_means(b)
    variance_a, variance_b = _window_means(a * a) - mean_a**2, _window_means(b * b) - mean_b**2
    covariance = _window_means(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    return luminance, (2 * covariance + C2) / (variance_a + variance_b + C2)


def _window_means(image: np.ndarray) -> np.ndarray:
    border = WINDOW_PX // 2
    size = (WINDOW_PX, WINDOW_PX)
    return cv2.GaussianBlur(image, size, WINDOW_SIGMA, borderType=cv2.BORDER_REFLECT)[border:-border, border:-border]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio, in dB; equal pictures count as 100."""
    return float(-10 * np.log10(((a - b) ** 2).mean() + 1e-10))


class WarpingError:
    """The change from frame to frame along the camera video's motion, where that is certain (Lai et al. 2018).

    It measures any number of videos that were made of the same camera video.
    """

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._before: tuple[np.ndarray, dict[str, np.ndarray]] | None = None

    def next(self, camera: np.ndarray, videos: dict[str, np.ndarray]) -> dict[str, float]:
        """Each video's mean squared change x 1e3 at its next frame; {} at the first, or if no motion is certain."""
        grey = cv2.cvtColor((camera * 255).clip(0, 255).astype(np.uint8), cv2.COLOR_RGB2GRAY)
        before, self._before = self._before, (grey, videos)
        if before is None:
            return {}
        back, sure = self._motion(before[0], grey)
        if not sure.any():
            return {}
        return {
            name: 1e3 * float(((now - moved(before[1][name], back)) ** 2).mean(-1)[sure].mean())
            for name, now in videos.items()
        }

    def _motion(self, before: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        back, forth = self._dis.calc(now, before, None), self._dis.calc(before, now, None)
        forth = moved(forth, back)
        gap, length = ((back + forth) ** 2).sum(-1), (back**2).sum(-1) + (forth**2).sum(-1)
        return back, gap <= 0.01 * length + 0.5


def moved(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    return cv2.remap(image, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
