"""What travels through Redis: frozen dataclasses that pack and unpack themselves.

A message is msgpack of [VERSION, name, fields]. Unpacking trusts nothing: any bytes become a value or one BadMessage.
"""
from dataclasses import dataclass, fields
from typing import ClassVar, Self

import msgpack

from pipeline.errors import BadMessage

VERSION = 1
#: A key frame is a JPEG of at most 512 px (about 60 KB); an answer is a grid of about 28 KB.
MAX_BYTES = 1 << 20
MAX_TEXT = 256


class Message:
    """Fields are str, int, float, bool, bytes or tuple[int, ...]; anything else on the wire is refused."""

    __slots__ = ()

    def pack(self) -> bytes:
        return msgpack.packb([VERSION, type(self).__name__, [getattr(self, f.name) for f in fields(self)]])

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Raises BadMessage unless `data` is exactly one message of this class and version."""
        if len(data) > 2 * MAX_BYTES:
            raise BadMessage(f"{cls.__name__}: {len(data)} bytes are more than a message may have.")
        try:
            version, name, values = msgpack.unpackb(data, use_list=False)
        except Exception as error:  # msgpack raises a dozen kinds, and unpacking the triple two more
            raise BadMessage(f"{cls.__name__}: not a message ({type(error).__name__}).") from None
        if version != VERSION or name != cls.__name__:
            raise BadMessage(f"{cls.__name__}: this is {name!r:.40} of version {version!r:.20}.")
        if not isinstance(values, tuple) or len(values) != len(fields(cls)):
            raise BadMessage(f"{cls.__name__}: wrong number of fields.")
        for field, value in zip(fields(cls), values):
            _check(f"{cls.__name__}.{field.name}", field.type, value)
        message = cls(*values)
        message.validate()
        return message

    def validate(self) -> None:
        """Raise BadMessage where fields contradict each other."""


def _check(name: str, kind: object, value: object) -> None:
    if kind == tuple[int, ...]:
        good = isinstance(value, tuple) and len(value) <= 8 and all(type(v) is int for v in value)
    else:
        good = type(value) is kind
    if not good:
        raise BadMessage(f"{name}: {type(value).__name__} is not a {getattr(kind, '__name__', kind)}.")
    if isinstance(value, bytes) and len(value) > MAX_BYTES or isinstance(value, str) and len(value) > MAX_TEXT:
        raise BadMessage(f"{name}: too long.")


@dataclass(frozen=True, slots=True)
class KeyFrame(Message):
    """A frame the gateway picked, on its way to an edge."""

    gateway_id: str
    stream_id: str
    frame_id: int  # the strip's, 0..65535
    style_id: str
    cut: bool  # first of a new scene: nothing of the scene before applies
    picture: bytes  # JPEG, without the strip


@dataclass(frozen=True, slots=True)
class StylizedFrame(Message):
    """An edge's answer: a bilateral grid of colour transforms, or an error."""

    GRID_ITEM_BYTES: ClassVar[int] = 2

    stream_id: str
    frame_id: int
    style_id: str
    edge_id: str
    model_version: str
    cut: bool
    grid_shape: tuple[int, ...]  # depth, rows, columns; () with an error
    grid: bytes  # float16 little-endian [3, depth, rows, columns, 4]
    decode_ms: float
    stylize_ms: float
    error: str  # one sentence, "" when all is well

    def validate(self) -> None:
        if self.error:
            return
        if len(self.grid_shape) != 3 or min(self.grid_shape) < 1:
            raise BadMessage(f"StylizedFrame: a grid of shape {self.grid_shape} is none.")
        depth, rows, columns = self.grid_shape
        if len(self.grid) != 3 * depth * rows * columns * 4 * self.GRID_ITEM_BYTES:
            raise BadMessage(f"StylizedFrame: {len(self.grid)} bytes are no grid of shape {self.grid_shape}.")
