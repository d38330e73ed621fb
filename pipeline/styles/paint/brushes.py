"""Paints the elements of scenes: noise, skies, clouds, water, lights and film. Colours are linear light, H W 3."""

import cv2
import numpy as np

Colour = tuple[float, float, float]
NOISE_SIDE = 1024


def fractal(seed: int, *, roughness: float = 1.7, side: int = NOISE_SIDE) -> np.ndarray:
    """Return tileable noise, side x side, of mean 0 and deviation 1. Its spectrum falls as frequency ** -roughness."""
    waves = np.fft.rfft2(np.random.default_rng(seed).standard_normal((side, side)))
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = np.inf
    noise = np.fft.irfft2(waves / frequency**roughness, (side, side))
    return (noise / noise.std()).astype(np.float32)


def sample(noise: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Look a tileable picture up at fractional positions, in its own pixels."""
    rows, columns = noise.shape[:2]
    return cv2.remap(
        noise,
        np.mod(x, columns).astype(np.float32),
        np.mod(y, rows).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )


def smoothstep(low: float, high: float, value: np.ndarray) -> np.ndarray:
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mix(a: np.ndarray | Colour, b: np.ndarray | Colour, share: np.ndarray) -> np.ndarray:
    """Blend two pictures: `a` where `share` (H W) is 0, `b` where it is 1."""
    share = share[..., None]
    return np.asarray(a, np.float32) * (1 - share) + np.asarray(b, np.float32) * share


def blur(picture: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)


def rows_and_columns(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return row and column of every pixel in units of the height, so that a scene looks the same at every size."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    return y / shape[0], x / shape[0]


def gradient(shape: tuple[int, int], stops: list[tuple[float, Colour]]) -> np.ndarray:
    """Return a vertical gradient of colours; a stop is (row as a fraction of the height, colour)."""
    at = np.linspace(0, 1, shape[0])
    places, colours = [place for place, _ in stops], np.array([colour for _, colour in stops])
    column = np.stack([np.interp(at, places, colours[:, c]) for c in range(3)], -1)
    return np.repeat(column[:, None], shape[1], 1).astype(np.float32)


def glow(shape: tuple[int, int], centre: tuple[float, float], colour: Colour, reach: float) -> np.ndarray:
    """Return light scattered around a source at (row, column), which falls off exponentially with distance."""
    y, x = rows_and_columns(shape)
    distance = np.hypot(y - centre[0], x - centre[1])
    return np.exp(-distance / reach)[..., None] * np.asarray(colour, np.float32)


def disc(shape: tuple[int, int], centre: tuple[float, float], radius: float, softness: float) -> np.ndarray:
    """Return a mask H W that is 1 inside a circle at (row, column) and 0 outside."""
    y, x = rows_and_columns(shape)
    return 1 - smoothstep(radius - softness, radius + softness, np.hypot(y - centre[0], x - centre[1]))


def clouds(
    sky: np.ndarray,
    *,
    seed: int,
    horizon: float,
    cover: float,
    lit: Colour,
    shade: Colour,
    sun: tuple[float, float],
    scale: float = 90,
    layers: int = 20,
) -> np.ndarray:
    """Cover a sky with cumulus clouds: thin slices of one noise volume, from front to back, lit from the sun's side."""
    y, x = rows_and_columns(sky.shape[:2])
    above = np.maximum(horizon - y, 1e-3)
    shapes, detail = fractal(seed, roughness=1.75), fractal(seed + 1, roughness=1.2)
    clear, light = np.ones_like(y), np.zeros_like(sky)
    side = np.sign(sun[1] - x) * 5
    for layer in range(layers):
        rise = layer / layers
        distance = (1 + 0.1 * rise) / above
        u, v = (x - sun[1]) * distance * scale, distance * scale
        bias = cover - 1.1 * abs(rise - 0.35)
        density = sample(shapes, u, v) + 0.35 * sample(detail, 3 * u, 3 * v) + bias
        towards = sample(shapes, u + side, v + 3) + bias
        opacity = smoothstep(0, 1.3, density) * smoothstep(0.012, 0.14, above) * 0.4
        brightness = np.clip(0.75 - 0.42 * towards + 0.25 * rise, 0, 1)
        light += (clear * opacity)[..., None] * mix(shade, lit, brightness)
        clear *= 1 - opacity
    return sky * clear[..., None] + light


def reflect(
    picture: np.ndarray, water: np.ndarray, *, horizon: float, seed: int, chop: float, tint: Colour
) -> np.ndarray:
    """Fill the water (a mask, H W) with the mirrored scene above the horizon, broken up by waves.

    chop is the waves' steepness: 0.02 a pond at dawn, 0.15 a windy sea.
    """
    shape = picture.shape[:2]
    y, x = rows_and_columns(shape)
    below = np.maximum(y - horizon, 2e-3)
    waves, middle = fractal(seed, roughness=1.1), shape[1] / shape[0] / 2
    u, v = (x - middle) / below * 40, 9 / below
    total = np.zeros_like(picture)
    for tap in range(6):
        slope = sample(waves, u + 211 * tap, v + 137 * tap) * chop
        row = (horizon - below * (1 + 0.9 * chop * (tap - 2.5)) - slope * (0.35 * below + 0.05)) * shape[0]
        column = (x + slope * below * 0.35) * shape[0]
        row = np.clip(row, 0, horizon * shape[0])
        total += cv2.remap(picture, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    fresnel = 0.35 + 0.6 * np.exp(-below * 3.2)
    surface = total / 6 * fresnel[..., None] + (1 - fresnel)[..., None] * np.asarray(tint, np.float32)
    return mix(picture, surface, water)


def stars(shape: tuple[int, int], seed: int, count: int) -> np.ndarray:
    """Return random points of light, H W, most of them dim and few of them bright."""
    random, field = np.random.default_rng(seed), np.zeros(shape, np.float32)
    field[random.integers(0, shape[0], count), random.integers(0, shape[1], count)] = random.pareto(1.6, count)
    return blur(np.minimum(field, 30), 0.8)


def bokeh(shape: tuple[int, int], lights: list[tuple[float, float, float, Colour]]) -> np.ndarray:
    """Return out-of-focus lights, which are discs with a bright rim; a light is (row, column, radius, colour)."""
    picture = np.zeros((*shape, 3), np.float32)
    for row, column, radius, colour in lights:
        reach = int(radius * 1.1 * shape[0]) + 2
        top, left = int(row * shape[0]) - reach, int(column * shape[0]) - reach
        ys, xs = np.mgrid[max(top, 0) : min(top + 2 * reach, shape[0]), max(left, 0) : min(left + 2 * reach, shape[1])]
        away = np.hypot(ys / shape[0] - row, xs / shape[0] - column) / radius
        shine = (1 - smoothstep(0.94, 1.04, away)) * (0.75 + 0.5 * away**4)
        picture[ys, xs] += shine[..., None] * np.asarray(colour, np.float32)
    return picture


def bloom(picture: np.ndarray, strength: float) -> np.ndarray:
    """Add the light that a lens spreads around bright places, in three widths."""
    bright, height = np.maximum(picture - 0.9, 0), picture.shape[0]
    return picture + strength * sum(blur(bright, height * width) for width in (0.006, 0.025, 0.08)) / 3


def develop(picture: np.ndarray, *, seed: int, exposure: float = 1.0, grain: float = 0.012) -> np.ndarray:
    """Turn linear light into an RGB uint8 photograph with filmic curve, vignette, black and white points and grain."""
    y, x = rows_and_columns(picture.shape[:2])
    corner = np.hypot(y - 0.5, (x - x.max() / 2) / 1.5)
    light = picture * exposure * (1 - 0.55 * smoothstep(0.35, 0.85, corner))[..., None]
    film = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14)
    coded = np.clip(film, 0, 1) ** (1 / 2.2)
    luma = coded @ np.array([0.299, 0.587, 0.114], np.float32)
    black, white = np.percentile(luma, (0.3, 99.7))
    noise = np.random.default_rng(seed).standard_normal(luma.shape).astype(np.float32)
    coded = (coded - black) / (white - black) * 0.97 + 0.015 + grain * blur(noise, 0.7)[..., None]
    return (np.clip(coded, 0, 1) * 255).round().astype(np.uint8)
