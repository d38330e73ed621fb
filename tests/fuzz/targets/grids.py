"""What a gateway sends a client: chunks, their headers, packed grids."""

import json
import struct
import zlib
from random import Random

import numpy as np

from clients.net.connection import Connection
from harness import Finding, Target, in_loop
from mutations import flipped, number, of_records, split
from pipeline.contract.chunks import CHUNK_BYTES, MAX_CHUNKS, MAX_PARTIAL, ChunkAssembler
from pipeline.contract.control import GatewayMessage, read_gateway_message
from pipeline.contract.errors import BadMessage
from pipeline.contract.grid_codec import MAX_SIDE, check_shape, pack_grid, unpack_grid
from targets.messages import of_lines

_SHAPE = struct.Struct("!bbb")


def grid(data: bytes) -> None:
    """Three sides, then the packed grid, which is refused or of that shape, and packs and unpacks to itself."""
    shape, packed = shape_and_body(data)
    try:
        found = unpack_grid(packed, shape)
    except BadMessage:
        return
    if found.shape != (3, *shape, 4) or found.dtype != np.float16 or not (np.abs(found) <= 32).all():
        raise Finding(f"a grid of {found.dtype} {found.shape}, up to {np.abs(found).max()}")
    if not np.array_equal(unpack_grid(pack_grid(found), shape), found):
        raise Finding("a grid that is another one when packed again")


def shape_and_body(data: bytes) -> tuple[list[int], bytes]:
    return list(_SHAPE.unpack(data[:3].ljust(3, b"\0"))), data[3:]


def _grid(data: bytes, rng: Random) -> bytes:
    """Other numbers, rightly deflated; or another shape; or too much."""
    shape, body = data[:3], data[3:]
    match rng.randrange(4):
        case 0:
            return bytes(rng.choice((0, 1, 2, MAX_SIDE, MAX_SIDE + 1, 127, 255)) for _ in range(3)) + body
        case 1:
            return shape + zlib.compress(bytes(min(number(rng) % 2**24, 2**22)), 9)
        case _:
            return shape + zlib.compress(flipped(zlib.decompress(body), rng)) + (b"\0" if rng.random() < 0.1 else b"")


def chunks(data: bytes) -> None:
    """Any chunks: each is refused, kept or the last of a message; few are kept."""
    assembler = ChunkAssembler()
    for chunk in split(data, most=4 * MAX_CHUNKS):
        try:
            joined = assembler.push(chunk)
        except BadMessage:
            continue
        if joined and not (isinstance(joined[0], dict) and isinstance(joined[1], bytes)):
            raise Finding(f"a message of {type(joined[0]).__name__} and {type(joined[1]).__name__}")
        if len(assembler._partial) > MAX_PARTIAL:
            raise Finding(f"{len(assembler._partial)} unfinished messages")
    kept = sum(len(part) for parts in assembler._partial.values() for part in parts if part)
    if kept > MAX_PARTIAL * MAX_CHUNKS * CHUNK_BYTES:
        raise Finding(f"{kept} bytes kept")


async def answers(data: bytes) -> None:
    """What the headless client does with chunks: grids come out, and headers that name them."""
    found: list[tuple[dict, np.ndarray]] = []
    client = Connection("http://gateway", on_grid=lambda *one: found.append(one), on_control=lambda message: None)
    for chunk in split(data):
        client._read_chunk(chunk)
    client._silence and client._silence.cancel()
    for header, picture in found:
        if picture.shape != (3, *check_shape(header["grid"]), 4):
            raise Finding(f"a grid of {picture.shape} for {header['grid']}")


async def words(data: bytes) -> None:
    """What the headless client does with words of its gateway."""
    heard: list[object] = []
    client = Connection("http://gateway", on_grid=lambda *one: None, on_control=heard.append)
    for line in data.split(b"\n")[:32]:
        client._read_control(line.decode("utf8", "replace"))
    client._silence and client._silence.cancel()
    for message in heard:
        if not isinstance(message, GatewayMessage) or read_gateway_message(message.to_text()) != message:
            raise Finding("a control message that is none, or another one when it is said again")


def _chunk(data: bytes, rng: Random) -> bytes:
    """Another number of message, part or parts; or another header, of the right length."""
    if len(data) < 12:
        return flipped(data, rng)
    at, form = rng.choice(((0, "!I"), (4, "!H"), (6, "!H"), (8, "!I")))
    if rng.random() < 0.5:
        packed = struct.pack(form, number(rng) % 2 ** (8 * struct.calcsize(form)))
        return data[:at] + packed + data[at + len(packed) :]
    (length,) = struct.unpack_from("!I", data, 8)
    header = json.loads(data[12 : 12 + length])
    header[rng.choice(list(header))] = rng.choice((None, -1, [], [1], [64, 64, 64], "", 2**53, {"a": 1}, [1.5, 1, 1]))
    text = json.dumps(header).encode()
    return data[:8] + struct.pack("!I", len(text)) + text + data[12 + length :]


GRID = Target("grid", grid, _grid, max_bytes=64 * 1024)
CHUNKS = Target("chunks", chunks, of_records(_chunk), max_bytes=64 * 1024)
ANSWERS = Target("answers", in_loop(answers), of_records(_chunk), max_bytes=64 * 1024)
WORDS = Target("words", in_loop(words), of_lines, max_bytes=8 * 1024)
