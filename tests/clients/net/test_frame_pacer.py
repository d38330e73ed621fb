"""Which frames are sent, at what pace. The page's pacer gives the same answers: tests/browser/capture/test_pace.py."""

import itertools

import pytest

from clients.net.frame_pacer import LEAST_CUT_GAP_S, FramePacer
from pipeline.contract.control import Alive, FrameRequest, Pace


def sent(pacer: FramePacer, times_s, cuts=()) -> list[int]:
    return [i for i, at_s in enumerate(times_s) if pacer.cause(at_s, is_cut=i in cuts)]


def camera(fps: float, frames: int, first: int = 0) -> list[float]:
    return [i / fps for i in range(first, first + frames)]


def paced(fps: float) -> FramePacer:
    pacer = FramePacer()
    pacer.obey(Pace(fps))
    return pacer


def test_all_frames_are_sent_until_a_gateway_says_its_pace():
    pacer = FramePacer()
    pacer.obey(Alive())

    assert sent(pacer, camera(30, 90)) == [*range(90)]


@pytest.mark.parametrize("fps", [30, 29.97, 25, 60])
def test_a_pace_that_is_the_cameras_or_higher_leaves_nothing_out(fps):
    shaken = [at_s + (0.008 if i % 3 == 1 else 0) for i, at_s in enumerate(camera(fps, 300))]

    assert sent(paced(fps), camera(fps, 300)) == sent(paced(1000), shaken) == [*range(300)]
    assert len(sent(paced(fps), shaken)) >= 299


@pytest.mark.parametrize(("fps", "pace_fps"), [(30, 2), (30, 2.5), (30, 7), (30, 20), (60, 2.5), (25, 10), (24, 23)])
def test_as_many_frames_as_the_pace_says_are_sent_and_evenly(fps, pace_fps):
    frames = sent(paced(pace_fps), camera(fps, 20 * fps))

    assert len(frames) == pytest.approx(20 * pace_fps, abs=1)
    distances = {after - before for before, after in itertools.pairwise(frames)}
    assert max(distances) - min(distances) <= 1


def test_a_new_pace_counts_at_once():
    pacer = paced(1)
    sent(pacer, camera(30, 10))

    pacer.obey(Pace(10))

    assert sent(pacer, camera(30, 10, first=10)) == [0, 3, 6, 9]


def test_a_camera_that_paused_gets_no_burst():
    pacer = paced(5)
    sent(pacer, camera(30, 31))

    assert sent(pacer, camera(30, 13, first=300)) == [0, 6, 12]


def test_the_next_frame_is_sent_when_one_is_asked_for_and_just_one():
    pacer = paced(1)
    sent(pacer, camera(30, 5))

    pacer.obey(FrameRequest())
    pacer.obey(FrameRequest())

    assert sent(pacer, camera(30, 40, first=5)) == [0, 30]  # the next second begins there


def test_a_frame_that_begins_a_scene_is_sent_at_once_and_so_are_the_two_after_it():
    """The gateway may have picked a key frame just before."""
    pacer = paced(2)

    causes = [pacer.cause(at_s, is_cut=i == 7) for i, at_s in enumerate(camera(30, 15))]

    assert [i for i, cause in enumerate(causes) if cause] == [0, 7, 8, 9] and causes[7] == "cut"


def test_a_cut_is_one_at_any_pace():
    assert FramePacer().cause(0.0, is_cut=True) == "cut"


def test_flickering_light_sends_no_more_than_half_of_the_frames():
    pacer = paced(2)

    frames = sent(pacer, camera(30, 300), cuts=range(300))

    assert 100 <= len(frames) <= 3 * (10 / LEAST_CUT_GAP_S + 1)


def test_a_scene_that_follows_too_soon_is_sent_a_moment_later():
    pacer = paced(1)

    causes = [pacer.cause(at_s, is_cut=i in (10, 11)) for i, at_s in enumerate(camera(30, 25))]

    assert [i for i, cause in enumerate(causes) if cause == "cut"] == [10, 16]


def test_another_gateway_gets_all_frames_until_it_says_its_pace():
    pacer = paced(1)
    pacer.obey(FrameRequest())

    pacer.begin()

    assert sent(pacer, camera(30, 5)) == [*range(5)]
    pacer.obey(Pace(1))
    assert sent(pacer, camera(30, 20, first=5)) == []


def test_fewer_frames_take_less_of_the_uplink_and_get_more_each():
    few, more = paced(2.5).most_bits_per_s, paced(10).most_bits_per_s

    assert few == 300_000 < more and few / 2.5 > more / 10
    assert FramePacer().most_bits_per_s is paced(30).most_bits_per_s is None
