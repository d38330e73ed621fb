"""The control protocol: each side reads what the other one writes, in Python and in the page."""

import json
import subprocess
import typing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import clients
from pipeline.contract import control
from pipeline.contract.control import (
    Alive,
    ClientMessage,
    ControlMessage,
    ErrorMessage,
    FrameRequest,
    GatewayMessage,
    KeyFrameDropped,
    KeyFramePicked,
    KeyFrameRequest,
    Move,
    Pace,
    PauseChange,
    PreviewRequest,
    SceneCut,
    SharingChanged,
    SharingChoice,
    SharingForgotten,
    SizeChange,
    StyleChoice,
)
from pipeline.contract.errors import BadMessage
from support.browsers.node import node
from support.paths import ROOT

PAGE = Path(clients.__file__).parent / "web"
NAME = "0123456789abcdef"
FROM_CLIENT = [
    StyleChoice("dusk"), SizeChange(2, 4096), KeyFrameRequest(), KeyFrameRequest(0), KeyFrameRequest(65535),
    SceneCut(7), PauseChange(True), PauseChange(False), SharingChoice(True), SharingChoice(False, NAME),
    PreviewRequest((NAME,)), PreviewRequest((f"{NAME}~0", f"{NAME}~100")),
    PreviewRequest(tuple(f"{number:016x}" for number in range(control.MAX_PREVIEWS))),
]  # fmt: skip
FROM_GATEWAY = [
    Alive(), Pace(30), Pace(2.5, 2.0), FrameRequest(),
    KeyFramePicked(7, "cut"), KeyFrameDropped(7, "deadline"), SharingChanged(True), SharingForgotten(), Move(),
    ErrorMessage("All is lost."),
]  # fmt: skip


@pytest.mark.parametrize("message", FROM_CLIENT)
def test_the_gateway_reads_what_a_client_says(message):
    assert control.read_client_message(message.to_text()) == message


@pytest.mark.parametrize("message", FROM_GATEWAY)
def test_a_client_reads_what_the_gateway_says(message):
    assert control.read_gateway_message(message.to_text()) == message


def test_the_examples_hold_every_message():
    assert {type(message) for message in FROM_CLIENT} == set(typing.get_args(ClientMessage))
    assert {type(message) for message in FROM_GATEWAY} == set(typing.get_args(GatewayMessage))


@pytest.mark.parametrize("message", [*FROM_CLIENT, *FROM_GATEWAY])
def test_the_wire_protocol_lists_it(message):
    speaker = "client" if isinstance(message, ClientMessage) else "gateway"
    page = (ROOT / "docs" / "reference" / "wire-protocol.md").read_text()

    assert f'| {speaker} | `{{"type": "{message.TYPE}"' in page


@pytest.mark.parametrize(
    "text",
    [
        b"{}", None, "", "{", "[]", "3", "{}", '{"type": 1}', '{"type": ["style"]}', '{"type": "quit"}',
        '{"type": "alive"}', '{"type": "style"}', '{"type": "style", "style": 3}', '{"type": "size", "width": 640}',
        '{"type": "size", "width": 1, "height": 360}', '{"type": "size", "width": 640, "height": 4097}',
        '{"type": "size", "width": 640.0, "height": 360}', '{"type": "size", "width": true, "height": 360}',
        '{"type": "key_frame", "frame_id": 65536}', '{"type": "key_frame", "frame_id": -1}',
        '{"type": "key_frame", "frame_id": "1"}', '{"type": "key_frame", "frame_id": false}',
        '{"type": "cut"}', '{"type": "cut", "frame_id": null}',
        '{"type": "share"}', '{"type": "share", "on": 1}', '{"type": "share", "on": null}',
        '{"type": "share", "on": true, "by": null}', '{"type": "share", "on": true, "by": "*"}',
        '{"type": "share", "on": true, "by": "0123456789abcdeg"}', '{"type": "style", "style": NaN}',
        '{"type": "previews"}', '{"type": "previews", "styles": []}', '{"type": "previews", "styles": "dusk"}',
        '{"type": "previews", "styles": ["0123456789abcdef~101"]}',
        '{"type": "previews", "styles": ["dusk"]}', '{"type": "previews", "styles": [7]}',
        '{"type": "previews", "styles": ["0123456789abcdef", "0123456789abcdef"]}',
        json.dumps({"type": "previews", "styles": [f"{number:016x}" for number in range(control.MAX_PREVIEWS + 1)]}),
        "[" * 4000, "1" * 4096, '{"type": "style", "style": "' + 5000 * "x" + '"}',
    ],
)  # fmt: skip
def test_the_gateway_refuses_what_no_client_says(text):
    with pytest.raises(BadMessage):
        control.read_client_message(text)


def test_fields_that_are_not_known_here_are_no_reason_to_refuse():
    """A later version may add fields."""
    assert control.read_client_message('{"type": "style", "style": "dusk", "since": 7}') == StyleChoice("dusk")


@given(st.text() | st.binary() | st.none())
def test_any_text_is_a_message_or_one_error(text):
    for read in (control.read_client_message, control.read_gateway_message):
        try:
            assert isinstance(read(text), ControlMessage)
        except BadMessage:
            continue


@pytest.fixture(scope="module")
def page() -> dict:
    """The page's readings of control_examples.js."""
    script = Path(__file__).with_name("read_control.mjs")
    run = subprocess.run([node(), script, PAGE], capture_output=True, text=True, timeout=60, check=True)
    return json.loads(run.stdout)


def test_the_gateway_reads_what_the_page_says(page):
    """tsc checks that the page uses the types of these messages."""
    for text in page["fromPage"]:
        assert json.loads(control.read_client_message(text).to_text()) == json.loads(text)


def test_the_page_reads_what_python_reads_and_refuses_the_rest(page):
    kinds = set()
    for text, read in page["read"]:
        try:
            message = control.read_gateway_message(text)
        except BadMessage:
            assert read is None, text
        else:
            assert read == json.loads(message.to_text())
            kinds.add(type(message))

    assert kinds == set(typing.get_args(GatewayMessage))
