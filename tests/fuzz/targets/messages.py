"""What comes from Redis: msgpack messages, reports of roles."""

import json
import math
from random import Random

import msgpack
from prometheus_client import generate_latest
from prometheus_client.registry import CollectorRegistry

from harness import Finding, Target
from mutations import ODD_TEXTS, ODD_VALUES, flipped, records, tree
from pipeline.contract.chunks import ChunkAssembler, to_chunks
from pipeline.contract.errors import BadMessage
from pipeline.contract.messages import (
    VERSION,
    KeyFrame,
    Message,
    PreviewGrids,
    PreviewPicture,
    RoleReport,
    StylizedFrame,
    TrainingSample,
    WeightSnapshot,
)
from pipeline.monitoring.metrics_push import PushedMetrics, RoleCollector

KINDS: tuple[type[Message], ...] = (
    KeyFrame,
    StylizedFrame,
    TrainingSample,
    RoleReport,
    WeightSnapshot,
    PreviewPicture,
    PreviewGrids,
)
#: msgpack has no larger numbers.
PACKABLE = [value for value in ODD_VALUES if type(value) is not int or abs(value) < 2**63] + [2**64 - 1, -(2**63)]


def unpack(data: bytes) -> None:
    """At most one kind accepts it, and that says the same again."""
    accepted = [message for kind in KINDS if (message := _unpacked(kind, data))]
    if len(accepted) > 1:
        raise Finding(f"is {' and '.join(type(message).__name__ for message in accepted)}")
    for message in accepted:
        again = type(message).unpack(message.pack())
        if repr(again) != repr(message):  # of NaN, too
            raise Finding(f"{type(message).__name__} is another one when packed again")
        if isinstance(message, StylizedFrame) and not message.error:
            _goes_to_the_client(message)
        if isinstance(message, WeightSnapshot) and not 0 < message.part_count <= 64:
            raise Finding(f"a snapshot of {message.part_count} parts")


def _unpacked(kind: type[Message], data: bytes) -> Message | None:
    try:
        return kind.unpack(data)
    except BadMessage:
        return None


def _goes_to_the_client(answer: StylizedFrame) -> None:
    """Whatever answer is accepted, the client joins its header and its body."""
    assembler, joined = ChunkAssembler(), None
    for chunk in reversed(to_chunks(7, answer)):
        joined = assembler.push(chunk)
    if joined is None or joined[1] != answer.grid or joined[0]["frame_id"] != answer.frame_id:
        raise Finding("an answer that the client cannot join")


def report(data: bytes) -> None:
    """A role's gauges are numbers, and what a gateway shows of them is text that Prometheus reads."""
    try:
        gauges = RoleReport.unpack(RoleReport("stylize", data).pack()).values()
    except BadMessage:
        return
    if not all(math.isfinite(value) for value in gauges.values()):
        raise Finding("a gauge that is no number")
    roles, registry = RoleCollector(), CollectorRegistry()
    roles.pushed = PushedMetrics(gauges=gauges)
    registry.register(roles)
    generate_latest(registry)


def _message(data: bytes, rng: Random) -> bytes:
    version, name, values = msgpack.unpackb(data)
    if rng.random() < 0.9:
        return msgpack.packb([VERSION, name, tree(values, rng, PACKABLE)])
    return msgpack.packb(tree([version, name, values], rng, PACKABLE))


def as_json(data: bytes, rng: Random) -> bytes:
    if rng.random() < 0.1:
        return rng.choice((b"[", b'{"a":')) * rng.choice((10, 5000)) + data
    return json.dumps(tree(json.loads(data), rng)).encode() if rng.random() < 0.9 else flipped(data, rng)


def text(data: bytes, rng: Random) -> bytes:
    try:
        return as_json(data, rng)
    except ValueError:
        return flipped(data, rng)


def of_lines(data: bytes, rng: Random) -> bytes:
    found = records(data.split(b"\n"), rng, text)
    if rng.random() < 0.1:
        found.append(json.dumps({"type": "style", "style": rng.choice(ODD_TEXTS)}).encode("utf8", "surrogatepass"))
    return b"\n".join(found)


MESSAGES = Target("messages", unpack, _message, max_bytes=64 * 1024)
REPORT = Target("report", report, as_json)
