import pytest

from pipeline.key_frames.wanted_frames import WantedFrames


@pytest.mark.parametrize(
    "camera_fps, fps, least, most", [(30, 30, 30, 30), (60, 30, 30, 30), (30, 10, 10, 10), (30, 2.5, 2, 4)]
)
def test_about_as_many_are_decoded_as_were_asked_for(camera_fps, fps, least, most):
    wanted = WantedFrames()

    decoded = sum(wanted.wants(100 + n / camera_fps, fps, is_urgent=False) for n in range(10 * camera_fps))

    assert 10 * least <= decoded <= 10 * most


def test_an_urgent_frame_is_decoded_and_the_next_one_is_not():
    wanted = WantedFrames()

    assert [wanted.wants(n / 30, 2.5, is_urgent=n == 4) for n in range(7)] == [
        True,
        False,
        False,
        False,
        True,
        False,
        False,
    ]


def test_a_sender_whose_clock_goes_back_is_still_seen():
    wanted = WantedFrames()
    wanted.wants(1000.0, 2.5, is_urgent=False)

    assert wanted.wants(3.0, 2.5, is_urgent=False)
