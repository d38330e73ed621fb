"""A live source that goes away is opened again; FFmpeg serves it, and is killed and started again."""

import shutil
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from clients.headless import absence
from clients.headless.returning import returning
from clients.media.clip import Clip
from pipeline.contract.errors import MVStylizerError
from support.pictures.clips import make_clip
from support.services.video_servers import FfmpegServer, RtspCamera, endless_server

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="it needs the program ffmpeg")


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(absence, "FIRST_PAUSE_S", 0.1)
    monkeypatch.setattr(absence, "LAST_PAUSE_S", 0.2)
    monkeypatch.setattr("clients.feeds.opening.SILENCE_S", 5.0)


@pytest.fixture
def server() -> Iterator[FfmpegServer]:
    found = FfmpegServer()
    yield found
    found.kill()


def test_a_server_that_was_killed_and_started_again_goes_on_in_the_same_video(server: FfmpegServer, caplog):
    packets = []
    with Clip(server.url) as clip:
        frames = returning(clip, packets.append, threading.Event())
        before = list(islice(frames, 20))
        server.kill()
        server.start()
        after = list(islice(frames, 100))

    times_s = [frame.time for frame in before + after]
    assert times_s == sorted(times_s) and {frame.time_base for frame in after} == {clip.time_base}
    assert max(late - early for early, late in zip(times_s, times_s[1:])) < 5
    said = [record.message for record in caplog.records if server.url in record.message]
    assert [message.removeprefix(server.url)[:9] for message in said] == [" has gone", " is back"]
    sound_s = [float(packet.dts * packet.time_base) for packet in packets if packet.dts is not None]
    assert sound_s[-1] > times_s[20] and sound_s == sorted(sound_s)


def test_a_server_that_does_not_come_back_is_given_up(server: FfmpegServer):
    with Clip(server.url) as clip:
        frames = returning(clip, lambda packet: None, threading.Event(), patience_s=0.5)
        next(frames)
        server.kill()

        with pytest.raises(MVStylizerError, match=f"{server.url} has gone, and did not come back: .*refused"):
            list(frames)


def test_a_server_that_ends_as_soon_as_it_is_back_is_given_up(tmp_path: Path):
    """Its patience does not begin anew each time, so that it is not opened twice a second for ever."""
    make_clip(tmp_path / "short.ts", frames=5)
    with endless_server(tmp_path / "short.ts") as (url, requests), Clip(url) as clip:
        assert clip.source.may_return

        with pytest.raises(MVStylizerError, match=f"{url} has gone, and ends again each time that it is back"):
            list(islice(returning(clip, lambda packet: None, threading.Event(), patience_s=1.0), 100))

    assert len(requests) < 12


@pytest.mark.parametrize("end", [RtspCamera.break_off, RtspCamera.fall_silent])
def test_a_camera_that_has_gone_is_not_waited_for_when_nobody_watches(
    end: Callable[[RtspCamera], None], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("clients.feeds.opening.SILENCE_S", 1.0)
    camera, ended = RtspCamera(), threading.Event()
    try:
        with Clip(camera.url) as clip:
            frames = returning(clip, lambda packet: None, ended)
            next(frames)
            end(camera)
            ended.set()

            assert all(frame.time < 60 for frame in frames)
    finally:
        camera.close()
