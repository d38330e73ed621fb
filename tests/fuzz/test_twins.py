"""The page's readers, in Node.js, and their Python twins agree on the corpus, and on changes to it."""

import json
import subprocess
from base64 import b64decode, b64encode
from pathlib import Path
from random import Random

import numpy as np
import pytest

import clients
from mutations import flipped, split
from pipeline.contract import frame_strip
from pipeline.contract.chunks import ChunkAssembler
from pipeline.contract.control import read_gateway_message
from pipeline.contract.errors import BadMessage
from pipeline.contract.grid_codec import unpack_grid
from replay import CORPUS
from support.browsers.node import node
from targets import TARGETS
from targets.grids import shape_and_body

PAGE = Path(clients.__file__).parent / "web"
#: Of each entry.
CHANGES = 12


def grid(data: bytes) -> str | None:
    shape, packed = shape_and_body(data)
    try:
        return coefficients(unpack_grid(packed, shape))
    except BadMessage:
        return None


def answers(data: bytes) -> list[list]:
    assembler, found = ChunkAssembler(), []
    for chunk in split(data):
        try:
            if joined := assembler.push(chunk):
                header, body = joined
                found.append(
                    [header["frame_id"], header.get("cut") is True, coefficients(unpack_grid(body, header.get("grid")))]
                )
        except BadMessage:
            continue
    return found


def words(data: bytes) -> list[dict | None]:
    found = []
    for line in data.split(b"\n")[:32]:
        try:
            found.append(json.loads(read_gateway_message(line.decode(errors="replace")).to_text()))
        except BadMessage:
            found.append(None)
    return found


def strip(data: bytes) -> list[int]:
    return frame_strip.strip_bits(int.from_bytes(data[:2].ljust(2, b"\0"))).tolist()


def coefficients(found: np.ndarray) -> str:
    return b64encode(found.tobytes()).decode()


def rounded(verdict: object) -> object:
    """The page keeps the floats that were sent, Python the halves next to them."""
    if isinstance(verdict, list):
        return [rounded(part) for part in verdict]
    if isinstance(verdict, str) and len(verdict) > 60:
        return coefficients(np.frombuffer(b64decode(verdict), np.float32).astype(np.float16))
    return verdict


TWINS = {"grid": grid, "chunks": answers, "answers": answers, "words": words, "strip": strip}


def inputs(name: str) -> list[bytes]:
    """The corpus, and changes to it, which are the same each time."""
    found = []
    for entry in sorted((CORPUS / name).iterdir()):
        data = entry.read_bytes()
        found.append(data)
        for seed in range(CHANGES):
            change = TARGETS[name].mutate if seed % 3 and TARGETS[name].mutate else flipped
            try:
                found.append(change(data, Random(seed)))
            except Exception:  # what has no grammar any more
                found.append(flipped(data, Random(seed)))
    return found


@pytest.mark.parametrize("name", TWINS)
def test_the_page_reads_what_python_reads_and_refuses_the_rest(name):
    data = inputs(name)
    asked = json.dumps([(name, b64encode(one).decode()) for one in data])

    run = subprocess.run(
        [node(), Path(__file__).with_name("twins.mjs"), PAGE], input=asked, capture_output=True, text=True, timeout=120
    )

    assert run.returncode == 0, run.stderr
    for one, theirs in zip(data, json.loads(run.stdout), strict=True):
        assert rounded(theirs) == TWINS[name](one), b64encode(one[:3000])
