import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.reassembly.flow import ESTIMATORS, FLOW_SIDE, Dis, Flow, flow_between, small_luma

NOISE = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (400, 500), np.uint8), (0, 0), 2.5)
SCENE = cv2.normalize(NOISE, None, 0, 255, cv2.NORM_MINMAX)
moving = pytest.mark.parametrize("name", ["dis", "lk"])


def view(x: int, y: int, width: int = 256, height: int = 144) -> np.ndarray:
    return np.ascontiguousarray(SCENE[100 + y : 100 + y + height, 100 + x : 100 + x + width])


@moving
@pytest.mark.parametrize(("x", "y"), [(0, 0), (1, -2), (-6, 3), (9, 8)])
def test_a_shift_is_found(name: str, x: int, y: int):
    flow = flow_between(view(x, y), view(0, 0), ESTIMATORS[name]())

    inner = np.s_[16:-16, 16:-16]
    assert np.abs(flow.to_key[inner] - (x, y)).mean() < 0.25
    assert np.abs(flow.from_key[inner] + (x, y)).mean() < 0.25
    assert flow.normalized_flow[inner][..., 2].mean() > 0.97
    np.testing.assert_allclose(flow.normalized_flow[inner][..., :2].mean((0, 1)), (x / 256, y / 144), atol=1e-3)


@moving
def test_far_motion_is_followed_from_frame_to_frame(name: str):
    estimate, flow = ESTIMATORS[name](), None

    for x in range(4, 68, 4):
        flow = flow_between(view(x, 0), view(0, 0), estimate, near=flow)

    inner = np.s_[16:-16, 16:-80]
    assert np.abs(flow.to_key[inner] - (64, 0)).mean() < 0.5


@moving
def test_what_the_key_frame_does_not_show_is_not_valid(name: str):
    now, key = view(0, 0), view(0, 0)
    now[40:100, 60:140] = np.random.default_rng(1).integers(0, 256, (60, 80), np.uint8)

    flow = flow_between(now, key, ESTIMATORS[name]())

    assert flow.normalized_flow[50:90, 70:130, 2].mean() < 0.6 < 0.9 < flow.normalized_flow[:, 160:240, 2].mean()


def test_an_estimate_depends_on_nothing_but_what_it_is_given():
    """OpenCV 5.0 uses the last call's start, which may be of another size, if a call has none."""
    used = Dis()
    flow_between(view(9, 8), view(0, 0), used, near=flow_between(view(8, 8), view(0, 0), used))
    flow_between(view(9, 8, 144, 200), view(0, 0, 144, 200), used)

    np.testing.assert_array_equal(
        flow_between(view(3, 1), view(0, 0), used).to_key, flow_between(view(3, 1), view(0, 0), Dis()).to_key
    )


def test_no_flow_is_as_if_nothing_moved():
    flow = flow_between(view(9, 8), view(0, 0), ESTIMATORS["none"]())

    assert not flow.to_key.any() and (flow.normalized_flow[..., 2] == 1).all()


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_small_pictures_keep_the_shape(width: int, height: int):
    small = small_luma(np.zeros((height, width), np.uint8))

    assert max(small.shape) == FLOW_SIDE and min(small.shape) >= 32
    if min(width, height) / max(width, height) > 0.15:
        assert small.shape[1] / small.shape[0] == pytest.approx(width / height, rel=0.05)


@settings(max_examples=25)
@given(st.sampled_from(list(ESTIMATORS)), st.sampled_from([(32, 256), (256, 32), (256, 256), (256, 144)]), st.data())
def test_any_two_pictures_give_finite_moves(name: str, shape: tuple[int, int], data: st.DataObject):
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    now, key = random.integers(0, data.draw(st.integers(1, 256)), (2, *shape), np.uint8)
    estimate = ESTIMATORS[name]()

    flow = flow_between(now, key, estimate, near=flow_between(key, now, estimate))

    assert np.isfinite(flow.normalized_flow).all() and np.isfinite(flow.lookup_flow).all()
    assert 0 <= flow.normalized_flow[..., 2].min() and flow.normalized_flow[..., 2].max() <= 1


def test_moves_for_looking_up_are_smooth_and_smaller():
    back = np.zeros((144, 256, 2), np.float32)
    back[:, 128:] = 8  # half of the picture moves
    flow = Flow(back, -back)

    sharp, smooth = flow.normalized_flow[72, :, 0] * 256, flow.lookup_flow[18, :, 0] * 256

    assert np.abs(np.diff(sharp)).max() == pytest.approx(8)
    assert smooth.shape == (64,) and np.abs(np.diff(smooth)).max() < 3
    assert smooth[[4, -4]] == pytest.approx([0, 8], abs=0.1)
