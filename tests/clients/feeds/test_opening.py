"""Real files, pipes and servers as inputs, the hostile and the silent among them."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from clients.feeds.inputs import Shape, find_input
from clients.feeds.pipes import PipeReader, has_index_first
from clients.media.clip import Clip, upright
from pipeline.contract.errors import BadSetting, MVStylizerError
from support.pictures.clips import frames_of, make_clip
from support.services.video_servers import RtspCamera, http_server

COUNT = """
import sys
from clients.media.clip import Clip
with Clip("-") as clip:
    print(clip.length, len(list(clip.frames())))
"""


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".avi"])
def test_standard_input_is_read_even_where_the_index_comes_last(tmp_path: Path, suffix: str):
    with (
        make_clip(tmp_path / f"in{suffix}", frames=30).open("rb") as file,
        subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE) as cat,
    ):
        count = subprocess.run([sys.executable, "-c", COUNT], stdin=cat.stdout, capture_output=True, text=True)

    assert count.stdout.split()[-1] == "30", count.stderr


def test_frames_of_a_pipe_come_before_its_end(tmp_path: Path):
    data, pipe = make_clip(tmp_path / "in.mkv", frames=200).read_bytes(), tmp_path / "pipe"
    os.mkfifo(pipe)
    seen = threading.Event()

    def send() -> None:
        with pipe.open("wb", buffering=0) as end:
            end.write(data[: len(data) * 3 // 4])
            assert seen.wait(30)
            end.write(data[len(data) * 3 // 4 :])

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    with Clip(pipe) as clip:
        frames = clip.frames()
        next(frames)
        seen.set()
        assert len(list(frames)) == 199
    sender.join()


def test_raw_frames_of_a_pipe_are_read(tmp_path: Path):
    pictures, pipe = np.random.default_rng(0).integers(0, 256, (5, 48, 64, 3), np.uint8), tmp_path / "pipe"
    os.mkfifo(pipe)
    sender = threading.Thread(target=lambda: pipe.write_bytes(pictures.tobytes()), daemon=True)
    sender.start()

    with Clip(find_input(pipe, Shape((64, 48), Fraction(10), "rgb24"))) as clip:
        frames = [(frame.time, upright(frame)) for frame in clip.frames()]
    sender.join()

    assert [time_s for time_s, _ in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert all(np.array_equal(found, sent) for (_, found), sent in zip(frames, pictures, strict=True))


@pytest.mark.parametrize("text", [
    "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.48,\nsecret.ts\n#EXT-X-ENDLIST\n",
    "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.48,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n",
    "ffconcat version 1.0\nfile secret.ts\n",
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S">'
    '<Period><AdaptationSet mimeType="video/mp2t"><Representation id="1" bandwidth="1"><BaseURL>secret.ts</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>",
])  # fmt: skip
def test_a_playlist_cannot_make_us_open_other_files_or_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
):
    make_clip(tmp_path / "secret.ts")
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        (tmp_path / "in.mp4").write_text(text.format(port=server.getsockname()[1]))

        with pytest.raises(BadSetting, match=r"in\.mp4 is not a readable video file"):
            Clip("in.mp4")

        server.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has connected
            server.accept()


def test_a_playlist_of_a_web_server_cannot_make_us_open_files(tmp_path: Path):
    secret = make_clip(tmp_path / "secret.ts")
    served = tmp_path / "served"
    served.mkdir()
    for name, text in {
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.48,\nfile://{secret}\n#EXT-X-ENDLIST\n",
        "list.ffconcat": f"ffconcat version 1.0\nfile file:{secret}\n",
    }.items():
        (served / name).write_text(text)
        with http_server(served) as url, pytest.raises(MVStylizerError, match="sends no video"):
            Clip(f"{url}/{name}")


def test_a_file_of_a_web_server_is_read_and_is_not_live(tmp_path: Path):
    make_clip(tmp_path / "in.mp4", frames=20)

    with http_server(tmp_path) as url, Clip(f"{url}/in.mp4") as clip:
        assert not clip.source.is_live and len(list(clip.frames())) == 20


def test_a_playlist_of_a_web_server_is_read(tmp_path: Path):
    make_clip(tmp_path / "a.ts", frames=20)
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.8,\na.ts\n#EXT-X-ENDLIST\n")

    with http_server(tmp_path) as url, Clip(f"{url}/list.m3u8") as clip:
        assert len(list(clip.frames())) == 20


@pytest.mark.parametrize(("name", "sentence"), [
    ("http://127.0.0.1:1/x", "cannot be opened: Connection refused"),
    ("rtsp://127.0.0.1:1/x", "cannot be opened: Connection refused"),
    ("rtmp://127.0.0.1:1/x", "cannot be opened: Connection refused"), ("{url}/none.mp4", "404 Not Found"),
    ("{url}/text.mp4", "sends no video that can be read"), ("/dev/video97", "camera 97 cannot be opened"),
])  # fmt: skip
def test_what_does_not_answer_is_said_in_a_sentence(tmp_path: Path, name: str, sentence: str):
    (tmp_path / "text.mp4").write_text("hello " * 1000)

    with http_server(tmp_path) as url, pytest.raises(MVStylizerError, match=sentence):
        Clip(name.format(url=url))


@pytest.mark.parametrize("scheme", ["http", "rtsp", "rtmp"])
def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch, scheme: str):
    monkeypatch.setattr("clients.feeds.opening.SILENCE_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(MVStylizerError, match="sent nothing for 1 s|sends no video"):
            Clip(f"{scheme}://127.0.0.1:{server.getsockname()[1]}/x")


def test_a_server_that_stops_in_the_middle_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("clients.feeds.opening.SILENCE_S", 1.0)
    data = make_clip(tmp_path / "in.ts", frames=100, size=(320, 240)).read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n\r\n" + data[: len(data) // 2])
            done.wait(30)
            connection.close()

        done = threading.Event()
        server_thread = threading.Thread(target=serve)
        server_thread.start()
        try:
            with Clip(f"http://127.0.0.1:{server.getsockname()[1]}/in.ts") as clip:
                assert clip.source.is_live
                with pytest.raises(MVStylizerError, match="sent nothing for 1 s"):
                    list(clip.frames())
        finally:
            done.set()
            server_thread.join()


@pytest.fixture
def camera() -> Iterator[RtspCamera]:
    found = RtspCamera()
    yield found
    found.close()


def test_an_rtsp_camera_is_live_and_its_frames_are_read(camera: RtspCamera):
    with Clip(camera.url) as clip:
        frames = list(islice(clip.frames(), 10))

    assert clip.source.is_live and clip.size == (320, 176)
    assert len({frame.pts for frame in frames}) == 10 and frames[0].time < 1


def test_a_camera_that_falls_silent_is_given_up(camera: RtspCamera, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("clients.feeds.opening.SILENCE_S", 1.0)
    with Clip(camera.url) as clip:
        camera.fall_silent()

        with pytest.raises(MVStylizerError, match=f"{camera.url} sent nothing for 1 s"):
            list(clip.frames())


def test_a_camera_that_breaks_off_ends_the_clip(camera: RtspCamera):
    with Clip(camera.url) as clip:
        camera.break_off()

        assert len(list(clip.frames())) >= 1


def test_too_large_frames_are_refused_before_they_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("clients.media.source.MOST_PIXELS", 64 * 48)
    assert len(frames_of(make_clip(tmp_path / "fits.mp4", size=(64, 48), frames=2))) == 2

    with pytest.raises(BadSetting, match="has 64x50 pixels a frame"):
        Clip(make_clip(tmp_path / "large.mp4", size=(64, 50), frames=2))


def test_closing_a_pipe_ends_a_read_that_waits():
    out, into = os.pipe()
    reader = PipeReader(out, "a pipe")
    found: list[bytes] = []
    waiting = threading.Thread(target=lambda: found.append(reader.read(100)))
    waiting.start()
    time.sleep(0.05)

    reader.close()
    waiting.join(10)

    assert found == [b""]
    reader.release()
    os.close(into)


def box(kind: bytes, size: int = 16) -> bytes:
    return size.to_bytes(4, "big") + kind + bytes(size - 8)


@pytest.mark.parametrize(("head", "expected"), [
    (b"", None), (box(b"ftyp"), None), (box(b"ftyp") + box(b"moov", 100), True), (b"\x1aE\xdf\xa3" + bytes(20), True),
    (box(b"ftyp") + box(b"free", 8) + box(b"mdat", 50), False), (box(b"wide", 8) + box(b"mdat", 20), False),
    (box(b"free", 8) * 3, None), (box(b"ftyp") + box(b"moof"), True),
])  # fmt: skip
def test_an_mp4_file_says_at_its_beginning_where_its_index_is(head: bytes, expected: bool | None):
    assert has_index_first(head) is expected
