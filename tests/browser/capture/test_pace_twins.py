"""The page's pacer and its look at scene cuts give the same answers as their twins in Python."""

import base64
import itertools
import json
import subprocess
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.net.frame_pacer import FramePacer
from pipeline.contract.control import FrameRequest, Pace
from pipeline.contract.image_codec import decode_image
from pipeline.key_frames.picker import thumbnail_of
from pipeline.key_frames.selector import is_cut
from pipeline.styles.catalog import shipped
from support.browsers.node import node
from support.paths import CLIPS

SMALL = (256, 144)
EVENTS = st.one_of(
    st.tuples(st.just("frame"), st.sampled_from([0.001, 0.0166, 0.0333, 0.05, 0.25, 1.5]), st.booleans()),
    st.tuples(st.just("pace"), st.sampled_from([0.5, 2.0, 2.5, 7.0, 14.9, 15.0, 30.0, 1000.0]), st.just(False)),
    st.tuples(st.sampled_from(["ask", "begin"]), st.just(0.0), st.just(False)),
)


class Twins:
    """The page's modules in Node.js."""

    def __init__(self) -> None:
        path = Path(__file__).parent / "pace_twins.mjs"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen([node(), str(path)], text=True, bufsize=1, **pipes)

    def answer(self, **request: object) -> list:
        self._process.stdin.write(json.dumps(request) + "\n")
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope="module")
def twins():
    twins = Twins()
    yield twins
    twins.close()


@given(st.lists(EVENTS, max_size=60))
@settings(max_examples=200, deadline=None)
def test_the_pacers_send_the_same_frames(twins, events):
    """In a frame's event, the number is the time since the one before."""
    times_s = list(itertools.accumulate(value if kind == "frame" else 0.0 for kind, value, _ in events))
    timed = [(kind, at_s if kind == "frame" else value, cut) for (kind, value, cut), at_s in zip(events, times_s)]

    assert twins.answer(events=timed) == [list(answer) for answer in answers(timed)]


def answers(events) -> list[tuple[str | None, int | None]]:
    pacer, given_answers = FramePacer(), []
    for kind, value, cut in events:
        match kind:
            case "frame":
                given_answers.append((pacer.cause(value, is_cut=cut), pacer.most_bits_per_s))
            case "pace":
                pacer.obey(Pace(value))
            case "ask":
                pacer.obey(FrameRequest())
            case "begin":
                pacer.begin()
    return given_answers


def looks_like_a_cut(twins: Twins, pictures: list[np.ndarray]) -> tuple[list[bool], list[bool]]:
    """What both say of consecutive pictures, RGB uint8 H W 3; the page sees them small, as it does live."""
    thumbnails = [thumbnail_of(av.VideoFrame.from_ndarray(picture, format="rgb24")) for picture in pictures]
    small = [cv2.resize(picture, SMALL, interpolation=cv2.INTER_LINEAR) for picture in pictures]
    texts = [base64.b64encode(cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA)).decode() for picture in small]
    theirs = twins.answer(pictures=texts, width=SMALL[0], height=SMALL[1])
    return [is_cut(before, after) for before, after in itertools.pairwise(thumbnails)], theirs


def scenes() -> list[np.ndarray]:
    photos = [skimage.data.astronaut(), skimage.data.coffee(), skimage.data.chelsea(), skimage.data.rocket()]
    photos += [decode_image(style.jpeg) for style in shipped()]
    return [cv2.resize(photo, (640, 360), interpolation=cv2.INTER_AREA) for photo in photos]


def test_both_see_the_same_cuts_between_photos(twins):
    photos = scenes()
    pictures = [photos[i] for pair in itertools.combinations(range(len(photos)), 2) for i in pair]

    ours, theirs = looks_like_a_cut(twins, pictures)

    assert theirs == ours and sum(ours) > 0.8 * len(ours)


def test_neither_takes_motion_noise_or_slowly_changing_light_for_a_cut(twins):
    noise, pictures = np.random.default_rng(0), []
    wide = cv2.resize(skimage.data.astronaut(), (900, 900))
    for i in range(40):
        view = wide[100 : 100 + 360, 3 * i : 3 * i + 640] * (1 - 0.015 * abs(20 - i)) + noise.normal(
            0, 6, (360, 640, 3)
        )
        pictures.append(np.clip(view, 0, 255).astype(np.uint8))

    ours, theirs = looks_like_a_cut(twins, pictures)

    assert not any(ours) and not any(theirs)


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the real clips are not beside the project")
def test_both_see_the_same_cuts_in_real_clips(twins):
    """Some frames of each, one clip after the other, twice over."""
    clips = []
    for path in sorted(CLIPS.glob("*.mp4")):
        with av.open(str(path)) as container:
            frames = itertools.islice(container.decode(video=0), 12)
            clips.append([cv2.resize(frame.to_ndarray(format="rgb24"), (640, 360)) for frame in frames])
    pictures = [picture for clip in clips + clips[::2] for picture in clip]

    ours, theirs = looks_like_a_cut(twins, pictures)

    assert theirs == ours and sum(ours) >= len(clips) - 1
