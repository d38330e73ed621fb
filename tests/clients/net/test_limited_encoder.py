"""What aiortc's encoder makes of few frames, and how many bits it takes for them."""

import fractions

import av
import cv2
import numpy as np
import pytest
import skimage.data
from aiortc import rtcrtpsender
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from clients.net import limited_encoder
from clients.net.limited_encoder import LimitedVp8Encoder
from pipeline.webrtc.media.rtp import vp8_data

SIZE = (320, 176)
LIMIT = 260_000


def drifting(fps: float, seconds: float) -> list[tuple[float, np.ndarray]]:
    """Times and pictures of a camera that pans across a photo with noise; RGB uint8 H W 3."""
    photo = cv2.resize(skimage.data.astronaut(), (1024, 1024))
    noise = np.random.default_rng(1)
    frames = []
    for i in range(round(fps * seconds)):
        left = round(40 * i / fps)
        view = photo[100 : 100 + SIZE[1], left : left + SIZE[0]]
        frames.append((i / fps, np.clip(view + noise.normal(0, 12, view.shape), 0, 255).astype(np.uint8)))
    return frames


def encoded(encoder: Vp8Encoder, frames, limit: int | None) -> tuple[float, list[float]]:
    """Bits a second, and each frame's PSNR in dB after a second."""
    decoder, bits, psnrs = av.CodecContext.create("vp8", "r"), 0, []
    for at_s, picture in frames:
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base, frame.opaque = round(at_s * 90_000), fractions.Fraction(1, 90_000), limit
        payloads, _ = encoder.encode(frame)
        bits += 8 * sum(map(len, payloads))
        (shown,) = decoder.decode(av.Packet(b"".join(map(vp8_data, payloads))))
        error = ((shown.to_ndarray(format="rgb24").astype(float) - picture) ** 2).mean()
        psnrs += [10 * np.log10(255**2 / error)] * (at_s >= 1)
    return bits / (frames[-1][0] + 1 / 30), psnrs


def test_few_frames_stay_below_their_limit_and_look_better_than_many():
    """aiortc's own encoder would take all of its 500,000 bits a second."""
    all_of_it, _ = encoded(Vp8Encoder(), drifting(2.5, 10), None)
    few_bits, few = encoded(LimitedVp8Encoder(), drifting(2.5, 10), LIMIT)
    _, many = encoded(LimitedVp8Encoder(), drifting(30, 5), None)

    assert few_bits < 1.15 * LIMIT < 0.8 * all_of_it
    assert np.mean(few) > np.mean(many) + 1


def test_what_the_receiver_estimates_is_kept_for_when_more_frames_are_wanted():
    encoder, frames = LimitedVp8Encoder(), drifting(5, 0.6)
    encoder.target_bitrate = 900_000

    encoded(encoder, frames[:1], LIMIT)
    assert encoder.codec.bit_rate == LIMIT and encoder.target_bitrate == 900_000
    encoded(encoder, frames[1:], None)

    assert encoder.codec.bit_rate == 900_000


@pytest.mark.parametrize(("mime", "kind"), [("video/VP8", LimitedVp8Encoder), ("video/H264", object)])
def test_senders_use_it_for_vp8(mime, kind):
    with limited_encoder.installed():
        encoder = rtcrtpsender.get_encoder(RTCRtpCodecParameters(mimeType=mime, clockRate=90_000, payloadType=97))

    assert isinstance(encoder, kind)
