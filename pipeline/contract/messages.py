"""The messages that travel through Redis: frozen dataclasses that pack and unpack themselves.

A message is the msgpack of [VERSION, name, fields]. Unpacking trusts nothing: for any bytes it returns a valid message
or raises BadMessage.

Processes of one release and of the next work side by side while a system is upgraded. So a field is only ever added at
the end, with a default: an older reader leaves out what it does not know, and a newer one takes the default for what an
older writer did not have. Any other change needs another VERSION, and a release between that reads both.
"""

import json
from dataclasses import MISSING, dataclass, fields
from hashlib import sha256
from typing import ClassVar, Self

import msgpack

from pipeline.contract import redis_keys
from pipeline.contract.errors import BadMessage
from pipeline.contract.grid_codec import check_shape

VERSION = 6
#: A key frame is a JPEG of at most 512 px with about 60 KB; an answer is a packed grid of about 12 KB.
MAX_BYTES = 1 << 20
MAX_TEXT = 256
#: The strip holds 16 bits.
MAX_FRAME_ID = 65_535
#: Integers are counts, ids and sizes: never negative, and exact in JSON and JavaScript.
MAX_INT = (1 << 53) - 1
#: Floats are losses and milliseconds: never negative, and far below this.
MAX_FLOAT = 1e9
#: No stage of a key frame takes longer than a minute, since jobs are ended long before.
MAX_STAGE_MS = 60_000.0
#: A role reports about thirty gauges.
MAX_GAUGES, MAX_GAUGES_BYTES, MAX_GAUGE_NAME, MAX_GAUGE = 256, 32 << 10, 128, 1e15


@dataclass(frozen=True, slots=True)
class Message:
    """The base of all messages. Fields are str, int, float, bool, bytes or tuple[int, ...]; other types are refused.

    Negative and infinite numbers, NaN and unprintable text are refused too (see `_within`).
    """

    def pack(self) -> bytes:
        return msgpack.packb([VERSION, type(self).__name__, [getattr(self, f.name) for f in fields(self)]])

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Parse a message; raises BadMessage unless `data` is exactly one message of this class and version.

        It may have more fields at its end, which are left out, or lack some that have defaults.
        """
        if len(data) > 2 * MAX_BYTES:
            raise BadMessage(f"{cls.__name__}: {len(data)} bytes are more than a message may have.")
        try:
            version, name, values = msgpack.unpackb(data, use_list=False)
        except Exception as error:  # msgpack raises a dozen types of errors, and unpacking the triple two more
            raise BadMessage(f"{cls.__name__}: not a message ({type(error).__name__}).") from None
        if version != VERSION or name != cls.__name__:
            raise BadMessage(f"{cls.__name__}: this is {name!r:.40} of version {version!r:.20}.")
        if not isinstance(values, tuple) or any(f.default is MISSING for f in fields(cls)[len(values) :]):
            raise BadMessage(f"{cls.__name__}: there are fields missing.")
        known = dict(zip(fields(cls), values))
        for field, value in known.items():
            _check(f"{cls.__name__}.{field.name}", field.type, value)
        message = cls(*known.values())
        message.validate()
        return message

    def validate(self) -> None:
        """Raise BadMessage if fields contradict each other."""


def printable(text: str) -> str:
    """Return the text as a message can carry it: in one line, and cut to the length that messages allow."""
    return "".join(c if c.isprintable() else " " for c in text[:MAX_TEXT])


def _check(name: str, kind: object, value: object) -> None:
    if kind == tuple[int, ...]:
        good = isinstance(value, tuple) and len(value) <= 8 and all(type(v) is int for v in value)
    else:
        good = type(value) is kind
    if not good:
        raise BadMessage(f"{name}: {type(value).__name__} is not a {getattr(kind, '__name__', kind)}.")
    if not _within(value):
        raise BadMessage(f"{name}: this is beyond what it may be.")


def _within(value: object) -> bool:
    """Return whether a message may carry this value, whose type is right."""
    match value:
        case bytes():
            return len(value) <= MAX_BYTES
        case str():
            return len(value) <= MAX_TEXT and value.isprintable()
        case tuple():
            return all(map(_within, value))
        case int():
            return 0 <= value <= MAX_INT
        case float():
            return 0 <= value <= MAX_FLOAT  # this is false for NaN
    return True


@dataclass(frozen=True, slots=True)
class KeyFrame(Message):
    """A frame that the gateway picked as a key frame, on its way to an edge."""

    gateway_id: str
    stream_id: str
    frame_id: int  # the id in the frame's strip, 0..65535
    style_id: str
    cut: bool  # whether it is the first of a new scene, so that nothing of the scene before applies
    picture: bytes  # JPEG, without the strip
    shared_by: str = ""  # the client that agreed to its use for training, and may withdraw it; "" if it did not
    consent: str = ""  # the token of that consent, see pipeline.queues.training_samples
    scene: int = 0  # the number of the scene in the stream, counted from 0
    picked_ms: int = 0  # by the gateway's own clock, so that only differences within a stream have a meaning

    def validate(self) -> None:
        if self.frame_id > MAX_FRAME_ID:
            raise BadMessage(f"KeyFrame: there is no frame {self.frame_id}.")


@dataclass(frozen=True, slots=True)
class StreamMemory(Message):
    """A stream's memory, with which any worker stylizes the stream's next key frame, and the frame it comes from."""

    style_id: str
    scene: int  # see KeyFrame
    picked_ms: int  # when the last key frame in it was picked, see KeyFrame
    shape: tuple[int, ...]  # see workers.serving.stream_states
    equations: bytes

    def suits(self, frame: KeyFrame) -> bool:
        """Return whether this key frame, by its scene, style and time, may be stylized with this memory."""
        is_same = (self.style_id, self.scene) == (frame.style_id, frame.scene)
        return is_same and (self.picked_ms <= frame.picked_ms or self.overtakes(frame))

    def overtakes(self, frame: KeyFrame) -> bool:
        """Return whether this memory comes from a key frame picked later, since two may be in flight at once."""
        return 0 < self.picked_ms - frame.picked_ms < redis_keys.KEY_FRAME_DEADLINE_MS

    def elapsed_s(self, frame: KeyFrame) -> float:
        """Return the time from the memory's last key frame to this one, or 0 if this one was picked earlier."""
        return max(0.0, (frame.picked_ms - self.picked_ms) / 1000)


@dataclass(frozen=True, slots=True)
class StylizedFrame(Message):
    """An edge's answer: a bilateral grid of colour transforms, or an error."""

    stream_id: str
    frame_id: int
    style_id: str
    edge_id: str
    model_version: str
    cut: bool
    grid_shape: tuple[int, ...]  # depth, rows, columns; () with an error
    grid: bytes  # packed, see pipeline.contract.grid_codec; only unpacking it shows whether it fits the shape
    decode_ms: float
    stylize_ms: float
    error: str  # one sentence, or "" if there is no error
    queue_ms: float = 0.0  # for how long the key frame waited in Redis, by Redis' own clock

    def validate(self) -> None:
        if not self.error:
            check_shape(self.grid_shape)
        if self.frame_id > MAX_FRAME_ID:
            raise BadMessage(f"StylizedFrame: there is no frame {self.frame_id}.")
        if max(self.decode_ms, self.stylize_ms, self.queue_ms) > MAX_STAGE_MS:
            raise BadMessage("StylizedFrame: no key frame takes that long.")


@dataclass(frozen=True, slots=True)
class PreviewPicture(Message):
    """A frame that a client wants to see in several styles, on its way to an edge."""

    MOST_STYLES: ClassVar[int] = 8

    gateway_id: str
    stream_id: str
    number: int  # of the request among those of the stream
    frame_id: int  # the id in the frame's strip
    style_ids: str  # with commas between them
    picture: bytes  # JPEG, without the strip

    @property
    def styles(self) -> list[str]:
        return self.style_ids.split(",")

    def validate(self) -> None:
        if self.frame_id > MAX_FRAME_ID or not 0 < len(self.styles) <= self.MOST_STYLES:
            raise BadMessage("PreviewPicture: its frame or the number of its styles is beyond what it may be.")


@dataclass(frozen=True, slots=True)
class PreviewGrids(Message):
    """An edge's answer to a PreviewPicture: the coarse grids of its styles, one below the other in one tall grid."""

    stream_id: str
    number: int  # as in the request
    frame_id: int
    style_ids: str  # with commas between them, in the order of their grids, without styles that are not known any more
    grid_shape: tuple[int, ...]  # depth, the rows of all grids together, columns
    grids: bytes  # packed, see pipeline.contract.grid_codec

    @property
    def styles(self) -> list[str]:
        return self.style_ids.split(",")

    def validate(self) -> None:
        _, rows, _ = check_shape(self.grid_shape)
        if self.frame_id > MAX_FRAME_ID or len(self.styles) > PreviewPicture.MOST_STYLES or rows % len(self.styles):
            raise BadMessage("PreviewGrids: its rows are not divided evenly among its styles.")


@dataclass(frozen=True, slots=True)
class TrainingSample(Message):
    """A key frame whose sender agreed to its use for training."""

    shared_by: str
    style_id: str
    picture: bytes  # JPEG
    consent: str = ""  # see KeyFrame


@dataclass(frozen=True, slots=True)
class RoleReport(Message):
    """A sign of life from a process of a role, with its gauges."""

    role: str
    gauges: bytes  # a JSON object of numbers by the names of samples

    def values(self) -> dict[str, float]:
        """Return the gauges by name. Raises ValueError or RecursionError if they are not JSON."""
        return json.loads(self.gauges)

    def validate(self) -> None:
        if len(self.gauges) > MAX_GAUGES_BYTES:
            raise BadMessage(f"RoleReport: {len(self.gauges)} bytes of gauges are more than a role has.")
        try:
            values = self.values()
        except (ValueError, RecursionError):
            raise BadMessage("RoleReport: its gauges are no JSON.") from None
        if not isinstance(values, dict) or len(values) > MAX_GAUGES:
            raise BadMessage("RoleReport: this is no table of gauges, or one of too many.")
        if not all(is_gauge(name, value) for name, value in values.items()):
            raise BadMessage("RoleReport: its gauges are no numbers.")


def is_gauge(name: str, value: object) -> bool:
    """Return whether a sample may be added to others and shown, which NaN, infinity and huge numbers may not."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MAX_GAUGE:
        return False
    return len(name) <= MAX_GAUGE_NAME and name.isprintable()


@dataclass(frozen=True, slots=True)
class WeightSnapshot(Message):
    """Describes weights on their way. The weights themselves travel separately, as a safetensors file in parts."""

    MAX_SIZE_BYTES: ClassVar[int] = 64 << 20

    edge_id: str  # the edge that made them, or CLOUD for a global model
    base_version: int  # the version of the global that an edge started from, or of the global itself
    num_examples: int  # how many images were used for training since then
    loss_before: float  # Eq. 5 on the maker's own pictures, with the base's weights
    loss_after: float  # Eq. 5 on the same pictures, with these weights
    size_bytes: int
    sha256: str
    published: int = 0  # a global's number in the order of all publications; an edge repeats its base's number
    signature: bytes = b""  # see pipeline.queues.signing

    @classmethod
    def of(
        cls,
        weights: bytes,
        *,
        edge_id: str,
        base_version: int,
        num_examples: int = 0,
        loss_before: float = 0.0,
        loss_after: float = 0.0,
        published: int = 0,
    ) -> Self:
        size_bytes, digest = len(weights), sha256(weights).hexdigest()
        return cls(edge_id, base_version, num_examples, loss_before, loss_after, size_bytes, digest, published)

    @property
    def part_count(self) -> int:
        return -(-self.size_bytes // MAX_BYTES)

    @property
    def model_version(self) -> str:
        """The version by which workers name these weights."""
        return self.sha256[:12]

    def validate(self) -> None:
        if not 0 < self.size_bytes <= self.MAX_SIZE_BYTES:
            raise BadMessage(f"WeightSnapshot: weights of {self.size_bytes} bytes cannot be ours.")
        if len(self.sha256) != 64 or set(self.sha256) - set("0123456789abcdef"):
            raise BadMessage("WeightSnapshot: its sha256 is not valid.")
        if self.base_version < 0:
            raise BadMessage(f"WeightSnapshot: there is no version {self.base_version}.")
