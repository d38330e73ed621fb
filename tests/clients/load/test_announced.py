import pytest

from clients.load.announced import AnnouncedKeyFrames
from clients.load.open_loop import PATIENCE_S


def test_latency_counts_from_the_capture_of_each_key_frame():
    announced = AnnouncedKeyFrames()
    announced.due(1.0)
    announced.due(2.0)

    assert announced.answered(2.0, 2.25) == [0.25]
    assert announced.answered(1.0, 2.5) == [1.5]
    assert announced.abandon() == 0


def test_what_nobody_announced_serves_nothing():
    announced = AnnouncedKeyFrames()

    assert announced.answered(1.0, 1.1) == []


def test_an_answer_is_counted_once():
    announced = AnnouncedKeyFrames()
    announced.due(1.0)

    assert [announced.answered(1.0, 1.1), announced.answered(1.0, 1.2)] == [[pytest.approx(0.1)], []]


def test_an_announcement_that_comes_after_its_answer_is_nothing_to_wait_for():
    announced = AnnouncedKeyFrames()
    announced.answered(1.0, 1.1)

    announced.due(1.0)

    assert announced.abandon() == 0


def test_key_frames_that_are_never_answered_are_lost_in_time():
    announced = AnnouncedKeyFrames()
    announced.due(1.0)
    announced.due(1.5)

    assert announced.expire(1.0 + PATIENCE_S) == 0
    assert announced.answered(1.0, 1.1 + PATIENCE_S) == []  # too late
    assert announced.expire(1.1 + PATIENCE_S) == 1
    assert announced.abandon() == 1


def test_what_the_gateway_drops_is_lost_at_once_and_once():
    announced = AnnouncedKeyFrames()
    announced.due(1.0)

    assert (announced.drop(1.0), announced.drop(1.0), announced.abandon()) == (1, 0, 0)
