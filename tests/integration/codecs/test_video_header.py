"""What a header says is what FFmpeg makes room for, of pictures that encoders made."""

import functools
from fractions import Fraction

import av
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.webrtc.media.video_header import Demand, demands
from pipeline.webrtc.media.video_limits import MOST_PIXELS


@functools.cache
def encoded(codec: str, size: tuple[int, int], **options: str) -> bytes:
    width, height = size
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.time_base = width, height, Fraction(1, 30)
    encoder.pix_fmt, encoder.options = options.pop("pix_fmt", "yuv420p"), options
    frame = av.VideoFrame.from_ndarray(np.zeros((height, width, 3), np.uint8), format="rgb24")
    return b"".join(
        bytes(packet) for packet in [*encoder.encode(frame.reformat(format=encoder.pix_fmt)), *encoder.encode(None)]
    )


even = st.integers(8, 200).map(lambda half: 2 * half)


@settings(max_examples=40)
@given(even, even, st.sampled_from(["baseline", "main", "high"]))
def test_h264_of_any_size_and_profile_is_read_as_ffmpeg_reads_it(width, height, profile):
    data = encoded("libx264", (width, height), profile=profile, tune="zerolatency", preset="ultrafast")

    (demand,) = demands("H264", data)
    (picture,) = av.CodecContext.create("h264", "r").decode(av.Packet(data)) or decoded_late(data)

    assert (picture.width, picture.height) == (width, height)
    assert 0 <= demand.width - width < 16 and 0 <= demand.height - height < 16
    assert demand.references <= 16


def decoded_late(data: bytes) -> list[av.VideoFrame]:
    decoder = av.CodecContext.create("h264", "r")
    return [*decoder.decode(av.Packet(data)), *decoder.decode(None)]


@settings(max_examples=40)
@given(st.integers(1, 300), st.integers(1, 300))
def test_vp8_of_any_size_is_read_as_ffmpeg_reads_it(width, height):
    data = encoded("libvpx", (width, height), deadline="realtime")

    (demand,) = demands("VP8", data)
    (picture,) = av.CodecContext.create("vp8", "r").decode(av.Packet(data))

    assert (picture.width, picture.height) == (width, height)
    assert demand == Demand.of(width, height, 3)


@settings(max_examples=300)
@given(st.data())
def test_ffmpeg_never_finds_a_larger_picture_than_was_read(data):
    """A set with any of its bytes changed, before a slice that makes FFmpeg use it."""
    frame = bytearray(encoded("libx264", (64, 64), tune="zerolatency", preset="ultrafast"))
    at = frame.index(b"\0\0\1\x67")
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(at + 4, at + 24))] = data.draw(st.integers(0, 255))
    try:
        most = max((demand.pixels for demand in demands("H264", bytes(frame))), default=0)
    except ValueError:
        return
    decoder = av.CodecContext.create("h264", "r")
    decoder.options = {"max_pixels": str(MOST_PIXELS)}
    try:
        decoder.decode(av.Packet(bytes(frame)))
    except (av.FFmpegError, ValueError):
        pass

    assert decoder.coded_width * decoder.coded_height <= most
