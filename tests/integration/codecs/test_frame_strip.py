"""The strip in VP8 as of a call, at 150 kbit/s: scaled down, and with RTP packets lost inside frames."""

import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from aiortc.codecs import vpx
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtp import RtpPacket

from pipeline.contract import frame_strip
from pipeline.key_frames.frames import planes
from pipeline.webrtc.media.jitter_buffer import MarkerJitterBuffer, parts
from support.browsers.chromium import photo
from support.paths import CLIPS

WIDTH, HEIGHT, FRAMES, FIRST_ID = 640, 360, 45, 65_520
BIT_RATE = 150_000
LOSS = 0.05
TICKS = 3000  # a frame's duration in ticks of 90 kHz
SCALES = (1, 2, 4)

Coded = list[list[bytes]]  # RTP payloads of each frame


def panned_photo() -> Iterator[np.ndarray]:
    wide = photo(WIDTH + 4 * FRAMES, HEIGHT)
    for frame in range(FRAMES):
        yield wide[:, 4 * frame : 4 * frame + WIDTH]


def still_photo() -> Iterator[np.ndarray]:
    yield from [photo(WIDTH, HEIGHT)] * FRAMES


def real_clip(path: Path) -> Iterator[np.ndarray]:
    with av.open(str(path)) as container:
        for frame, _ in zip(container.decode(video=0), range(FRAMES)):
            yield cv2.resize(frame.to_ndarray(format="rgb24"), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


SOURCES = [pytest.param(panned_photo, id="pan"), pytest.param(still_photo, id="still")] + [
    pytest.param(lambda path=path: real_clip(path), id=path.stem) for path in sorted(CLIPS.glob("*.mp4"))[::4]
]


@pytest.fixture(scope="module", params=SOURCES)
def coded(request: pytest.FixtureRequest) -> Coded:
    """FRAMES stamped frames, encoded and cut into packets as aiortc does."""
    patch = pytest.MonkeyPatch()
    patch.setattr(vpx, "MIN_BITRATE", BIT_RATE)
    encoder = vpx.Vp8Encoder()
    encoder.target_bitrate = BIT_RATE
    source: Callable[[], Iterator[np.ndarray]] = request.param
    frames = [encoder.encode(stamped(picture, number))[0] for number, picture in enumerate(source())]
    patch.undo()
    return frames


def stamped(picture: np.ndarray, number: int) -> av.VideoFrame:
    rgb = np.ascontiguousarray(frame_strip.stamp(picture, FIRST_ID + number))
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
    frame.pts, frame.time_base = TICKS * number, Fraction(1, 90_000)
    return frame


def read(frame: av.VideoFrame, scale: int) -> int | None:
    luma = cv2.resize(planes(frame)[0], None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA)
    return frame_strip.read(luma[-frame_strip.strip_rows(len(luma), HEIGHT) :])


def depayloaded(payloads: list[bytes]) -> bytes:
    return b"".join(map(vpx.vp8_depayload, payloads))


def test_every_id_survives_the_encoder_and_fourfold_downscaling(coded):
    decoder = vpx.Vp8Decoder()

    for number, payloads in enumerate(coded):
        (frame,) = decoder.decode(JitterFrame(depayloaded(payloads), TICKS * number))

        assert [read(frame, scale) for scale in SCALES] == [(FIRST_ID + number) % 65536] * 3


def packets(coded: Coded) -> Iterator[RtpPacket]:
    numbers = iter(range(65_000, 10**6))
    for number, payloads in enumerate(coded):
        for payload in payloads:
            packet = RtpPacket(sequence_number=next(numbers) % 65536, timestamp=TICKS * number)
            packet.marker, packet._data = int(payload is payloads[-1]), vpx.vp8_depayload(payload)
            yield packet


@pytest.mark.parametrize("seed", range(5))
def test_what_the_gateway_decodes_after_lost_packets_is_never_misnumbered(coded, seed):
    """No packet is sent again and no intra frame comes, so the gateway may read only ids that are certain."""
    rng, buffer, decoder = random.Random(seed), MarkerJitterBuffer(64), vpx.Vp8Decoder()
    arriving = [packet for packet in packets(coded) if packet.timestamp == 0 or rng.random() >= LOSS]

    released = [frame for packet in arriving if (frame := buffer.add(packet)[1])]

    frames = [frame for burst in released for part in parts(burst) for frame in decoder.decode(part)]
    assert frames
    for frame in frames:
        assert [read(frame, scale) for scale in SCALES] == [(FIRST_ID + frame.pts // TICKS) % 65536] * 3


@pytest.mark.parametrize("seed", range(5))
def test_torn_frames_are_dropped_or_off_by_two_at_most(coded, seed):
    """Without that buffer the decoder mixes old blocks with new ones, and one such mixture in 400 passes the CRC."""
    rng, decoder, ids, errors = random.Random(seed), vpx.Vp8Decoder(), frame_strip.MonotonicIdFilter(), []
    for number, payloads in enumerate(coded):
        arrived = [payload for payload in payloads if number == 0 or rng.random() >= LOSS]
        for frame in decoded(decoder, arrived):
            found = read(frame, 1)
            if found is not None and ids.accept(found):
                errors.append((found - FIRST_ID - number + 32768) % 65536 - 32768)

    assert 0 in errors
    assert max(map(abs, errors)) <= 2


def decoded(decoder: vpx.Vp8Decoder, payloads: list[bytes]) -> list[av.VideoFrame]:
    try:
        return decoder.decode(JitterFrame(depayloaded(payloads), 0)) if payloads else []
    except av.FFmpegError:
        return []
