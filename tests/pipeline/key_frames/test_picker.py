from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from pipeline.contract import redis_keys
from pipeline.contract.frame_strip import stamp, strip
from pipeline.contract.image_codec import decode_image
from pipeline.key_frames.picker import KEY_FRAME_SIDE_PX, KeyFramePicker, Picked, shrunk
from pipeline.key_frames.selector import KeyFrameSelector

DEADLINE_S = redis_keys.KEY_FRAME_DEADLINE_MS / 1000


def frame(frame_id: int, width: int = 640, height: int = 360, level: int = 120) -> av.VideoFrame:
    picture = np.full((height, width, 3), level, np.uint8)
    return av.VideoFrame.from_ndarray(stamp(picture, frame_id), format="rgb24").reformat(format="yuv420p")


@pytest.fixture
def picker():
    return KeyFramePicker(picture_height=360, selector=KeyFrameSelector(max_interval=0.5))


def inspect(picker: KeyFramePicker, shown: av.VideoFrame, now_s: float, **options: bool) -> Picked | None:
    """Pick the frame at once if a key frame is due, as if no stream waited for its turn."""
    candidate = picker.inspect(shown, now_s, **options)
    return candidate and picker.pick(candidate, now_s)


def test_the_first_readable_frame_is_picked_under_its_own_id(picker):
    picked = inspect(picker, frame(4711), now_s=0.0)

    assert (picked.frame_id, picked.reason, picked.strip_rows) == (4711, "first", 16)


def test_the_picture_has_no_strip_and_fits_the_limit(picker):
    picture = decode_image(inspect(picker, frame(1), now_s=0.0).jpeg())

    assert picture.shape == (288, KEY_FRAME_SIDE_PX, 3)
    assert picture.min() > 110 and picture.max() < 130


@pytest.mark.parametrize("size", [(640, 360), (1920, 1080), (1024, 577), (513, 2), (300, 200)])
def test_a_picture_of_any_size_is_shrunk_to_the_limit_as_by_area(size):
    picture = np.kron(np.random.default_rng(3).integers(0, 256, (9, 16, 3)), np.ones((130, 130, 1)))
    picture = cv2.resize(picture.astype(np.uint8), size, interpolation=cv2.INTER_AREA)
    limit = (min(size[0], KEY_FRAME_SIDE_PX), round(size[1] * min(1, KEY_FRAME_SIDE_PX / size[0])))

    small = shrunk(picture, KEY_FRAME_SIDE_PX)

    assert small.shape[1::-1] == limit
    assert cv2.PSNR(small, cv2.resize(picture, limit, interpolation=cv2.INTER_AREA)) > 30


@pytest.mark.parametrize("height", [1, 2])
def test_a_frame_that_is_nothing_but_its_strip_is_no_key_frame(height):
    """A client may claim a picture of two rows, and send whatever it likes."""
    rows = np.repeat(strip(7, 640)[:1], height, 0)
    shown = av.VideoFrame.from_ndarray(np.repeat(rows[..., None], 3, 2), format="rgb24").reformat(format="yuv420p")
    picker = KeyFramePicker(picture_height=2)

    assert inspect(picker, shown, now_s=0.0) is None
    assert picker.unreadable == 1


def test_a_frame_that_was_scaled_down_on_the_way_is_read_and_cropped(picker):
    small = frame(77).reformat(width=320, height=188)

    picked = inspect(picker, small, now_s=0.0)

    assert picked.frame_id == 77
    assert decode_image(picked.jpeg()).shape == (180, 320, 3)


def test_a_frame_without_a_strip_is_counted_and_never_picked(picker):
    bare = av.VideoFrame.from_ndarray(np.full((376, 640, 3), 99, np.uint8), format="rgb24").reformat(format="yuv420p")

    assert inspect(picker, bare, now_s=0.0) is None
    assert picker.unreadable == 1


def test_two_are_in_flight_at_most(picker):
    picked = [inspect(picker, frame(i), now_s=i * 0.6) for i in range(3)]

    assert [bool(p) for p in picked] == [True, True, False]


def test_nothing_is_picked_while_an_answer_waits_to_be_sent(picker):
    inspect(picker, frame(0), now_s=0.0)
    picker.answered(0, now_s=0.1)

    assert inspect(picker, frame(1), now_s=5.0, can_send=False) is None
    assert inspect(picker, frame(2), now_s=5.1).reason == "interval"


def test_a_newer_answer_ends_the_wait_for_older_ones(picker):
    inspect(picker, frame(0), now_s=0.0)
    inspect(picker, frame(1), now_s=0.6)

    assert picker.answered(1, now_s=0.7) == pytest.approx(0.1)
    assert picker.answered(0, now_s=0.8) is None
    assert picker.answered(1, now_s=0.8) is None


@pytest.mark.parametrize("first", [10, 65534])
def test_a_frame_that_was_asked_for_by_its_id_is_picked_and_none_before_it(picker, first):
    inspect(picker, frame(first), now_s=0.0)
    picker.answered(first, now_s=0.1)
    picker.ask((first + 3) % 65536)

    picked = [inspect(picker, frame((first + n) % 65536), now_s=0.2 + n / 30) for n in range(1, 5)]

    assert [p and (p.frame_id, p.reason) for p in picked] == [None, None, ((first + 3) % 65536, "asked"), None]


def test_a_later_request_takes_no_earlier_ones_place(picker):
    """Control messages overtake the video, which is decoded first."""
    inspect(picker, frame(1), now_s=0.0)
    picker.answered(1, now_s=0.1)
    for asked_id in (3, 5, 7):
        picker.ask(asked_id)

    picked = [inspect(picker, frame(n), now_s=n / 6) for n in range(2, 9)]

    assert [p.frame_id for p in picked if p and p.reason == "asked"] == [3, 5]
    assert picker.in_flight == 2


def test_no_interval_ends_before_a_frame_that_was_asked_for(picker):
    inspect(picker, frame(1), now_s=0.0)
    picker.answered(1, now_s=0.1)
    picker.ask(4)

    assert [inspect(picker, frame(n), now_s=0.5 + n / 30) for n in (2, 3)] == [None, None]
    assert inspect(picker, frame(4), now_s=0.7).reason == "asked"
    assert inspect(picker, frame(5), now_s=1.8).reason == "interval"


def test_a_frame_that_never_comes_holds_no_interval_back_for_long(picker):
    inspect(picker, frame(1), now_s=0.0)
    picker.answered(1, now_s=0.1)
    picker.ask(30_000)

    reasons = [picked and picked.reason for picked in (inspect(picker, frame(n), now_s=n / 4) for n in (2, 3, 4, 5))]

    assert reasons == [None, None, "interval", None]


def test_the_first_frame_after_one_that_was_lost_is_picked_in_its_place(picker):
    inspect(picker, frame(1), now_s=0.0)
    picker.ask(3)

    assert inspect(picker, frame(2), now_s=0.2) is None
    assert inspect(picker, frame(4), now_s=0.3).frame_id == 4


def test_an_answer_nobody_asked_for_is_none(picker):
    assert picker.answered(5, now_s=0.0) is None


def test_late_key_frames_give_their_places_back(picker):
    inspect(picker, frame(0), now_s=0.0)
    inspect(picker, frame(1), now_s=0.6)

    assert picker.expired(DEADLINE_S) == []
    assert picker.expired(DEADLINE_S + 0.1) == [0]
    assert inspect(picker, frame(2), now_s=DEADLINE_S + 0.1).frame_id == 2


def timed(frame_id: int, captured_s: float, level: int = 120) -> av.VideoFrame:
    made = frame(frame_id, level=level)
    made.pts, made.time_base = round(captured_s * 90_000), Fraction(1, 90_000)
    return made


def picked_ids(picker: KeyFramePicker, arrivals: list[tuple[int, float]]) -> list[int]:
    """The ids picked of frames that were sent 30 a second and come at given times; each is answered at once."""
    ids = []
    for number, now_s in arrivals:
        if picked := inspect(picker, timed(number, number / 30), now_s):
            ids.append(picked.frame_id)
            picker.forget(picked.frame_id)
    return ids


def test_of_frames_that_a_lost_packet_held_up_the_newest_is_picked(picker):
    """Frames 14 to 20 come together, oldest first, when the last of them does."""
    arrivals = [(number, 100 + (20 if 14 <= number <= 20 else number) / 30) for number in range(25)]

    first, second = picked_ids(picker, arrivals)

    assert first == 0 and second in (18, 19, 20)


@pytest.mark.parametrize(
    "came_s",
    [lambda number: number / 30 + 0.5 * (number >= 30), lambda number: number / 20, lambda number: number / 30 % 0.09],
    ids=["a path that becomes longer", "a camera slower than it says", "a jittery one"],
)
def test_no_path_and_no_camera_is_late_for_ever(picker, came_s):
    ids = picked_ids(picker, [(number, 100 + number / 30 + came_s(number)) for number in range(120)])

    assert max(after - before for before, after in zip(ids, ids[1:])) <= 17


def test_a_stream_that_waits_for_its_turn_offers_its_newest_frame(picker):
    inspect(picker, frame(0), now_s=0.0)
    picker.answered(0, now_s=0.1)

    offered = [picker.inspect(frame(n), now_s=0.5 + n / 30) for n in range(1, 4)]
    picked = picker.pick(offered[-1], now_s=0.61)

    assert [candidate.frame_id for candidate in offered] == [1, 2, 3]
    assert (picked.frame_id, picked.reason, picked.picked_s) == (3, "interval", 0.61)
    assert picker.inspect(frame(4), now_s=0.65) is None


def test_a_cut_that_comes_while_the_stream_waits_is_still_one(picker):
    inspect(picker, frame(0), now_s=0.0)
    picker.answered(0, now_s=0.1)

    offered = [picker.inspect(frame(n, level=level), now_s=0.6 + n / 30) for n, level in ((1, 120), (2, 250), (3, 250))]

    assert [candidate.reason for candidate in offered] == ["interval", "cut", "cut"]
    assert [picker.pick(offered[-1], now_s=0.8).scene, picker.in_flight] == [1, 1]


def test_only_the_sender_of_few_frames_can_tell_a_cut(picker):
    inspect(picker, frame(0), now_s=0.0)
    picker.answered(0, now_s=0.1)

    assert inspect(picker, frame(12, level=250), now_s=0.4).reason == "change"
    picker.answered(12, now_s=0.5)
    picker.cut_at(24)
    assert picker.inspect(frame(23, level=250), now_s=0.7) is None
    assert inspect(picker, frame(24, level=20), now_s=1.0).reason == "cut"


def test_a_frame_that_was_asked_for_is_awaited_until_it_comes(picker):
    inspect(picker, frame(0), now_s=0.0)
    assert not picker.awaits_frame

    picker.ask(2)
    assert picker.awaits_frame
    picker.inspect(frame(1), now_s=0.1)
    assert picker.awaits_frame
    assert inspect(picker, frame(2), now_s=0.2).reason == "asked"
    assert not picker.awaits_frame


def test_a_frame_is_awaited_while_a_scene_has_no_key_frame(picker):
    inspect(picker, frame(0), now_s=0.0)
    picker.cut_at(1)

    assert picker.inspect(frame(1, level=250), now_s=0.033) is None  # too soon after the key frame before
    assert picker.awaits_frame
    assert inspect(picker, frame(2, level=250), now_s=0.066).reason == "cut"
    assert not picker.awaits_frame


def test_frames_that_come_together_but_were_taken_apart_tell_no_cut(picker):
    """Browsers hold a canvas's last frame back until the next one, which may be half a second later."""
    inspect(picker, timed(0, 0.0), 100.5)
    picker.answered(0, 100.55)

    assert picker.inspect(timed(15, 0.5, level=250), 100.6) is None
    assert picker.inspect(timed(16, 0.53, level=20), 100.63).reason == "cut"


def test_a_new_scene_needs_not_be_on_time(picker):
    """The frame after it may be half a second away."""
    for number in range(3):
        inspect(picker, timed(12 * number, 0.4 * number), 100 + 0.4 * number)
        picker.forget(12 * number)
    picker.cut_at(37)

    assert picker.inspect(timed(36, 1.2), 101.8) is None
    assert inspect(picker, timed(37, 1.233, level=250), 101.8).reason == "cut"


@pytest.mark.parametrize("way", ["expired", "forgotten"])
def test_a_key_frame_without_an_answer_is_followed_by_another_before_the_longest_interval(way):
    picker = KeyFramePicker(picture_height=360, selector=KeyFrameSelector(max_interval=10))
    inspect(picker, frame(0), now_s=0.0)

    if way == "expired":
        assert picker.expired(now_s=2.1) == [0]
    else:
        picker.forget(0)

    assert inspect(picker, frame(66), now_s=2.2).reason == "interval"


@pytest.mark.parametrize("late_s, is_picked", [(0.15, True), (0.3, True), (0.5, False)])
def test_of_few_frames_one_is_late_only_if_a_newer_one_may_have_been_sent(picker, late_s, is_picked):
    for number in range(3):
        inspect(picker, timed(12 * number, 0.4 * number), 100 + 0.4 * number)
        picker.forget(12 * number)
    picker.ask()

    assert (picker.inspect(timed(36, 1.2), 101.2 + late_s) is not None) == is_picked
