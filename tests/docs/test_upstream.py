"""The patches in the documentation apply to the installed aiortc, and do what they promise."""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import aiortc
import pytest
from aiortc.rtp import RtpPacket

from support.paths import ROOT

PATCHES = re.findall(r"^```diff\n(.*?)^```", (ROOT / "docs/explanation/upstream.md").read_text(), re.S | re.M)


@pytest.fixture(scope="module")
def patched_aiortc(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("upstream")
    shutil.copytree(Path(aiortc.__file__).parent, folder / "aiortc")
    for patch in PATCHES:
        text = re.sub(r"(?m)^$", " ", patch.removesuffix("\n")) + "\n"  # editors remove the space in an empty line
        subprocess.run(["git", "apply", "-p1"], input=text, text=True, cwd=folder, check=True)
    return folder / "aiortc"


def module(folder: Path, name: str) -> ModuleType:
    """A patched file, beside aiortc's own modules."""
    spec = importlib.util.spec_from_file_location(f"aiortc.patched_{name}", folder / f"{name}.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_a_parameter_of_length_zero_is_an_error(patched_aiortc):
    sctp = module(patched_aiortc, "rtcsctptransport")

    for body in (b"\0\1\0\0", b"\0\1\0\3abcd", b"\0\1\0\x09abcd"):
        with pytest.raises(ValueError):
            sctp.decode_params(body)
    assert sctp.decode_params(sctp.encode_params([(1, b"abc"), (2, b"")])) == [(1, b"abc"), (2, b"")]


def packet(number: int, timestamp: int, data: bytes, marker: bool = False) -> RtpPacket:
    made = RtpPacket(sequence_number=number % 65536, timestamp=timestamp, marker=int(marker))
    made._data = data
    return made


def released(buffer: object, packets: list[RtpPacket]) -> list[bytes | None]:
    frames = [buffer.add(packet)[1] for packet in packets]
    return [frame and frame.data for frame in frames]


def test_a_frame_is_released_with_its_mark_and_padding_never(patched_aiortc):
    buffer = module(patched_aiortc, "jitterbuffer").JitterBuffer(capacity=16, is_video=True)
    packets = [packet(65_534, 0, b"a"), packet(65_535, 0, b"b", marker=True), packet(0, 0, b""), packet(1, 0, b"")]

    assert released(buffer, packets) == [None, b"ab", None, None]
    assert released(buffer, [packet(2, 3000, b"c", marker=True)]) == [b"c"]


def test_without_marks_and_for_sound_all_is_as_before(patched_aiortc):
    jitter = module(patched_aiortc, "jitterbuffer")
    unmarked = [packet(number, 3000 * number, b"x") for number in range(3)]
    sound = [packet(number, 960 * number, b"x", marker=True) for number in range(6)]

    assert released(jitter.JitterBuffer(capacity=16, is_video=True), unmarked) == [None, b"x", b"x"]
    assert released(jitter.JitterBuffer(capacity=16, prefetch=4), sound) == [None] * 4 + [b"x"] * 2
