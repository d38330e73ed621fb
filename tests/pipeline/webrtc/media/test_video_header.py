"""What a header says is what FFmpeg makes room for, or it is an error."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.webrtc.media.video_header import VP8_START_CODE, Demand, demands
from pipeline.webrtc.media.video_limits import FULL_HD_PIXELS, MOST_PIXELS, OWN_BYTES, most_pixels, needed_bytes
from support.webrtc.h264 import START, Writer, sps


@settings(max_examples=150)
@given(
    st.integers(1, 600),
    st.integers(1, 300).map(lambda half: 2 * half),
    st.sampled_from([66, 77, 88, 100, 110, 244]),
    st.integers(0, 2),
    st.integers(0, 1),
    st.integers(0, 16),
    st.booleans(),
    st.sampled_from([(), (1, 2, 3, 4)]),
)
def test_every_form_of_a_parameter_set_is_read(width, height, profile, order, frames_only, references, lists, crop):
    unit = sps(
        width,
        height,
        profile=profile,
        order=order,
        frames_only=frames_only,
        references=references,
        lists=lists,
        crop=crop,
    ).unit()

    assert demands("H264", START + unit) == [Demand(16 * width, 16 * height, references)]


@pytest.mark.parametrize("before", [b"", b"\0\0\1\x09\xf0", b"\0\0\1", b"\0\0\1\x06\5\1\xff\x80" * 20, b"noise"])
@pytest.mark.parametrize("after", [b"", b"\0\0\1\x65\x88", b"\0\0\0", b"\0\0\0\1\x68\xce"])
def test_a_parameter_set_is_found_wherever_it_is(before, after):
    assert demands("H264", before + START + sps(1000, 1000).unit() + after) == [Demand(16000, 16000, 1)]


def test_of_several_parameter_sets_each_is_read():
    data = b"".join(START + sps(width, 10).unit() for width in (10, 1000, 20))

    assert [demand.width for demand in demands("H264", data)] == [160, 16000, 320]


@pytest.mark.parametrize("options", [{"chroma": 0}, {"chroma": 2}, {"chroma": 3}, {"depth": 2}])
def test_what_is_not_8_bits_in_420_is_an_error(options):
    with pytest.raises(ValueError, match="8 bits"):
        demands("H264", START + sps(10, 10, profile=244, **options).unit())


@pytest.mark.parametrize(
    "unit",
    [
        sps(10, 10, profile=144).unit(),
        sps(10, 10, profile=139).unit(),
        sps(10, 10, references=17).unit(),
        sps(10, 10).unit()[:5],
        b"\x67",
        b"\x67" + bytes(40),
        b"\x67" + b"\xff" * 600,
        b"\x67\x42\0\0\2" + b"\xff" * 20,
    ],
    ids=["old profile", "other profile", "references", "cut short", "empty", "zeros", "long", "not escaped"],
)
def test_a_parameter_set_that_another_might_read_otherwise_is_an_error(unit):
    with pytest.raises(ValueError):
        demands("H264", START + unit)


def test_a_size_behind_an_escape_is_an_error():
    """FFmpeg tries a set that it cannot use again, with its escapes in place."""
    written = Writer().put(66, 8).put(0, 8).put(40, 8).code(0, 1 << 31, 2, 1).put(0, 1).code(9, 9).put(1, 1)
    unit = written.put(0, 3).unit()

    assert b"\0\0\3" in unit
    with pytest.raises(ValueError, match="who reads"):
        demands("H264", START + unit)


def test_a_frame_of_nothing_but_start_codes_costs_nothing():
    with pytest.raises(ValueError, match="too many"):
        demands("H264", b"\0\0\1" * 250_000)
    with pytest.raises(ValueError, match="too many"):
        demands("H264", (START + sps(10, 10).unit()) * 50)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\x10\0\0",
        b"\x10\0\0" + b"\x9d\1\x2b" + bytes(4),
        b"\x10\0\0" + VP8_START_CODE + bytes(4),
        b"\x10\0\0" + VP8_START_CODE + b"\1",
    ],
)
def test_vp8_that_is_cut_short_is_an_error(data):
    with pytest.raises(ValueError):
        demands("VP8", data)


def test_a_predicted_frame_asks_for_nothing_new():
    assert demands("VP8", b"\x11\0\0") == [] and demands("H264", START + b"\x41\x9a") == []


@given(st.binary(max_size=80), st.sampled_from(["VP8", "H264"]), st.sampled_from([b"", START + b"\x67"]))
def test_any_bytes_are_read_or_an_error(data, codec, start):
    try:
        found = demands(codec, start + data)
    except ValueError:
        return
    assert all(demand.pixels > 0 and demand.references <= 16 for demand in found)


def test_limits_follow_what_was_said():
    assert most_pixels((320, 240)) == FULL_HD_PIXELS
    assert most_pixels((2560, 1440)) == 2560 * 1456
    assert most_pixels((3840, 2160)) >= Demand.of(3840, 2176).pixels
    assert most_pixels((2160, 3840)) >= Demand.of(3840, 2176).pixels
    assert most_pixels((4096, 4096)) == MOST_PIXELS


@pytest.mark.parametrize("size", [(1920, 1096), (1080, 1936), (1280, 736)])
def test_what_browsers_send_needs_nothing_of_what_is_shared(size):
    assert needed_bytes(Demand.of(*size, references=4)) <= OWN_BYTES
