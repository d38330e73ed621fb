import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from clients.reassembly.tracker import MAX_FRAMES, MAX_KEY_FRAMES, REMEMBERED_S, Tracker

LUMA = np.zeros((16, 16), np.uint8)


class Counting:
    """An estimate that adds one to its start."""

    calls = 0

    def __call__(self, now: np.ndarray, key: np.ndarray, start: np.ndarray) -> np.ndarray:
        self.calls += 1
        return start + 1


def seen(count: int, tracker: Tracker | None = None) -> Tracker:
    tracker = tracker or Tracker(Counting())
    for frame_id in range(count):
        tracker.see(frame_id, LUMA, frame_id / 30)
    return tracker


def test_flow_is_cached_from_the_announcement_on_each_frame_beginning_where_the_last_ended():
    tracker = seen(5)
    tracker.announce(2)
    assert tracker.flow(2) is None

    for count in (1, 2, 3):
        tracker.see(4 + count, LUMA, 0.2)
        assert tracker.flow(2).to_key.max() == count


def test_a_late_answer_finds_its_flow_ready():
    tracker = seen(3)
    tracker.announce(1)
    for frame_id in range(3, 3 + 300):
        tracker.see(frame_id, LUMA, frame_id / 30)

    assert tracker.flow(1).to_key.max() == 300


def test_an_answer_on_show_ends_the_older_key_frames():
    tracker = seen(5)
    for frame_id in (0, 2, 4):
        tracker.announce(frame_id)
    tracker.show(2)
    tracker.see(5, LUMA, 0.2)

    assert tracker.flow(0) is None and tracker.flow(2) and tracker.flow(4)


def test_an_unknown_key_frame_is_counted_and_has_no_flow():
    tracker = seen(3)
    tracker.announce(99)
    tracker.show(99)
    tracker.see(3, LUMA, 0.1)

    assert tracker.key_frames_forgotten == 1 and tracker.flow(99) is None


@pytest.mark.parametrize("announced", [range(6), range(12)])
def test_too_many_key_frames_push_out_those_after_the_one_on_show(announced: range):
    tracker = seen(20)
    for frame_id in announced:
        tracker.announce(frame_id)
    tracker.see(20, LUMA, 1.0)

    kept = [frame_id for frame_id in announced if tracker.flow(frame_id)]
    assert kept == [0, *announced[-(MAX_KEY_FRAMES - 1) :]]
    assert tracker.key_frames_forgotten == len(announced) - MAX_KEY_FRAMES


def test_frames_that_are_forgotten_before_their_age_are_counted():
    tracker = Tracker(Counting())
    for frame_id in range(MAX_FRAMES + 3):
        tracker.see(frame_id, LUMA, 0.0)

    assert tracker.frames_forgotten == 3
    assert seen(2 * MAX_FRAMES).frames_forgotten == 0


class Bounds(RuleBasedStateMachine):
    """For any events, memory and work stay bounded, and all that is dropped early is counted."""

    def __init__(self) -> None:
        super().__init__()
        self.estimate = Counting()
        self.tracker, self.now_s, self.next_id, self.announced = Tracker(self.estimate), 0.0, 0, []

    @rule(gap_s=st.floats(0, 1), count=st.integers(1, 200))
    def frames_come(self, gap_s: float, count: int):
        for _ in range(count):
            self.now_s += gap_s / count
            before = self.estimate.calls
            self.tracker.see(self.next_id, LUMA, self.now_s)
            assert self.estimate.calls - before <= 2 * MAX_KEY_FRAMES
            self.next_id += 1

    @precondition(lambda self: self.next_id)
    @rule(age=st.integers(0, 300))
    def a_key_frame_is_announced(self, age: int):
        self.announced.append(max(0, self.next_id - 1 - age))
        self.tracker.announce(self.announced[-1])

    @precondition(lambda self: self.announced)
    @rule(data=st.data())
    def an_answer_comes(self, data: st.DataObject):
        self.tracker.show(data.draw(st.sampled_from(self.announced)))

    @invariant()
    def memory_is_bounded(self):
        frames = self.tracker._frames.values()
        assert len(frames) <= MAX_FRAMES and len(self.tracker._keys) <= MAX_KEY_FRAMES
        assert all(self.now_s - seen_s <= REMEMBERED_S for _, seen_s in frames)


TestBounds = Bounds.TestCase
TestBounds.settings = settings(max_examples=20, stateful_step_count=20)
