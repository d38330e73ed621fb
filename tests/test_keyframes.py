import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.keyframes import HISTOGRAM_BINS, KeyFrameSelector, luma_histogram

DARK = np.eye(HISTOGRAM_BINS)[2]
BRIGHT = np.eye(HISTOGRAM_BINS)[30]


def decide(selector, now_s, histogram=DARK, in_flight=0):
    return selector.decide(now_s=now_s, histogram=histogram, in_flight=in_flight)


def test_the_first_frame_is_a_key_frame():
    assert decide(KeyFrameSelector(), 100.0) == "first"


def test_a_still_scene_gets_one_key_frame_an_interval():
    selector = KeyFrameSelector(max_interval_s=0.5)

    reasons = [decide(selector, i / 30) for i in range(61)]

    assert [i for i, reason in enumerate(reasons) if reason] == [0, 15, 30, 45, 60]


def test_a_cut_is_a_key_frame_at_once():
    selector = KeyFrameSelector()
    decide(selector, 0.0)

    assert decide(selector, 0.2) is None
    assert decide(selector, 0.24, BRIGHT) == "cut"


def test_a_cut_within_the_rate_cap_is_not_forgotten():
    selector = KeyFrameSelector(min_interval_s=0.125)
    decide(selector, 0.0)

    assert decide(selector, 0.05, BRIGHT) is None
    assert decide(selector, 0.13, BRIGHT) == "cut"


def test_backlog_stretches_the_interval():
    selector = KeyFrameSelector(max_interval_s=0.5, max_in_flight=2)
    decide(selector, 0.0)

    assert decide(selector, 5.0, in_flight=2) is None
    assert decide(selector, 5.1, in_flight=1) == "interval"


def test_a_new_style_asks_for_a_key_frame():
    selector = KeyFrameSelector()
    decide(selector, 0.0)
    selector.ask("style")

    assert decide(selector, 0.2) == "style"
    assert decide(selector, 0.3) is None


frames = st.lists(
    st.tuples(st.floats(0.001, 0.2), st.sampled_from([DARK, BRIGHT]), st.integers(0, 3), st.booleans()), max_size=80
)


@given(frames)
def test_rate_and_gap_stay_within_their_limits(frames):
    """Never faster than the cap, never slower than the interval while slots are free, never more than two in flight."""
    selector, now_s, last_s = KeyFrameSelector(), 0.0, None
    for step_s, histogram, in_flight, asked in frames:
        now_s += step_s
        if asked:
            selector.ask("asked")
        reason = decide(selector, now_s, histogram, in_flight)
        if reason:
            assert in_flight < 2
            assert last_s is None or now_s - last_s >= selector.min_interval_s
            last_s = now_s
        elif in_flight < 2:
            assert last_s is not None and now_s - last_s < selector.max_interval_s


@given(frames)
def test_the_same_frames_give_the_same_key_frames(frames):
    def run():
        selector, now_s, reasons = KeyFrameSelector(), 0.0, []
        for step_s, histogram, in_flight, _ in frames:
            now_s += step_s
            reasons.append(decide(selector, now_s, histogram, in_flight))
        return reasons

    assert run() == run()


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (360, 640)])
def test_a_histogram_sums_to_one(shape):
    luma = np.random.default_rng(0).integers(0, 256, shape, np.uint8)

    assert luma_histogram(luma).sum() == pytest.approx(1)
