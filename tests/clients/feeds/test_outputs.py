"""What names of outputs mean, and videos that programs of others read as they are written."""

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from clients.feeds.outputs import claimed, find_target
from clients.feeds.virtual_camera import VirtualCamera
from clients.media.clip import Clip, upright
from clients.media.writer import writing
from pipeline.contract.errors import BadSetting, MissingExtra, MVStylizerError
from support.missing import missing
from support.paths import ROOT
from support.pictures.clips import make_clip

WRITE = """
import sys, time
from clients.feeds.outputs import claimed, find_target
from clients.media.clip import Clip, upright
from clients.media.writer import usual_size, writing
with claimed(find_target(sys.argv[2], stream_format=sys.argv[3])) as target, Clip(sys.argv[1]) as clip:
    print("something that is no video")
    with writing(target, clip, usual_size(target, clip)) as output:
        began_s = time.monotonic()
        for frame in clip.frames(output.packet):
            if target.kind == "network":
                time.sleep(max(0, began_s + frame.time - time.monotonic()))
            output.write(upright(frame), frame)
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "in.mp4", frames=50, size=(128, 96), sound="aac")


def write(clip: Path, name: str, stream_format: str = "mkv", **options: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", WRITE, str(clip), name, stream_format]
    return subprocess.run(command, timeout=60, **{"capture_output": True, **options})


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.parametrize(("name", "muxer"), [
    ("-", "matroska"), ("a.mp4", "mp4"), ("RTMP://host/app/key", "flv"), ("srt://host:1", "mpegts"),
    ("rtsp://host/x", "rtsp"),
])  # fmt: skip
def test_each_place_has_its_container(name: str, muxer: str):
    container = find_target(name).container

    assert container and container.muxer == muxer


@pytest.mark.parametrize(("name", "sentence"), [
    ("out.avi", "must end in .mp4, .mov, .mkv or .webm"), ("http://host/x", "addresses of outputs start with rtmp://"),
    ("rtmp://", "names no host"), ("file:///etc/passwd", "cannot be written to"),
])  # fmt: skip
def test_what_means_nothing_is_said(name: str, sentence: str):
    with pytest.raises(BadSetting, match=sentence):
        find_target(name)


def test_a_stream_key_is_not_shown_where_it_is_a_password():
    assert find_target("rtmp://me:secret@host/app").name == "rtmp://***@host/app"


@pytest.mark.parametrize(("stream_format", "has_sound"), [("mkv", True), ("mp4", True), ("ts", True), ("y4m", False)])
def test_nothing_but_the_video_is_on_standard_output(clip: Path, stream_format: str, has_sound: bool):
    if not shutil.which("ffprobe"):
        missing("ffprobe")
    done = write(clip, "-", stream_format)

    command = ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-of", "json", "-"]
    probed = subprocess.run(command, input=done.stdout, capture_output=True, check=True)
    streams = json.loads(probed.stdout)["streams"]
    video = next(stream for stream in streams if stream["codec_type"] == "video")
    assert b"no video" in done.stderr and done.returncode == 0
    assert probed.stderr == b"" or stream_format == "mkv" and probed.stderr.count(b"\n") == 1  # "ended prematurely"
    assert (video["width"], video["height"], int(video["nb_read_frames"])) == (128, 96, 50)
    assert has_sound == any(stream["codec_type"] == "audio" for stream in streams)


@pytest.mark.parametrize("pixels", ["rgb24", "bgr24"])
def test_raw_frames_are_the_pixels_alone(clip: Path, pixels: str):
    done = write(clip, "-", pixels)
    found = np.frombuffer(done.stdout[: 50 * 96 * 128 * 3], np.uint8).reshape(50, 96, 128, 3)

    with Clip(clip) as source:
        wanted = np.stack([upright(frame) for frame in source.frames()])
    assert np.array_equal(found if pixels == "rgb24" else found[..., ::-1], wanted)


def test_frames_can_be_watched_while_they_are_written(tmp_path: Path):
    """One second after it was written, a frame has left, whatever comes later."""
    out, into = os.pipe()
    seen = threading.Event()

    def watch() -> None:
        options = {"analyzeduration": "1"}
        with open(out, "rb", buffering=0) as end, av.open(end, format="matroska", options=options) as container:
            next(container.decode(video=0))
            seen.set()
            for _ in container.decode(video=0):
                pass

    watcher = threading.Thread(target=watch, daemon=True)
    with Clip(make_clip(tmp_path / "in.mp4", frames=60, size=(128, 96))) as source:
        watcher.start()
        target = replace(find_target("-"), url=f"pipe:{into}")
        with writing(target, source, (128, 96)) as output:
            for index, frame in enumerate(source.frames()):
                output.write(upright(frame), frame)
                if index == 30:
                    assert seen.wait(30)
    os.close(into)
    watcher.join(30)


def test_a_reader_that_goes_away_is_said_in_a_sentence(clip: Path):
    out, into = os.pipe()
    os.close(out)
    done = write(clip, "-", stdout=into, stderr=subprocess.PIPE, capture_output=False)
    os.close(into)

    assert b"standard output cannot be written: Broken pipe" in done.stderr


def test_a_terminal_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)

    with pytest.raises(BadSetting, match="is a terminal"), claimed(find_target("-")):
        pass


@pytest.mark.parametrize(("scheme", "listen"), [
    ("rtmp", ["-listen", "1", "-f", "flv"]), ("rtsp", ["-rtsp_flags", "listen"]), ("srt", ["-f", "mpegts"]),
])  # fmt: skip
def test_a_service_in_the_network_gets_the_video(clip: Path, tmp_path: Path, port: int, scheme: str, listen: list[str]):
    """FFmpeg listens as the service, and copies what it gets to a file."""
    if not shutil.which("ffmpeg"):
        missing("ffmpeg")
    url, got = f"{scheme}://127.0.0.1:{port}" + ("/live/key" if scheme != "srt" else ""), tmp_path / "got.mkv"
    heard = f"{url}?mode=listener" if scheme == "srt" else url
    command = ["ffmpeg", "-v", "error", *listen, "-i", heard, "-c", "copy", str(got)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as service:
        try:
            for _ in range(50):  # until it listens
                done = write(clip, url)
                if b"Connection refused" not in done.stderr and b"Input/output error" not in done.stderr:
                    break
            assert done.returncode == 0, done.stderr
            service.wait(30)
        finally:
            service.kill()

    with av.open(str(got)) as container:
        assert container.streams.audio and container.streams.video[0].codec_context.width == 128
        assert sum(1 for _ in container.decode(video=0)) >= 20  # SRT drops what is late


def test_a_service_that_is_not_there_is_said_in_a_sentence(clip: Path):
    done = write(clip, "rtmp://127.0.0.1:1/live/key")

    assert b"rtmp://127.0.0.1:1/live/key cannot be written: Connection refused." in done.stderr


@pytest.mark.parametrize("command", ["video", "client"])
def test_a_service_that_takes_the_connection_and_says_nothing_can_be_left_by_ctrl_c(clip: Path, command: str):
    """FFmpeg waits for it while nothing else of Python runs."""
    with socket.create_server(("127.0.0.1", 0)) as service:
        url = f"rtmp://127.0.0.1:{service.getsockname()[1]}/live/key"
        given = {"video": [clip, url], "client": ["http://127.0.0.1:1", "--input", clip, "--output", url]}[command]
        client = subprocess.Popen([sys.executable, "-m", "workers", command, *given, "--style", "dusk"], cwd=ROOT)
        try:
            connection, _ = service.accept()
            with connection:
                assert connection.recv(1)  # the greeting, which gets no answer
                client.send_signal(signal.SIGINT)
                assert client.wait(10) == -signal.SIGINT
        finally:
            client.kill()
            client.wait()


class Backend:
    """A virtual camera of pyvirtualcam's that keeps what it gets."""

    frames: list[np.ndarray] = []

    def __init__(self, *, width: int, height: int, fps: float, fourcc: int, device: str | None, **_: object) -> None:
        self.shape, self.fps, self._device = (height, width, 3), fps, device or "made up"

    def send(self, frame: np.ndarray) -> None:
        self.frames.append(frame.reshape(self.shape).copy())

    def device(self) -> str:
        return self._device

    def native_fourcc(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Backend]]:
    camera = pytest.importorskip("pyvirtualcam.camera")
    monkeypatch.setattr(camera, "BACKENDS", {"kept": Backend})
    Backend.frames = []
    yield Backend


def test_a_virtual_camera_gets_every_picture(clip: Path, backend: type[Backend]):
    with Clip(clip) as source, writing(find_target("camera"), source, source.size) as output:
        pictures = [upright(frame) for frame in source.frames(output.packet)]
        for picture in pictures:
            output.write(picture, None)

    assert np.array_equal(np.stack(backend.frames), np.stack(pictures))


def test_without_a_virtual_camera_it_is_said_how_to_get_one():
    pytest.importorskip("pyvirtualcam")
    if list(Path("/dev").glob("video*")):
        pytest.skip("this machine has video devices")

    with pytest.raises(MVStylizerError, match="camera cannot be opened: .* modprobe v4l2loopback"):
        VirtualCamera(find_target("camera"), (64, 48), Fraction(25))


def test_without_pyvirtualcam_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)

    with pytest.raises(MissingExtra, match="pyvirtualcam must be installed") as raised:
        VirtualCamera(find_target("camera"), (64, 48), Fraction(25))
    assert raised.value.extra == "virtual-camera"


@pytest.mark.parametrize("stream_format", ["mkv", "mp4", "ts"])
def test_the_sound_of_a_transport_stream_goes_through_a_pipe(tmp_path: Path, stream_format: str):
    out, into = os.pipe()
    target = replace(find_target("-", stream_format=stream_format), url=f"pipe:{into}")
    with Clip(make_clip(tmp_path / "in.ts", sound="aac")) as clip, os.fdopen(out, "rb") as reader:
        with writing(target, clip, clip.size) as output:
            for frame in clip.frames(output.packet):
                output.write(upright(frame), frame)
        os.close(into)
        with av.open(io.BytesIO(reader.read())) as written:
            sounds = sum(1 for _ in written.decode(audio=0))

    assert sounds >= 10
