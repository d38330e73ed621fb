import json
import math
from dataclasses import fields, replace
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract.errors import BadMessage
from pipeline.contract.messages import (
    MAX_BYTES,
    VERSION,
    KeyFrame,
    Message,
    RoleReport,
    StreamMemory,
    StylizedFrame,
    TrainingSample,
    WeightSnapshot,
    printable,
)

KEY_FRAME = KeyFrame("gateway", "stream", 7, "style", True, b"jpeg")
STYLIZED = StylizedFrame(
    "stream", 7, "style", "edge", "abc", False, (1, 2, 3), b"packed", decode_ms=1.0, stylize_ms=20.5, error=""
)


@pytest.mark.parametrize("message", [KEY_FRAME, STYLIZED, replace(STYLIZED, grid_shape=(), grid=b"", error="No.")])
def test_a_message_survives_packing(message):
    assert type(message).unpack(message.pack()) == message


#: What the release before this one has written.
EARLIER = [
    replace(KEY_FRAME, shared_by="sharer", consent="token", scene=3, picked_ms=1234),
    StreamMemory("style", 3, 1234, (1, 2, 3), b"equations"),
    replace(STYLIZED, queue_ms=0.25),
    StylizedFrame("stream", 7, "style", "edge", "abc", False, (), b"", 0.0, 0.0, "No.", 0.0),
    TrainingSample("sharer", "style", b"jpeg", "token"),
    RoleReport("stylize", b'{"a": 1}'),
    WeightSnapshot("edge", 4, 100, 0.5, 0.25, 1000, "ab" * 32, 9, b"signature"),
]
RECORDED = json.loads((Path(__file__).parent / "messages_of_release_0_1.json").read_text())


@pytest.mark.parametrize(("message", "recorded"), [*zip(EARLIER, RECORDED.values(), strict=True)])
def test_a_message_of_the_previous_release_is_read(message, recorded):
    assert type(message).unpack(bytes.fromhex(recorded)) == message


def test_the_recording_holds_every_message_but_those_that_are_new():
    names = {kind.__name__ for kind in Message.__subclasses__()}

    assert {type(message).__name__ for message in EARLIER} == names - {"PreviewPicture", "PreviewGrids"}


@pytest.mark.parametrize("message", EARLIER)
def test_a_message_of_the_next_release_is_read_as_far_as_it_is_known(message):
    version, name, values = msgpack.unpackb(message.pack())

    assert type(message).unpack(msgpack.packb([version, name, [*values, "new", {"and": "odd"}]])) == message


def test_fields_with_defaults_may_be_missing_and_others_may_not():
    version, name, values = msgpack.unpackb(KEY_FRAME.pack())

    assert KeyFrame.unpack(msgpack.packb([version, name, values[:6]])) == KEY_FRAME
    for few in (values[:5], []):
        with pytest.raises(BadMessage, match="missing"):
            KeyFrame.unpack(msgpack.packb([version, name, few]))


@given(st.binary(max_size=400))
def test_any_bytes_are_a_message_or_one_error(data):
    for kind in (KeyFrame, StylizedFrame):
        with pytest.raises(BadMessage):
            kind.unpack(data)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 2**63) | st.floats() | st.text(max_size=9) | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@given(st.lists(JUNK, min_size=len(fields(KeyFrame)), max_size=len(fields(KeyFrame))))
def test_fields_of_wrong_types_are_refused_and_right_ones_kept(values):
    data = msgpack.packb([VERSION, "KeyFrame", values])
    try:
        message = KeyFrame.unpack(data)
    except BadMessage:
        return
    assert [type(getattr(message, f.name)) for f in fields(KeyFrame)] == [f.type for f in fields(KeyFrame)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        msgpack.packb([VERSION + 1, "KeyFrame", ["g", "s", 7, "t", True, b""]]),
        msgpack.packb([VERSION, "StylizedFrame", ["g", "s", 7, "t", True, b""]]),
        msgpack.packb([VERSION, "KeyFrame", ["g", "s", 7, "t", True]]),
        msgpack.packb([VERSION, "KeyFrame", ["g", "s", True, "t", True, b""]]),
        msgpack.packb([VERSION, "KeyFrame", ["g" * 300, "s", 7, "t", True, b""]]),
        msgpack.packb([VERSION, "KeyFrame", ["g", "s", 7, "t", True, bytes(MAX_BYTES + 1)]]),
        KEY_FRAME.pack() + b"more",
        bytes(3 * MAX_BYTES),
        b"\x91" * 5000,
    ],
)
def test_a_message_of_another_kind_version_or_size_is_refused(data):
    with pytest.raises(BadMessage):
        KeyFrame.unpack(data)


@pytest.mark.parametrize("shape", [(), (1, 2), (1, 2, 3, 4), (0, 2, 3), (-1, -2, 3), (1, 2, 65)])
def test_a_grid_of_no_shape_is_refused(shape):
    with pytest.raises(BadMessage):
        StylizedFrame.unpack(replace(STYLIZED, grid_shape=shape).pack())


NO_NUMBERS = [math.nan, math.inf, -math.inf, -1.0, 1e300]


@pytest.mark.parametrize("field", ["decode_ms", "stylize_ms", "queue_ms"])
@pytest.mark.parametrize("value", [*NO_NUMBERS, 60_001.0])
def test_no_stage_takes_a_time_that_is_none(field, value):
    with pytest.raises(BadMessage):
        StylizedFrame.unpack(replace(STYLIZED, **{field: value}).pack())


SNAPSHOT = WeightSnapshot.of(b"weights", edge_id="edge", base_version=1, num_examples=5)


@pytest.mark.parametrize("field", ["loss_before", "loss_after"])
@pytest.mark.parametrize("value", NO_NUMBERS)
def test_no_loss_is_no_number(field, value):
    with pytest.raises(BadMessage):
        WeightSnapshot.unpack(replace(SNAPSHOT, **{field: value}).pack())


@pytest.mark.parametrize("field", ["base_version", "num_examples", "size_bytes", "published"])
@pytest.mark.parametrize("value", [-1, 1 << 53, (1 << 64) - 1])
def test_whole_numbers_are_neither_negative_nor_endless(field, value):
    with pytest.raises(BadMessage):
        WeightSnapshot.unpack(replace(SNAPSHOT, **{field: value}).pack())


@pytest.mark.parametrize("value", [-1, 65_536])
def test_there_is_no_frame_beyond_what_the_strip_can_say(value):
    for message in (KEY_FRAME, STYLIZED):
        with pytest.raises(BadMessage):
            type(message).unpack(replace(message, frame_id=value).pack())


@pytest.mark.parametrize("text", ["a\nb", "a\x00", "\x1b[2J", "a\u2028b", "a\u202eb", "a\u0085", "\ufeff", "x" * 257])
def test_text_that_does_not_print_is_refused(text):
    for message, field in ((STYLIZED, "error"), (KEY_FRAME, "stream_id"), (SNAPSHOT, "edge_id")):
        with pytest.raises(BadMessage):
            type(message).unpack(replace(message, **{field: text}).pack())
    assert StylizedFrame.unpack(replace(STYLIZED, error=printable(text)).pack()).error
