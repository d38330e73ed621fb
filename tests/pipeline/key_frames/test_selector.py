import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from pipeline.key_frames.change import MEMORY_S
from pipeline.key_frames.selector import KeyFrameSelector
from pipeline.key_frames.thumbnail import FrameThumbnail
from support.pictures.thumbnails import ENTERED, OTHER, RECOLOURED, ROOM, STILL, thumbnail

#: The light rises for a second, and stays.
LIT = [thumbnail((ROOM * (1 + min(i / 30, 1))).astype(np.uint8)) for i in range(240)]
THUMBNAILS = [STILL, ENTERED, OTHER, RECOLOURED]


def reasons(selector: KeyFrameSelector, frames: list[FrameThumbnail], fps: float = 30, in_flight: int = 0) -> list:
    return [selector.decide(now=i / fps, thumbnail=frame, in_flight=in_flight) for i, frame in enumerate(frames)]


def test_the_first_frame_is_a_key_frame():
    assert KeyFrameSelector().decide(now=100.0, thumbnail=STILL) == "first"


def test_a_still_scene_gets_one_key_frame_in_the_longest_interval():
    found = reasons(KeyFrameSelector(max_interval=4), [STILL] * 361)

    assert [i for i, reason in enumerate(found) if reason] == [0, 120, 240, 360]


def test_the_noise_of_a_camera_is_no_change():
    noise = np.random.default_rng(0).integers(-6, 7, (240, *ROOM.shape))
    frames = [thumbnail((ROOM + grain).clip(0, 255).astype(np.uint8)) for grain in noise]

    assert reasons(KeyFrameSelector(max_interval=4), frames)[1:120] == [None] * 119


def test_a_pan_gets_many_key_frames_and_a_faster_one_more():
    scene = np.random.default_rng(1).integers(0, 256, (9, 90)).astype(np.uint8)
    scene = cv2.resize(scene, (3600, 180), interpolation=cv2.INTER_CUBIC)

    def key_frames(pixels_a_frame: int) -> int:
        frames = [thumbnail(scene[:, x : x + 320]) for x in np.arange(90) * pixels_a_frame]
        return sum(reason is not None for reason in reasons(KeyFrameSelector(), frames))

    assert key_frames(0) == 1
    assert 6 < key_frames(4) <= key_frames(30) <= 24


def test_a_change_of_light_is_followed_soon_and_for_as_long_as_the_edge_follows_it():
    found = [i - 60 for i, reason in enumerate(reasons(KeyFrameSelector(), [STILL] * 60 + LIT)) if reason]

    assert found[0] == -60 and 0 < found[1] < 20
    gaps = np.diff(found[1:])
    assert len(gaps) > 3 and (np.diff(gaps) >= 0).mean() > 0.7  # the memory comes closer, and key frames further apart


@pytest.mark.parametrize("seed", range(5))
def test_as_many_key_frames_at_even_intervals_leave_more_of_a_change_unseen(seed):
    """Key frames come where the picture changes: a scene that is still, then changes, then is still again."""
    random = np.random.default_rng(seed)
    levels = np.full(300, 100.0)
    begin = random.integers(60, 120)
    levels[begin : begin + 60] += np.linspace(0, random.integers(40, 80), 60)
    levels[begin + 60 :] = levels[begin + 59]
    frames = [thumbnail(np.full((90, 160), round(level), np.uint8)) for level in levels]

    keys = [i for i, reason in enumerate(reasons(KeyFrameSelector(), frames)) if reason]
    even = [300 * k // len(keys) for k in range(len(keys))]

    assert 1 < len(keys) < 40
    assert unseen(levels, keys) < 0.8 * unseen(levels, even)


def unseen(levels: np.ndarray, keys: list[int]) -> float:
    """Mean difference between the moving average of the levels and its value at the last key frame."""
    memory = [levels[0]]
    for level in levels[1:]:
        memory.append(level + np.exp(-1 / 30 / MEMORY_S) * (memory[-1] - level))
    return float(np.mean([abs(memory[i] - memory[max(k for k in keys if k <= i)]) for i in range(len(levels))]))


def test_a_cut_and_another_style_begin_the_memory_anew():
    for reason in ("cut", "style"):
        selector = KeyFrameSelector()
        for i in range(30):
            selector.decide(now=i / 30, thumbnail=STILL)
        selector.ask(reason)

        found = [selector.decide(now=i / 30, thumbnail=ENTERED) for i in range(30, 90)]

        assert found[0] == reason and set(found[1:]) == {None}


def test_a_key_frame_without_an_answer_is_followed_by_another_soon():
    selector = KeyFrameSelector(max_interval=4)
    selector.decide(now=0.0, thumbnail=STILL)
    selector.miss()

    assert selector.decide(now=0.4, thumbnail=STILL) is None
    assert selector.decide(now=0.5, thumbnail=STILL) == "interval"
    assert selector.decide(now=1.1, thumbnail=STILL) is None


def test_a_busy_service_stretches_intervals_and_the_change_that_is_worth_a_key_frame():
    def key_frames(stretch: float) -> int:
        return sum(reason is not None for reason in reasons(KeyFrameSelector(stretch=stretch), LIT))

    assert key_frames(1) > key_frames(2) > key_frames(8) >= 1


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
    frames = [STILL] * 44 + [OTHER] + [STILL] * 2

    found = {i: reason for i, frame in enumerate(frames) if (reason := selector.decide(now=i, thumbnail=frame))}

    assert found == {0: "first", 20: "interval", 40: "interval", 44: "cut", 45: "cut"}


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

    @rule(step=st.floats(0.001, 0.2), frame=st.sampled_from(THUMBNAILS))
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
            assert reason not in ("style", "asked") or self.asked
        self.last, self.key, self.asked = self.now, frame, False

    def passed(self):
        """Nothing is overdue, unless the backlog keeps it waiting."""
        if self.in_flight < self.selector.max_in_flight:
            assert self.now - self.last < self.selector.max_interval
            assert not (self.asked and self.now - self.last >= self.selector.min_interval)


TestStream = SelectorMachine.TestCase


@given(st.lists(st.floats(0.001, 0.2), min_size=1, max_size=80), st.sampled_from(THUMBNAILS))
def test_identical_frames_never_trigger_early(steps, frame):
    selector = KeyFrameSelector()

    found = [selector.decide(now=now, thumbnail=frame) for now in np.cumsum(steps)]

    assert set(found) <= {"first", "interval", None}
    assert found[0] == "first" and found.count("first") == 1
