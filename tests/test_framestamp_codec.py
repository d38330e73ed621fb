"""The strip through a real VP8 encoder at a low bitrate, scaled down, and with frames lost on the way."""
import random
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from chromium import photo
from pipeline import framestamp
from pipeline.picking import planes

CLIPS = Path(__file__).parent.parent.parent / "shared" / "data" / "clips"
WIDTH, HEIGHT, FRAMES, FIRST_ID = 640, 360, 45, 65_520
BIT_RATE = 150_000


def panned_photo() -> Iterator[np.ndarray]:
    wide = photo(WIDTH + 4 * FRAMES, HEIGHT)
    for frame in range(FRAMES):
        yield wide[:, 4 * frame : 4 * frame + WIDTH]


def real_clip(path: Path) -> Iterator[np.ndarray]:
    with av.open(str(path)) as container:
        for frame, _ in zip(container.decode(video=0), range(FRAMES)):
            yield cv2.resize(frame.to_ndarray(format="rgb24"), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


SOURCES = [pytest.param(panned_photo, id="pan")] + [
    pytest.param(lambda path=path: real_clip(path), id=path.stem) for path in sorted(CLIPS.glob("*.mp4"))[::4]
]


def encoded(pictures: Iterator[np.ndarray]) -> list[av.Packet]:
    """VP8 as a call encodes it: real time, no look-ahead, one packet a frame."""
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT + framestamp.STRIP_ROWS, "yuv420p"
    encoder.bit_rate, encoder.time_base, encoder.gop_size = BIT_RATE, Fraction(1, 30), 3000
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "error-resilient": "1"}
    packets = []
    for number, picture in enumerate(pictures):
        stamped = np.ascontiguousarray(framestamp.stamp(picture, FIRST_ID + number))
        frame = av.VideoFrame.from_ndarray(stamped, format="rgb24").reformat(format="yuv420p")
        frame.pts = number
        packets += encoder.encode(frame)
    return packets


def read(frame: av.VideoFrame, scale: int) -> int | None:
    luma = cv2.resize(planes(frame)[0], None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA)
    return framestamp.read(luma[-framestamp.strip_rows(len(luma), HEIGHT) :])


@pytest.mark.parametrize("source", SOURCES)
def test_every_id_survives_the_encoder_and_fourfold_downscaling(source):
    decoder = av.CodecContext.create("libvpx", "r")

    for number, packet in enumerate(encoded(source())):
        (frame,) = decoder.decode(packet)

        assert [read(frame, scale) for scale in (1, 2, 4)] == [(FIRST_ID + number) % 65536] * 3


@pytest.mark.parametrize("seed", range(3))
def test_lost_frames_never_make_another_id(seed):
    """What is decoded after a loss refers to pictures that are not there: unreadable is allowed, wrong is not."""
    rng, decoder, right = random.Random(seed), av.CodecContext.create("libvpx", "r"), 0
    for number, packet in enumerate(encoded(panned_photo())):
        if number and rng.random() < 0.05:
            continue
        (frame,) = decoder.decode(packet)
        ids = {read(frame, scale) for scale in (1, 2, 4)}
        assert ids <= {(FIRST_ID + number) % 65536, None}
        right += None not in ids

    assert right > 0
