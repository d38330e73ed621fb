"""The control protocol: the messages of client and gateway on the data channel "control". Each is a JSON object.

Both sides read and write these types and nothing else. The page's twin is clients/web/net/messages.js; the examples in
tests/pipeline/contract/control_examples.js hold both to the same protocol.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, TypeVar

from pipeline.contract.errors import BadMessage
from pipeline.contract.messages import MAX_FRAME_ID
from pipeline.contract.strict_json import read_object

Fields = Mapping[str, object]
M = TypeVar("M")

#: No honest message has more than a hundred bytes.
MAX_BYTES = 4096
MAX_SIDE_PX = 4096
#: The limits on the fields of Pace.
MAX_FPS, MAX_LOOK_INTERVAL_S = 1000, 3600
#: Ids of styles that may be asked for at once: the shipped ones, and all photos that a page remembers.
MAX_PREVIEWS = 24
STYLE_ID = re.compile("[0-9a-f]{16}(~(0|[1-9][0-9]?|100))?")
#: The name with which a client withdraws what it shared. It is a secret, so it is long.
SHARER = re.compile("[0-9a-f-]{16,64}")


@dataclass(frozen=True, slots=True)
class ControlMessage:
    """A message is a JSON object with its type and its fields; a field that is None is left out."""

    TYPE: ClassVar[str]

    def to_text(self) -> str:
        """Return the message as JSON."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return json.dumps({"type": self.TYPE} | {name: value for name, value in values.items() if value is not None})


@dataclass(frozen=True, slots=True)
class StyleChoice(ControlMessage):
    """From the client: use this style from now on."""

    TYPE = "style"
    style: str  # its id or name


@dataclass(frozen=True, slots=True)
class SizeChange(ControlMessage):
    """From the client: the frames have this size from now on, in pixels, without the strip."""

    TYPE = "size"
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class KeyFrameRequest(ControlMessage):
    """From the client: make this frame a key frame, or the first possible one after it. None means the next frame."""

    TYPE = "key_frame"
    frame_id: int | None = None


@dataclass(frozen=True, slots=True)
class SceneCut(ControlMessage):
    """From the client: this frame begins another scene. If the client sends few frames, nobody else can tell."""

    TYPE = "cut"
    frame_id: int


@dataclass(frozen=True, slots=True)
class PauseChange(ControlMessage):
    """From the client: whether it sends no frames until further notice, because nobody sees them."""

    TYPE = "pause"
    on: bool


@dataclass(frozen=True, slots=True)
class SharingChoice(ControlMessage):
    """From the client: whether the edge may keep its key frames and learn from them."""

    TYPE = "share"
    on: bool
    by: str | None = None  # a secret name with which later sessions can withdraw them; without it only this session can


@dataclass(frozen=True, slots=True)
class PreviewRequest(ControlMessage):
    """From the client: show my next frame in each of these styles, if there is nothing more important to do."""

    TYPE = "previews"
    styles: tuple[str, ...]  # their ids


@dataclass(frozen=True, slots=True)
class Alive(ControlMessage):
    """From the gateway, once a second, as a sign of life."""

    TYPE = "alive"


@dataclass(frozen=True, slots=True)
class Pace(ControlMessage):
    """From the gateway: send this many frames a second from now on. A client that ignores this sends all frames."""

    TYPE = "pace"
    fps: float
    look_interval_s: float | None = None  # how often looks are renewed while the service is busy; None when it is not


@dataclass(frozen=True, slots=True)
class FrameRequest(ControlMessage):
    """From the gateway: send the camera's next frame, whatever the pace is."""

    TYPE = "frame"


@dataclass(frozen=True, slots=True)
class KeyFramePicked(ControlMessage):
    """From the gateway: this frame is a key frame, and its answer will follow."""

    TYPE = "key_frame"
    frame_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class KeyFrameDropped(ControlMessage):
    """From the gateway: this key frame will not be answered."""

    TYPE = "dropped"
    frame_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class SharingChanged(ControlMessage):
    """From the gateway: the client's last choice on sharing has taken effect at the edge."""

    TYPE = "share"
    on: bool


@dataclass(frozen=True, slots=True)
class SharingForgotten(ControlMessage):
    """From the gateway: the client's consent was lost with Redis' data, so the client has to give it again."""

    TYPE = "share_again"


@dataclass(frozen=True, slots=True)
class Move(ControlMessage):
    """From the gateway: it is about to stop. A new connection leads to another gateway, if there is one."""

    TYPE = "move"


@dataclass(frozen=True, slots=True)
class ErrorMessage(ControlMessage):
    """From the gateway: one sentence that says what went wrong."""

    TYPE = "error"
    error: str


ClientMessage = StyleChoice | SizeChange | KeyFrameRequest | SceneCut | PauseChange | SharingChoice | PreviewRequest
GatewayMessage = (
    Alive
    | Pace
    | FrameRequest
    | KeyFramePicked
    | KeyFrameDropped
    | SharingChanged
    | SharingForgotten
    | Move
    | ErrorMessage
)


def read_client_message(text: object) -> ClientMessage:
    """Parse a client's message; raises BadMessage for anything else."""
    return _read(text, _FROM_CLIENT)


def read_gateway_message(text: object) -> GatewayMessage:
    """Parse a gateway's message; raises BadMessage for anything else."""
    return _read(text, _FROM_GATEWAY)


def picture_size(fields: Fields) -> tuple[int, int]:
    """Return (width, height) of the picture without its strip, in pixels. Raises BadMessage if one is invalid."""
    return _side(fields, "width"), _side(fields, "height")


def _read(text: object, readers: Mapping[str, Callable[[Fields], M]]) -> M:
    if not isinstance(text, str) or len(text) > MAX_BYTES:
        raise BadMessage("A control message is a short text.")
    fields = read_object(text)
    kind = fields.get("type")
    if not isinstance(kind, str) or kind not in readers:
        raise BadMessage("A control message of no type that is known here.")
    return readers[kind](fields)


def _text(fields: Fields, name: str) -> str:
    if not isinstance(value := fields.get(name), str):
        raise BadMessage(f"The {name} of a control message is a text.")
    return value


def _switch(fields: Fields, name: str) -> bool:
    if not isinstance(value := fields.get(name), bool):
        raise BadMessage(f"The {name} of a control message is true or false.")
    return value


def _frame_id(fields: Fields) -> int:
    value = fields.get("frame_id")
    if type(value) is not int or not 0 <= value <= MAX_FRAME_ID:
        raise BadMessage(f"A frame's id is a whole number between 0 and {MAX_FRAME_ID}.")
    return value


def _side(fields: Fields, name: str) -> int:
    value = fields.get(name)
    if type(value) is not int or not 2 <= value <= MAX_SIDE_PX:
        raise BadMessage(f"The {name} is a whole number between 2 and {MAX_SIDE_PX}.")
    return value


def _number(fields: Fields, name: str, limit: float) -> float:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= limit:
        raise BadMessage(f"The {name} of a control message is a number above 0 and at most {limit:g}.")
    return value


def _style_ids(fields: Fields, name: str) -> tuple[str, ...]:
    value = fields.get(name)
    if not isinstance(value, list) or not 0 < len(value) <= MAX_PREVIEWS:
        raise BadMessage(f"The {name} of a control message are a list of 1 to {MAX_PREVIEWS} ids.")
    if not all(isinstance(style, str) and STYLE_ID.fullmatch(style) for style in value) or len(set(value)) < len(value):
        raise BadMessage("A style's id has 16 hex digits, maybe with a mood, and each is named once.")
    return tuple(value)


def _sharer(fields: Fields) -> str:
    if not SHARER.fullmatch(name := _text(fields, "by")):
        raise BadMessage("Whoever shares is known by 16 to 64 hex digits and dashes.")
    return name


_FROM_CLIENT: dict[str, Callable[[Fields], ClientMessage]] = {
    "style": lambda fields: StyleChoice(_text(fields, "style")),
    "size": lambda fields: SizeChange(*picture_size(fields)),
    "key_frame": lambda fields: KeyFrameRequest(None if fields.get("frame_id") is None else _frame_id(fields)),
    "cut": lambda fields: SceneCut(_frame_id(fields)),
    "pause": lambda fields: PauseChange(_switch(fields, "on")),
    "share": lambda fields: SharingChoice(_switch(fields, "on"), _sharer(fields) if "by" in fields else None),
    "previews": lambda fields: PreviewRequest(_style_ids(fields, "styles")),
}
_FROM_GATEWAY: dict[str, Callable[[Fields], GatewayMessage]] = {
    "alive": lambda fields: Alive(),
    "pace": lambda fields: Pace(
        _number(fields, "fps", MAX_FPS),
        _number(fields, "look_interval_s", MAX_LOOK_INTERVAL_S) if "look_interval_s" in fields else None,
    ),
    "frame": lambda fields: FrameRequest(),
    "key_frame": lambda fields: KeyFramePicked(_frame_id(fields), _text(fields, "reason")),
    "dropped": lambda fields: KeyFrameDropped(_frame_id(fields), _text(fields, "reason")),
    "share": lambda fields: SharingChanged(_switch(fields, "on")),
    "share_again": lambda fields: SharingForgotten(),
    "move": lambda fields: Move(),
    "error": lambda fields: ErrorMessage(_text(fields, "error")),
}
