"""The page's optical flow, compared with known motion and with OpenCV's, and its uses."""

import base64
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import skimage.data
from playwright.async_api import Page

from clients.reassembly.grid import apply_grid
from support.browsers.in_page import floats, run, text
from support.paths import CLIPS
from support.pictures.grids import make_grid

pytestmark = pytest.mark.asyncio(loop_scope="module")

WIDTH, HEIGHT = 256, 144


# Planes


def noise(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(width).uniform(0, 255, (height, width)).astype(np.float32)


async def on_plane(page: Page, function: str, plane: np.ndarray, *args: int) -> np.ndarray:
    """The result of a function of planes.js for a plane."""
    result = await run(
        page,
        """
      const { [name]: change } = await import('/flow/planes.js');
      const plane = { width, height, pixels: new Float32Array(bytes(data).buffer) };
      const changed = change(plane, ...args);
      return { ...changed, pixels: toText(new Uint8Array(changed.pixels.buffer)) };
    """,
        name=function,
        data=text(plane.tobytes()),
        width=plane.shape[1],
        height=plane.shape[0],
        args=args,
    )
    return numbers(result["pixels"]).reshape(result["height"], result["width"])


def numbers(data: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(data), "<f4")


@pytest.mark.parametrize("size", [(64, 36), (33, 17)])
async def test_planes_are_halved_resized_padded_and_smoothed_as_opencv_does(page, size):
    plane = noise(*size)
    even = plane[: size[1] // 2 * 2, : size[0] // 2 * 2]

    halved = even.reshape(size[1] // 2, 2, size[0] // 2, 2).mean((1, 3))
    np.testing.assert_allclose(await on_plane(page, "halve", plane), halved, rtol=1e-5)
    resized = cv2.resize(plane, (40, 20), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(await on_plane(page, "resize", plane, 40, 20), resized, atol=0.1)
    padded = cv2.copyMakeBorder(plane, 8, 9, 8, 9, cv2.BORDER_REPLICATE)
    np.testing.assert_array_equal(await on_plane(page, "pad", plane, 8), padded)
    np.testing.assert_array_equal(await on_plane(page, "medians", plane), cv2.medianBlur(plane, 3))
    blurred = cv2.GaussianBlur(plane, (17, 17), 2, borderType=cv2.BORDER_REPLICATE)
    inner = slice(8, -8), slice(8, -8)  # at the edges, four small blurs differ from a large one
    np.testing.assert_allclose((await on_plane(page, "blur", plane))[inner], blurred[inner], atol=1)


# Accuracy


def view(left: float, top: float, zoom: float = 1, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A camera's picture of a photo, with its centre at (left, top): luma, uint8 [height, width]."""
    photo = cv2.GaussianBlur(cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2GRAY), (0, 0), 0.7)
    inverse = np.float32([[zoom, 0, left - zoom * (width - 1) / 2], [0, zoom, top - zoom * (height - 1) / 2]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(photo, inverse, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT)


def known_flow(a: tuple, b: tuple) -> np.ndarray:
    """The true flow from view(*a) to view(*b), in pixels [HEIGHT, WIDTH, 2]."""
    (ax, ay, az), (bx, by, bz) = a, b
    y, x = np.mgrid[:HEIGHT, :WIDTH] - np.reshape([(HEIGHT - 1) / 2, (WIDTH - 1) / 2], (2, 1, 1))
    return np.dstack([(ax - bx + az * x) / bz - x, (ay - by + az * y) / bz - y])


async def flow(page: Page, a: np.ndarray, b: np.ndarray, *, for_grid: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """The page's flow from a to b in pixels [H, W, 2], and its validity [H, W]."""
    result = await run(
        page,
        """
      const { Estimator } = await import('/flow/estimator.js');
      const [from, to] = [a, b].map((data) => ({ width, height, pixels: bytes(data) }));
      const estimator = new Estimator(forGrid);
      estimator.addKey(1, to);
      const { width: w, height: h, normalizedFlow } = estimator.estimate(from, 1);
      return { w, h, flow: toText(new Uint8Array(normalizedFlow.buffer)) };
    """,
        a=text(a.tobytes()),
        b=text(b.tobytes()),
        width=a.shape[1],
        height=a.shape[0],
        forGrid=for_grid,
    )
    moves = numbers(result["flow"]).reshape(result["h"], result["w"], 4)
    large = cv2.resize(moves, (a.shape[1], a.shape[0]), interpolation=cv2.INTER_LINEAR)
    return large[..., :2] * [a.shape[1], a.shape[0]], large[..., 2]


def off(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The end-point error between two flows at each pixel."""
    return np.hypot(*(a - b).transpose(2, 0, 1))


def opencv_flow(a: np.ndarray, b: np.ndarray, preset: int) -> np.ndarray:
    return cv2.DISOpticalFlow_create(preset).calc(a, b, None)


async def test_a_still_picture_has_no_flow_up_to_its_borders(page):
    still = view(256, 200)

    moves, validity = await flow(page, still, still)

    assert np.all(moves == 0) and np.all(validity == 1)


@pytest.mark.parametrize(
    ("a", "b"),
    [((256, 200, 1), (259.5, 198, 1)), ((256, 200, 1), (268, 206, 1)), ((256, 200, 1), (256, 200, 1.05))],
    ids=["small shift", "large shift", "zoom"],
)
async def test_known_motion_is_found_as_well_as_opencv_finds_it(page, a, b):
    pictures, wanted = (view(*a), view(*b)), known_flow(a, b)

    moves, validity = await flow(page, *pictures)

    error = off(moves, wanted)
    assert error.mean() < 1.5 * off(opencv_flow(*pictures, cv2.DISOPTICAL_FLOW_PRESET_FAST), wanted).mean()
    assert error.mean() < 0.45 and error[4:-4, 4:-4].mean() < 0.4
    assert validity.mean() > 0.95


@pytest.mark.parametrize("shape", [(144, 256), (256, 144), (16, 256), (48, 36)])
async def test_any_shape_of_picture_has_a_flow(page, shape):
    height, width = shape
    a, b = (view(left, 200, width=width, height=height) for left in (256, 257))

    moves, _ = await flow(page, a, b)

    assert np.isfinite(moves).all()
    assert abs(np.median(moves[..., 0]) + 1) < 0.3 and abs(np.median(moves[..., 1])) < 0.3


async def test_another_exposure_moves_nothing(page):
    picture = view(256, 200)
    brighter = np.round(0.9 * picture + 20).astype(np.uint8)

    moves, _ = await flow(page, picture, brighter)

    assert np.abs(moves).mean() < 0.1


async def test_what_the_other_picture_hides_is_not_valid(page):
    """A patch of another photo moves over a still one, and uncovers places that it hid in the key frame."""
    rng = np.random.default_rng(0)
    thing = cv2.GaussianBlur(rng.integers(0, 255, (64, 64)).astype(np.uint8), (0, 0), 1.5)
    key, now = view(256, 200), view(256, 200)
    key[40:104, 96:160] = thing
    now[40:104, 112:176] = thing

    moves, validity = await flow(page, now, key)

    assert validity[44:100, 97:110].mean() < 0.5
    assert validity[:, :80].mean() > 0.97 and validity[50:94, 122:166].mean() > 0.9
    assert np.median(off(moves, np.full_like(moves, [-16, 0]))[44:100, 118:170]) < 0.6


async def test_a_grids_flow_is_smooth(page):
    key, now = view(256, 200), view(260, 203)

    moves, validity = await flow(page, now, key, for_grid=True)
    sharp, _ = await flow(page, now, key)

    assert np.abs(moves - [4, 3]).mean() < 0.15 and validity.mean() > 0.95
    assert np.abs(np.diff(moves, axis=1)).mean() < 0.5 * np.abs(np.diff(sharp, axis=1)).mean()


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the real clips are not beside the project")
@pytest.mark.parametrize("gap", [1, 5])
async def test_on_real_clips_it_is_as_good_as_opencvs_fast_flow(page, gap):
    """It is closer to OpenCV's medium preset at the median pixel, and the warped picture fits better."""
    medians, residuals = [], []
    for clip in sorted(CLIPS.glob("*.mp4")):
        now, key = lumas(clip, 12, 12 - gap)
        fast, medium = (
            opencv_flow(now, key, preset)
            for preset in (cv2.DISOPTICAL_FLOW_PRESET_FAST, cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        )
        ours, _ = await flow(page, now, key)
        medians.append([np.median(off(ours, medium)), np.median(off(fast, medium))])
        residuals.append([residual(now, key, ours), residual(now, key, fast)])

    for values in (medians, residuals):
        ours, fast = np.mean(values, axis=0)
        assert ours <= fast


def lumas(clip: Path, *numbers: int) -> list[np.ndarray]:
    with av.open(str(clip)) as container:
        frames = [f.to_ndarray(format="gray") for _, f in zip(range(max(numbers) + 1), container.decode(video=0))]
    return [cv2.resize(frames[n], (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for n in numbers]


def residual(now: np.ndarray, key: np.ndarray, moves: np.ndarray) -> float:
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    warped = cv2.remap(key, x + np.float32(moves[..., 0]), y + np.float32(moves[..., 1]), cv2.INTER_LINEAR)
    return float(np.abs(now.astype(np.float64) - warped).mean())


async def test_the_size_follows_the_time_it_takes(page):
    sides = await run(
        page,
        """
      const { Pace } = await import('/flow/estimator.js');
      const pace = new Pace();
      const after = (ms, flows) => {
        for (let flow = 0; flow < flows; flow++) pace.measured(ms);
        return pace.side;
      };
      const slow = [after(30, 14), after(8, 1), after(30, 15), after(30, 150)];
      return [...slow, after(7, 150), after(3, 15), after(3, 150)];
    """,
    )

    assert sides == [256, 224, 192, 160, 160, 192, 256]


# Key frames


TRACK = """
  const { Tracker } = await import('/flow/tracker.js');
  const { SmallFrame } = await import('/flow/small_frame.js');
  const small = new SmallFrame(true);
  const canvas = new OffscreenCanvas(640, 376);
  const context = canvas.getContext('2d');
  const sheet = context.createImageData(1280, 376);
  for (let y = 0, i = 0; y < 376; y++) {
    for (let x = 0; x < 1280; x++, i += 4) {
      const value = 128 + 60 * Math.sin(x / 23 + Math.sin(y / 31) * 3) + 50 * Math.sin(y / 17 + Math.sin(x / 41) * 2);
      sheet.data.set([value, value, value, 255], i);
    }
  }
  const see = (id, now = 33 * id, height = 360) => {
    context.putImageData(sheet, -4 * id, 0);  // the camera pans by 4 pixels a frame
    const frame = { source: canvas, width: 640, height };
    tracker.see(id, frame, small.read(frame), now);
  };
  const move = (flow) => {
    const across = Array.from(flow.normalizedFlow).filter((_, i) => i % 4 === 0).sort((a, b) => a - b);
    return 640 * across[across.length >> 1];
  };
  let compared = () => {};
  const comparison = () => new Promise((resolve) => { compared = resolve; });
  const tracker = new Tracker(forGrid, (frameId) => compared(frameId));
"""


async def track(page: Page, script: str, for_grid: bool = True) -> object:
    """Run a script that shows frames to a tracker with a real worker."""
    return await run(page, f"{TRACK} try {{ {script} }} finally {{ tracker.destroy(); }}", forGrid=for_grid)


async def test_the_flow_to_a_key_frame_is_there_when_its_late_answer_comes(page):
    before, after, picture = await track(
        page,
        """
      for (let id = 0; id < 4; id++) see(id);
      const first = comparison();
      tracker.announce(1);
      await first;
      const before = tracker.flow;
      for (let id = 4; id < 30; id++) {
        const next = comparison();
        see(id);
        await next;
      }
      const picture = tracker.show(1);
      return [before, { frameId: tracker.flow.frameId, move: move(tracker.flow) }, picture];
    """,
    )

    assert before is None and picture is None
    assert after["frameId"] == 29
    assert after["move"] == pytest.approx(4 * (29 - 1), abs=2)


async def test_the_key_frame_on_show_and_those_on_their_way_take_turns(page):
    turns = await track(
        page,
        """
      const turns = [];
      for (let id = 0; id < 3; id++) see(id);
      tracker.announce(0);
      tracker.show(0);
      tracker.announce(1);
      tracker.announce(2);
      for (let id = 3; id < 6; id++) {
        see(id);
        for (let turn = 0; turn < 3; turn++) await comparison();
      }
      const shown = tracker.flow.frameId;
      const others = [1, 2].map((id) => { tracker.show(id); return tracker.flow.frameId; });
      return [shown, ...others];
    """,
    )

    assert turns[0] >= 4 and min(turns) >= 3


async def test_a_busy_worker_skips_frames_and_says_so(page):
    stats, newest = await track(
        page,
        """
      see(0);
      tracker.announce(0);
      tracker.show(0);
      for (let id = 1; id < 20; id++) see(id);
      await comparison();
      await comparison();
      return [tracker.stats, tracker.flow.frameId];
    """,
    )

    assert stats["flowsSkipped"] == 18 and newest == 19
    assert stats["flowMs"] > 0 and stats["flowSize"] == [256, 144]


async def test_frames_are_remembered_for_three_seconds_and_a_bounded_number(page):
    by_time, by_count, crowded_out = await track(
        page,
        """
      const forgotten = () => tracker.stats.keyFramesForgotten;
      const known = (id) => { const before = forgotten(); tracker.announce(id); return forgotten() === before; };
      see(0, 0);
      see(1, 1000);
      see(2, 3500);
      const byTime = [known(0), known(1), known(2)];
      for (let id = 10; id < 210; id++) see(id, 3500);
      return [byTime, [known(81), known(82), known(209)], tracker.stats.framesForgotten];
    """,
    )

    assert by_time == [False, True, True]
    assert by_count == [False, True, True] and crowded_out == 2 + 200 - 128


async def test_what_is_kept_for_key_frames_is_bounded(page):
    """Key frames without an answer must not fill the memory: the one on show stays, and the oldest other one goes."""
    kept, let_go = await track(
        page,
        """
      for (let id = 0; id < 30; id++) {
        see(id);
        tracker.announce(id);
        if (id === 0) tracker.show(0);
      }
      const kept = Array.from({ length: 30 }, (_, id) => id).filter((id) => tracker.show(id));
      return [kept, tracker.stats.keyFramesForgotten];
    """,
        for_grid=False,
    )

    assert kept == [0, 27, 28, 29] and let_go == 26


async def test_the_key_frames_colours_are_kept_where_they_are_needed(page):
    size, right = await track(
        page,
        """
      see(7);
      tracker.announce(7);
      const picture = tracker.show(7);
      const [shown] = picture.getContext('2d').getImageData(100, 50, 1, 1).data;
      return [[picture.width, picture.height], shown === context.getImageData(100, 50, 1, 1).data[0]];
    """,
        for_grid=False,
    )

    assert size == [640, 360] and right


async def test_a_picture_of_another_shape_begins_anew(page):
    flow, forgotten = await track(
        page,
        """
      see(0);
      tracker.announce(0);
      tracker.show(0);
      await comparison();
      see(1, 33, 180);
      tracker.announce(0);
      return [tracker.flow, tracker.stats.keyFramesForgotten];
    """,
    )

    assert flow is None and forgotten == 1


CARRY = """
  const { carryGrid } = await import('/render/grid.js');
  const vectors = (dx, validity) => new Float32Array(16).map((_, i) => [dx, 0, validity, 0][i % 4]);
  const flow = (dx, validity = 1) => ({ width: 2, height: 2, normalizedFlow: vectors(dx, validity) });
  const carried = (...flows) => {
    const { shape: [, rows, columns], coefficients } = carryGrid(gridOf(size, grid), size, ...flows);
    return { rows, columns, data: toText(new Uint8Array(coefficients.buffer)) };
  };
"""


async def carry(page: Page, grid: np.ndarray, script: str) -> list[np.ndarray]:
    """The grids that a script with `carried` and `flow` carries: float32 [3, D, R, C, 4] each."""
    found = await run(page, CARRY + script, size=grid.shape[1:4], grid=floats(grid))
    return [numbers(g["data"]).reshape(3, grid.shape[1], g["rows"], g["columns"], 4) for g in found]


async def test_a_grid_in_finer_cells_is_the_same_grid(page):
    grid, picture = make_grid((2, 3, 5)), skimage.data.astronaut()[100:190, 100:260]

    finer, both_moved = await carry(page, grid, "return [carried(), carried(flow(0.3), flow(0.3))];")

    assert finer.shape == (3, 2, 9, 15, 4)
    np.testing.assert_allclose(finer, both_moved, atol=1e-5)
    same = apply_grid(picture, finer.astype(np.float16)).astype(int) - apply_grid(picture, grid)
    assert np.abs(same).max() <= 1


async def test_a_look_is_carried_over_to_the_next_key_frame(page):
    """It moves one cell to the right. Cells from outside take the edge's, and uncertain ones stay in place."""
    grid = make_grid((2, 3, 5))

    still, moved, unsure = await carry(
        page,
        grid,
        """
      return [carried(), carried(flow(0), flow(-0.2)), carried(flow(0), flow(-0.2, 0.25))];
    """,
    )

    np.testing.assert_allclose(moved[:, :, :, 3:], still[:, :, :, :-3], atol=1e-5)
    np.testing.assert_allclose(moved[:, :, :, :2], still[:, :, :, [0, 0]], atol=1e-5)
    np.testing.assert_allclose(unsure, 0.25 * moved + 0.75 * still, atol=1e-5)
