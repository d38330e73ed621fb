import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from pipeline.key_frames.selector import (
    CELL_PX,
    CUT_LEVELS,
    CUT_SHARE,
    THUMBNAIL_SIDE_PX,
    FrameThumbnail,
    KeyFrameSelector,
    is_cut,
    uncovered_fraction,
)

#: Two pictures of one room, one of a brighter room, and the first one in other colours.
ROOM = np.tile(np.linspace(40, 120, 160).astype(np.uint8), (90, 1))
VISITOR = ROOM.copy()
VISITOR[20:80, 40:80] = 220
BRIGHT = 255 - ROOM


def thumbnail(y: np.ndarray, u: int = 128, v: int = 128) -> FrameThumbnail:
    chroma = [np.full((y.shape[0] // 2, y.shape[1] // 2), level, np.uint8) for level in (u, v)]
    return FrameThumbnail.at(y, *chroma)


STILL, ENTERED, OTHER, RECOLOURED = thumbnail(ROOM), thumbnail(VISITOR), thumbnail(BRIGHT), thumbnail(ROOM, 90, 170)
GLANCES = [STILL, ENTERED, OTHER, RECOLOURED]


def reasons(selector: KeyFrameSelector, frames: list[FrameThumbnail], fps: float = 30, in_flight: int = 0) -> list:
    return [selector.decide(now=i / fps, thumbnail=frame, in_flight=in_flight) for i, frame in enumerate(frames)]


# what the pictures say


def test_brightness_and_colour_both_tell_a_cut():
    assert is_cut(STILL, OTHER)
    assert is_cut(STILL, RECOLOURED)
    assert not is_cut(STILL, STILL)
    assert not is_cut(STILL, ENTERED)


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 60), st.integers(0, 2**32 - 1))
def test_the_short_answer_is_the_histograms_own(before, after, contrast, seed):
    """If pixels hardly changed, histograms are not compared; this never hides a cut."""
    noise = np.random.default_rng(seed).integers(-contrast, contrast + 1, (2, 36, 64))
    one, other = (
        thumbnail(np.clip(level + more, 0, 255).astype(np.uint8)) for level, more in zip((before, after), noise)
    )

    change = one.histograms - other.histograms
    moved = np.abs(change).sum(1) / 2 > CUT_SHARE, np.abs(change.cumsum(1)).sum(1) * 8 > CUT_LEVELS + 1e-9
    assert is_cut(one, other) == np.logical_and(*moved).any()


def test_what_was_not_there_is_uncovered():
    assert uncovered_fraction(STILL, STILL) == 0
    assert uncovered_fraction(STILL, ENTERED) == pytest.approx(60 * 40 / ROOM.size, abs=0.02)
    assert uncovered_fraction(STILL, OTHER) > 0.8


def test_a_shift_within_a_cell_is_seen():
    assert uncovered_fraction(STILL, thumbnail(np.roll(ROOM, 1, 0))) == 0


@pytest.mark.parametrize("level", range(1, 254))
def test_a_coders_noise_in_a_flat_picture_is_neither_cut_nor_news(level):
    noise = np.random.default_rng(level).integers(-2, 3, (90, 160))
    flat, noisy = (
        thumbnail(np.clip(level + more, 0, 255).astype(np.uint8), level, level) for more in (0 * noise, noise)
    )
    refined = thumbnail(np.full((90, 160), level + 2, np.uint8), max(0, level - 7), min(255, level + 7))

    for other in (noisy, refined):
        assert not is_cut(flat, other)
        assert uncovered_fraction(flat, other) == 0


def test_a_picture_of_another_shape_is_all_uncovered():
    assert uncovered_fraction(STILL, thumbnail(np.ascontiguousarray(ROOM.T))) == 1


@pytest.mark.parametrize("shape", [(2, 2), (3, 5), (90, 160), (1280, 720), (376, 640), (2, 640)])
def test_any_size_becomes_a_small_picture_whose_shares_sum_to_one(shape):
    y = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    u = y[: (shape[0] + 1) // 2, : (shape[1] + 1) // 2]

    seen = FrameThumbnail.at(y, u, u)

    assert max(seen.luma.shape) == THUMBNAIL_SIDE_PX
    assert seen.histograms.sum(1) == pytest.approx([1, 1, 1])
    assert uncovered_fraction(seen, seen) == 0


def test_a_cell_is_one_of_the_grid_that_the_network_makes():
    assert thumbnail(np.zeros((360, 640), np.uint8)).seen.size == (THUMBNAIL_SIDE_PX // CELL_PX) * 9 * 8


# one key frame after the other


def test_the_first_frame_is_a_key_frame():
    assert KeyFrameSelector().decide(now=100.0, thumbnail=STILL) == "first"


def test_a_still_scene_gets_one_key_frame_an_interval():
    found = reasons(KeyFrameSelector(max_interval=0.5), [STILL] * 61)

    assert [i for i, reason in enumerate(found) if reason] == [0, 15, 30, 45, 60]


def test_uncovered_cells_bring_the_next_key_frame_forward():
    assert reasons(KeyFrameSelector(), [STILL] * 7 + [ENTERED] * 7)[1:] == [None] * 6 + ["uncovered"] + [None] * 6


def test_uncovered_cells_wait_for_an_answer_that_may_show_them():
    selector = KeyFrameSelector()
    selector.decide(now=0.0, thumbnail=STILL)

    assert selector.decide(now=0.2, thumbnail=ENTERED, in_flight=1) is None
    assert selector.decide(now=0.3, thumbnail=ENTERED, in_flight=0) == "uncovered"


@pytest.mark.parametrize("fps", [24, 30, 60])
@pytest.mark.parametrize("changed", [OTHER, RECOLOURED])
def test_a_cut_is_at_most_two_frames_late_wherever_it_falls(fps, changed):
    for at in range(1, 2 * fps):
        found = reasons(KeyFrameSelector(), [STILL] * at + [changed] * 4, fps)

        assert "cut" in found[at : at + 3]
        assert "cut" not in found[:at]


def test_backlog_stretches_the_interval():
    selector = KeyFrameSelector(max_interval=0.5, max_in_flight=2)
    selector.decide(now=0.0, thumbnail=STILL)

    assert selector.decide(now=5.0, thumbnail=STILL, in_flight=2) is None
    assert selector.decide(now=5.1, thumbnail=STILL, in_flight=1) == "interval"


def test_a_file_is_counted_in_frames_and_nothing_waits():
    selector = KeyFrameSelector.for_file(20)
    frames = [STILL] * 30 + [ENTERED] * 4 + [OTHER] + [STILL] * 2

    found = {i: reason for i, frame in enumerate(frames) if (reason := selector.decide(now=i, thumbnail=frame))}

    assert found == {0: "first", 20: "interval", 30: "uncovered", 34: "cut", 35: "cut"}


class SelectorMachine(RuleBasedStateMachine):
    """For any frames, requests and backlog, each decision keeps the rules, and a twin decides the same."""

    @initialize()
    def start(self):
        self.selector, self.twin = KeyFrameSelector(), KeyFrameSelector()
        self.now, self.last, self.key, self.previous = 0.0, None, None, None
        self.in_flight, self.asked = 0, False

    @rule(reason=st.sampled_from(["style", "asked"]))
    def ask(self, reason):
        self.selector.ask(reason)
        self.twin.ask(reason)
        self.asked = True

    @rule(in_flight=st.integers(0, 3))
    def backlog(self, in_flight):
        self.in_flight = in_flight

    @rule(step=st.floats(0.001, 0.2), frame=st.sampled_from(GLANCES))
    def frame(self, step, frame):
        self.now += step
        told = {"now": self.now, "thumbnail": frame, "in_flight": self.in_flight}
        reason = self.selector.decide(**told)
        assert reason == self.twin.decide(**told)
        if reason:
            self.picked(reason, frame)
        else:
            self.passed()
        self.previous = frame

    def picked(self, reason, frame):
        assert self.in_flight < self.selector.max_in_flight
        assert (reason == "first") == (self.last is None)
        if reason != "first":
            waited = self.now - self.last
            assert waited >= (self.selector.cut_interval if reason == "cut" else self.selector.min_interval)
            assert reason != "interval" or waited >= self.selector.max_interval
            assert reason != "uncovered" or (self.in_flight == 0 and frame is not self.key)
            assert reason not in ("style", "asked") or self.asked
        self.last, self.key, self.asked = self.now, frame, False

    def passed(self):
        """Nothing is overdue, unless the backlog keeps it waiting."""
        if self.in_flight < self.selector.max_in_flight:
            assert self.now - self.last < self.selector.max_interval
            assert not (self.asked and self.now - self.last >= self.selector.min_interval)


TestStream = SelectorMachine.TestCase


@given(st.lists(st.floats(0.001, 0.2), min_size=1, max_size=80), st.sampled_from(GLANCES))
def test_identical_frames_never_trigger_early(steps, frame):
    selector = KeyFrameSelector()

    found = [selector.decide(now=now, thumbnail=frame) for now in np.cumsum(steps)]

    assert set(found) <= {"first", "interval", None}
    assert found[0] == "first" and found.count("first") == 1
