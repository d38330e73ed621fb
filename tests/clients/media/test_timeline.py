"""Times of packets with late starts, joined streams, clocks that wrap, and pauses."""

from fractions import Fraction

import pytest

from clients.media.timeline import Timeline

VIDEO, SOUND = 0, 1
FRAME_S = Fraction(1, 25)


def frames(timeline: Timeline, stream: int, begin_s: float, seconds: float) -> list[float]:
    """The new times of a stream's frames of 40 ms, which begin at begin_s."""
    times_s = [Fraction(begin_s) + index * FRAME_S for index in range(round(seconds / FRAME_S))]
    return [float(time_s + timeline.advance(stream, time_s, time_s, FRAME_S)) for time_s in times_s]


def test_hours_of_offset_are_taken_away():
    timeline = Timeline(Fraction(30_000), has_jumps=True)

    assert frames(timeline, VIDEO, 30_000, 0.12) == pytest.approx([0, 0.04, 0.08])


@pytest.mark.parametrize("second_s", [0.0, 1.5, 500.0, -95_443.7])
def test_a_joined_stream_goes_on_where_the_first_one_ends(second_s: float):
    """This holds if its clock goes back, goes far ahead, or wraps around."""
    timeline = Timeline(Fraction(2), has_jumps=True)

    frames(timeline, VIDEO, 2, 3)
    frames(timeline, SOUND, 2, 3)

    assert frames(timeline, VIDEO, second_s, 0.08) == pytest.approx([3, 3.04])
    assert frames(timeline, SOUND, second_s + 0.02, 0.08) == pytest.approx([3.02, 3.06]), "in step as in the file"


def test_sound_of_the_first_part_that_comes_after_the_seam_stays_in_it():
    timeline = Timeline(Fraction(0), has_jumps=True)

    frames(timeline, VIDEO, 0, 3)
    frames(timeline, SOUND, 0, 2)
    frames(timeline, VIDEO, 0, 1)

    assert frames(timeline, SOUND, 2, 0.08) == pytest.approx([2, 2.04])
    assert frames(timeline, SOUND, 0, 0.08) == pytest.approx([3, 3.04])


@pytest.mark.parametrize(("has_jumps", "pause_s"), [(True, 5), (False, 5), (False, 60)])
def test_a_pause_stays_one(has_jumps: bool, pause_s: float):
    timeline = Timeline(Fraction(0), has_jumps=has_jumps)

    frames(timeline, VIDEO, 0, 1)

    assert frames(timeline, VIDEO, 1 + pause_s, 0.04) == pytest.approx([1 + pause_s])


def test_a_stream_that_pauses_while_another_goes_on_comes_back_in_step():
    timeline = Timeline(Fraction(0), has_jumps=True)

    frames(timeline, SOUND, 0, 1)
    frames(timeline, VIDEO, 0, 21)

    assert frames(timeline, SOUND, 21, 0.04) == pytest.approx([21])


def test_small_steps_back_are_left_alone():
    timeline = Timeline(Fraction(0), has_jumps=True)

    frames(timeline, VIDEO, 0, 1)

    assert frames(timeline, VIDEO, 0.96, 0.04) == pytest.approx([0.96])
