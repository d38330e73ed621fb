"""Paints the scenes of the shipped styles. Each returns linear light, H W 3, at any size."""

import cv2
import numpy as np

from pipeline.styles.paint import terrain
from pipeline.styles.paint.brushes import (
    Colour,
    blur,
    bokeh,
    clouds,
    disc,
    fractal,
    glow,
    gradient,
    mix,
    reflect,
    rows_and_columns,
    sample,
    smoothstep,
    stars,
)

Shape = tuple[int, int]

# Each entry is a kind of tree and its colour.
LEAVES = np.array(
    [
        (0.00, 0.07, 0.10, 0.03),
        (0.18, 0.15, 0.15, 0.04),
        (0.30, 0.46, 0.29, 0.06),
        (0.55, 0.46, 0.17, 0.04),
        (0.80, 0.38, 0.08, 0.03),
        (1.00, 0.20, 0.035, 0.025),
    ]
)
NEON = [(2.6, 0.15, 1.2), (0.1, 1.5, 2.4), (2.8, 0.3, 0.2), (0.5, 0.25, 2.8), (2.4, 1.1, 0.15), (0.1, 2.0, 1.1)]
NEON_SHARES = [0.34, 0.30, 0.08, 0.14, 0.08, 0.06]
LAMPS = np.array([(1.0, 0.62, 0.25), (1.0, 0.78, 0.45), (0.75, 0.85, 1.0), (1.0, 0.45, 0.15)], np.float32)


def golden_hour(shape: Shape) -> np.ndarray:
    """A lake between wooded hills, the sun just above them."""
    sun, horizon = (0.40, 0.98), 0.5
    sky = gradient(shape, [(0, (0.16, 0.28, 0.52)), (0.3, (0.62, 0.46, 0.36)), (0.5, (1.6, 0.75, 0.25))])
    sky = clouds(sky, seed=11, horizon=horizon, cover=-0.1, lit=(1.7, 0.95, 0.45), shade=(0.42, 0.30, 0.30), sun=sun)
    sky += glow(shape, sun, (2.2, 1.1, 0.35), 0.13) + glow(shape, sun, (0.7, 0.3, 0.08), 0.4)
    sky += disc(shape, sun, 0.022, 0.006)[..., None] * np.array([30, 22, 10], np.float32)

    woods = terrain.forest(4, spacing_px=6, pointed=False)
    heights = terrain.mountains(3, height_m=160, ridged=0.3) - 60
    land = terrain.build(heights, metre_px=0.5, sun=(0.1, 1, 0.25), trees=woods, tree_m=13)
    view = terrain.look(land, shape, at=(300, 900), eye_m=14, horizon=horizon, focal=1.1, far_m=9000, water_m=0)
    leaves = mix((0.10, 0.085, 0.02), (0.05, 0.07, 0.015), view.of(land.kinds))
    ground = shaded(leaves, view, land, sun=(5.5, 2.7, 0.8), ambient=(0.20, 0.22, 0.28))
    picture = hazed(ground, view, sky, haze=sky_at_horizon(sky, horizon), visible_m=4500)
    return reflect(picture, on_water(view, land), horizon=horizon, seed=12, chop=0.06, tint=(0.02, 0.03, 0.03))


def dusk(shape: Shape) -> np.ndarray:
    """Bare mountains behind a still fjord after sunset, a thin moon and the first stars."""
    horizon, moon = 0.6, (0.11, 1.12)
    sky = gradient(
        shape,
        [(0, (0.010, 0.028, 0.10)), (0.25, (0.05, 0.075, 0.25)), (0.45, (0.33, 0.21, 0.36)), (0.6, (1.15, 0.55, 0.33))],
    )
    sky += stars(shape, 5, 260)[..., None] * np.array([0.12, 0.12, 0.17], np.float32)
    sky = clouds(
        sky, seed=21, horizon=horizon, cover=-0.85, lit=(0.80, 0.33, 0.28), shade=(0.06, 0.065, 0.18), sun=(0.6, 0.5)
    )
    crescent = disc(shape, moon, 0.030, 0.002) * (1 - disc(shape, (moon[0] - 0.008, moon[1] - 0.012), 0.029, 0.003))
    sky += crescent[..., None] * np.array([6, 5.5, 5], np.float32) + glow(shape, moon, (0.10, 0.09, 0.14), 0.06)

    heights = terrain.mountains(29, height_m=520, roughness=2.2, ridged=0.6) - 200
    land = terrain.build(heights, metre_px=0.12, sun=(-0.4, 1, 0.12))
    view = terrain.look(land, shape, at=(640, 83), eye_m=12, horizon=horizon, focal=1.3, far_m=30_000, water_m=0)
    rock = shaded(np.full((*shape, 3), 0.10, np.float32), view, land, sun=(2.0, 0.75, 0.5), ambient=(0.18, 0.25, 0.62))
    haze = sky_at_horizon(sky, horizon) * np.array([0.30, 0.55, 1.15], np.float32)
    picture = hazed(rock, view, sky, haze=haze, visible_m=16_000)
    return reflect(picture, on_water(view, land), horizon=horizon, seed=22, chop=0.035, tint=(0.01, 0.01, 0.04))


def autumn(shape: Shape) -> np.ndarray:
    """Red, orange and yellow woods in clear afternoon light, under a blue sky."""
    horizon = 0.3
    sky = gradient(shape, [(0, (0.07, 0.20, 0.58)), (0.3, (0.62, 0.72, 0.88))])
    sky = clouds(sky, seed=31, horizon=horizon, cover=-0.6, lit=(1.5, 1.4, 1.3), shade=(0.5, 0.55, 0.65), sun=(0, 0.2))

    woods = terrain.forest(33, spacing_px=6, pointed=False)
    heights = terrain.mountains(35, height_m=75, ridged=0.2) - 15
    ragged = woods[0] * (1 + 0.08 * fractal(34, roughness=0.5, side=terrain.SIDE))
    land = terrain.build(heights, metre_px=0.7, sun=(-0.9, -0.35, 0.55), trees=(ragged, woods[1]), tree_m=15)
    view = terrain.look(land, shape, at=(239, 2008), eye_m=150, horizon=horizon, focal=1.3, far_m=8000, water_m=0)
    stands = 0.25 * sample(fractal(36), view.x * 0.5, view.y * 0.5)
    flutter = np.clip(1 + 0.35 * sample(fractal(37, roughness=0.5), view.x * 9, view.y * 9), 0.2, 2)
    leaves = foliage(np.clip(view.of(land.kinds) + stands, 0, 1)) * (flutter * view.of(land.trees))[..., None]
    ground = shaded(leaves, view, land, sun=(2.7, 2.3, 1.8), ambient=(0.26, 0.34, 0.50))
    picture = hazed(ground, view, sky, haze=sky_at_horizon(sky, horizon), visible_m=5500)
    return reflect(picture, on_water(view, land), horizon=horizon, seed=32, chop=0.03, tint=(0.01, 0.05, 0.09))


def foliage(kinds: np.ndarray) -> np.ndarray:
    """Return the colour of each tree's leaves: a few are still green, most are yellow to crimson."""
    return np.stack([np.interp(kinds, LEAVES[:, 0], LEAVES[:, c]) for c in (1, 2, 3)], -1).astype(np.float32)


def snow(shape: Shape) -> np.ndarray:
    """A frozen lake before snowy peaks: firs, blue shadows, thin cold air."""
    horizon = 0.80
    sky = gradient(shape, [(0, (0.07, 0.18, 0.46)), (0.80, (0.60, 0.74, 0.92))])
    sky = clouds(sky, seed=44, horizon=horizon, cover=-1.0, lit=(1.2, 1.2, 1.25), shade=(0.6, 0.66, 0.78), sun=(0, 0.1))

    firs = terrain.forest(43, spacing_px=5, pointed=True)
    heights = np.maximum(terrain.mountains(47, height_m=260, roughness=2.3, ridged=0.8), 0)
    heights += 5 * fractal(48, roughness=1.8, side=terrain.SIDE)
    patches = smoothstep(-0.2, 0.4, fractal(49, side=terrain.SIDE)) * (heights > 8) * smoothstep(330, 200, heights)
    land = terrain.build(heights, metre_px=0.3, sun=(0.9, 0.1, 0.36), trees=(firs[0] * patches, firs[1]), tree_m=26)
    view = terrain.look(land, shape, at=(540, 465), eye_m=14, horizon=horizon, focal=1.2, far_m=20_000)
    crown = view.of(land.trees)
    bare = smoothstep(0.40, 0.55, view.of(land.slope)) * (crown < 0.02)
    albedo = mix((0.86, 0.88, 0.92), (0.11, 0.10, 0.10), bare)
    fir = mix((0.030, 0.045, 0.035), (0.55, 0.58, 0.62), smoothstep(0.45, 0.9, crown) * 0.5)
    albedo = mix(albedo, fir, smoothstep(0.02, 0.12, crown))
    ground = shaded(albedo, view, land, sun=(1.9, 1.75, 1.5), ambient=(0.16, 0.27, 0.50))
    return hazed(ground, view, sky, haze=sky_at_horizon(sky, horizon), visible_m=14_000)


def teal_and_orange(shape: Shape) -> np.ndarray:
    """A sea coast as cinema grades it: teal shadows, orange light."""
    horizon, sun = 0.52, (0.47, 0.42)
    sky = gradient(shape, [(0, (0.012, 0.10, 0.13)), (0.34, (0.04, 0.26, 0.30)), (0.52, (1.25, 0.42, 0.11))])
    sky = clouds(sky, seed=55, horizon=horizon, cover=-0.35, lit=(1.35, 0.36, 0.07), shade=(0.012, 0.11, 0.14), sun=sun)
    sky += glow(shape, sun, (1.5, 0.48, 0.09), 0.10)
    sky += disc(shape, sun, 0.03, 0.004)[..., None] * np.array([16, 8, 3], np.float32)

    heights = terrain.mountains(57, height_m=110, ridged=0.7) - 60
    land = terrain.build(heights, metre_px=0.5, sun=(-0.3, 1, 0.2))
    view = terrain.look(land, shape, at=(700, 100), eye_m=9, horizon=horizon, focal=1.1, far_m=9000, water_m=0)
    rock = shaded(np.full((*shape, 3), 0.12, np.float32), view, land, sun=(6, 2.4, 0.6), ambient=(0.08, 0.42, 0.48))
    picture = hazed(rock, view, sky, haze=sky_at_horizon(sky, horizon), visible_m=7000)
    return reflect(picture, on_water(view, land), horizon=horizon, seed=56, chop=0.16, tint=(0.004, 0.07, 0.085))


def misty_forest(shape: Shape) -> np.ndarray:
    """Ridge behind ridge of firs, sinking into morning mist."""
    horizon = 0.3
    sky = gradient(shape, [(0, (0.20, 0.27, 0.27)), (0.3, (0.62, 0.70, 0.62))])

    firs = terrain.forest(63, spacing_px=10, pointed=True)
    heights = terrain.mountains(65, height_m=110, ridged=0.35)
    land = terrain.build(heights, metre_px=0.9, sun=(0.7, 0.6, 0.8), trees=firs, tree_m=26)
    view = terrain.look(land, shape, at=(933, 1590), eye_m=190, horizon=horizon, focal=1.6, far_m=6000)
    needles = mix((0.020, 0.034, 0.018), (0.050, 0.068, 0.026), view.of(land.kinds))
    ground = shaded(needles, view, land, sun=(1.6, 1.7, 1.3), ambient=(0.55, 0.68, 0.66))
    drift = sample(fractal(66), view.x * 0.4, view.y * 0.4)
    depth = np.where(view.ground, view.distance, 0) * np.exp(-(view.of(land.heights) + 25 * drift) / 70) * 1.2
    return np.where(view.ground[..., None], mix(ground, (0.50, 0.59, 0.54), 1 - np.exp(-depth / 1800)), sky)


def night_city(shape: Shape) -> np.ndarray:
    """A skyline across a river, every third window lit."""
    horizon = 0.62
    picture = gradient(shape, [(0, (0.004, 0.009, 0.035)), (0.35, (0.015, 0.035, 0.11)), (0.62, (0.26, 0.15, 0.12))])
    for depth, seed in enumerate((71, 72, 73)):
        picture = skyline(picture, seed=seed, horizon=horizon, nearness=(depth + 1) / 3)
    water = np.zeros(shape, np.float32)
    water[int(horizon * shape[0]) :] = 1
    picture += glow(shape, (horizon, 0.75), (0.10, 0.06, 0.03), 0.35)
    return reflect(picture, water, horizon=horizon, seed=74, chop=0.14, tint=(0.002, 0.006, 0.018))


def skyline(picture: np.ndarray, *, seed: int, horizon: float, nearness: float) -> np.ndarray:
    """Paint one row of towers in front of the picture. Far rows (nearness near 0) are hazier, lower and denser."""
    random, (rows, columns) = np.random.default_rng(seed), picture.shape[:2]
    base, left, picture = int(horizon * rows), 0, picture.copy()
    while left < columns:
        width = int(rows * random.uniform(0.03, 0.075) * (0.6 + 0.5 * nearness))
        rise = min((0.07 + 0.50 * random.beta(1.2, 3.2)) * (1.2 - 0.3 * nearness), 5.5 * width / rows)
        top = base - int(rows * rise)
        tower = windows(random, base - top, width, nearness, rows)
        picture[top:base, left : left + width] = tower[:, : columns - left]
        left += width + int(rows * random.uniform(0, 0.03 + 0.04 * nearness))
    return picture


def windows(random: np.random.Generator, height: int, width: int, nearness: float, rows: int) -> np.ndarray:
    """A dark tower front with lit windows in one of the usual lamp colours."""
    step = round((0.0032 + 0.003 * nearness) * rows)
    lamp = LAMPS[random.integers(4)]
    lit = random.random((height // step + 1, width // step + 1)) < random.uniform(0.15, 0.5)
    power = lit * random.lognormal(0, 0.6, lit.shape) * (0.5 + 1.3 * nearness)
    panes = np.kron(power, np.ones((step, step)))[:height, :width].astype(np.float32)
    y, x = np.mgrid[:height, :width]
    panes *= (y % step >= step // 3) & (x % step >= step // 4) & (x > 1) & (x < width - 2)
    return panes[..., None] * lamp + np.array([0.016, 0.017, 0.026], np.float32) * (2.2 - 1.6 * nearness)


def neon_rain(shape: Shape) -> np.ndarray:
    """Neon signs behind a window in the rain: out-of-focus lights, and a sharp small world in each drop."""
    random = np.random.default_rng(81)
    rows, columns, radii = random.normal(0.42, 0.15, 42), random.uniform(0, 1.5, 42), random.uniform(0.03, 0.07, 42)
    lights = [(*place, NEON[random.choice(6, p=NEON_SHARES)]) for place in zip(rows, columns, radii)]
    street = gradient(shape, [(0, (0.012, 0.010, 0.035)), (0.5, (0.09, 0.02, 0.12)), (1, (0.010, 0.022, 0.045))])
    street += bokeh(shape, lights) * 0.22 + blur(bokeh(shape, lights), shape[0] * 0.07) * 0.22
    wet = np.zeros(shape, np.float32)
    wet[int(0.66 * shape[0]) :] = 1
    street = reflect(street, wet, horizon=0.66, seed=82, chop=0.22, tint=(0.004, 0.004, 0.012))
    return drops(street, random, count=330)


def drops(picture: np.ndarray, random: np.random.Generator, *, count: int) -> np.ndarray:
    """Raindrops on the pane before the picture: each a lens that shows the scene small and upside down."""
    shape = picture.shape[:2]
    y, x = rows_and_columns(shape)
    seen_y, seen_x, shine = y.copy(), x.copy(), np.ones(shape, np.float32)
    for _ in range(count):
        row, column, radius = random.uniform(0, 1), random.uniform(0, 1.5), 0.003 + 0.007 * random.pareto(2.6)
        radius = min(radius, 0.032)
        top, left = (max(int((at - 1.5 * radius) * shape[0]), 0) for at in (row, column))
        end = int(3.2 * radius * shape[0]) + 2
        box = np.s_[top : top + end, left : left + end]
        dy, dx = (y[box] - row) / (radius * 1.15), (x[box] - column) / radius
        away = dy * dy + dx * dx
        seen_y[box] = np.where(away < 1, 0.5 - 0.42 * dy, seen_y[box])
        seen_x[box] = np.where(away < 1, 0.4 + 0.5 * column - 0.35 * dx, seen_x[box])
        shine[box] = np.where(away < 1, 1.3 - 0.7 * away, shine[box])
    seen = cv2.remap(picture, seen_x * shape[0], seen_y * shape[0], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return seen * shine[..., None]


def shaded(albedo: np.ndarray, view: terrain.View, land: terrain.Land, *, sun: Colour, ambient: Colour) -> np.ndarray:
    """Ground in sun and skylight."""
    light = view.of(land.light)[..., None] * np.asarray(sun, np.float32)
    return albedo * (light + view.of(land.occlusion)[..., None] * np.asarray(ambient, np.float32))


def hazed(ground: np.ndarray, view: terrain.View, sky: np.ndarray, *, haze: np.ndarray, visible_m: float) -> np.ndarray:
    """Return the ground, which fades into the haze with distance, and the sky behind it."""
    fog = 1 - np.exp(-np.where(view.ground, view.distance, 0) / visible_m)
    return np.where(view.ground[..., None], mix(ground, haze, fog), sky).astype(np.float32)


def sky_at_horizon(sky: np.ndarray, horizon: float) -> np.ndarray:
    """Return the sky's colours just above the horizon for each column, into which distant ground fades."""
    strip = sky[int((horizon - 0.06) * sky.shape[0]) : int(horizon * sky.shape[0])].mean(0)
    return np.broadcast_to(blur(strip[None], sky.shape[0] * 0.06), sky.shape) * np.float32(0.85)


def on_water(view: terrain.View, land: terrain.Land) -> np.ndarray:
    return (view.ground & (view.of(land.heights) <= 0.0)).astype(np.float32)
