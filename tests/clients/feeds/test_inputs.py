"""What names of inputs mean, and what FFmpeg may open for them."""

from fractions import Fraction
from pathlib import Path

import pytest

from clients.feeds.inputs import Shape, find_input
from pipeline.contract.errors import BadSetting

RAW = Shape((64, 48), Fraction(25), "rgb24")


@pytest.mark.parametrize(("name", "protocols", "is_live"), [
    ("rtsp://camera/1", {"rtsp", "rtp", "udp", "tcp"}, True), ("rtmp://host/app/key", {"rtmp", "tcp"}, True),
    ("http://host/a.mp4", {"http", "https", "tcp", "tls", "crypto"}, None), ("udp://239.0.0.1:5000", {"udp"}, True),
    ("HTTPS://host/a.m3u8", {"http", "https", "tcp", "tls", "crypto"}, None),
])  # fmt: skip
def test_an_address_opens_its_own_protocols_only(name: str, protocols: set[str], is_live: bool | None):
    place = find_input(name)

    assert place.kind == "network" and place.is_live is is_live
    assert set(place.options["protocol_whitelist"].split(",")) == protocols
    assert not protocols & {"file", "concat", "subfile", "data", "fd", "pipe"}


def test_a_cameras_password_is_not_shown():
    place = find_input("rtsp://me:secret@camera/1")

    assert place.name == "rtsp://***@camera/1" and place.url == "rtsp://me:secret@camera/1"


@pytest.mark.parametrize(("name", "shape", "sentence"), [
    ("gopher://host/x", Shape(), "is neither a file nor an address that starts with"),
    ("concat:a.ts|b.ts", Shape(), "is not a file"), ("file:///etc/passwd", Shape(), "is neither a file nor"),
    ("rtsp://", Shape(), "names no host"), ("-", Shape(pixels="rgb24"), "need --input-size and --input-rate"),
    ("-", Shape(size=(1, 1)), "name --input-format, too"), ("rtsp://h/x", RAW, "from a pipe only"),
    ("camera:0", RAW, "a camera says itself"),
])  # fmt: skip
def test_what_means_nothing_is_said(name: str, shape: Shape, sentence: str):
    with pytest.raises(BadSetting, match=sentence):
        find_input(name, shape)


@pytest.mark.parametrize("name", ["camera:2", "/dev/video2"])
def test_cameras_are_opened_as_the_systems_devices(monkeypatch: pytest.MonkeyPatch, name: str):
    shape = Shape((1280, 720), Fraction(30))

    monkeypatch.setattr("sys.platform", "linux")
    linux = find_input(name, shape)
    monkeypatch.setattr("sys.platform", "darwin")
    mac = find_input(name, shape)
    monkeypatch.setattr("sys.platform", "sunos5")
    with pytest.raises(BadSetting, match="pipe one in"):
        find_input(name, shape)

    assert (linux.format, linux.url, mac.format, mac.url) == ("v4l2", "/dev/video2", "avfoundation", "2:none")
    assert linux.options == {"video_size": "1280x720", "framerate": "30"} and linux.is_live


def test_a_file_whose_name_looks_like_an_address_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rtsp:" / "x").mkdir(parents=True)
    (tmp_path / "rtsp:" / "x" / "a.mp4").touch()

    assert find_input("rtsp://x/a.mp4").kind == "file"
