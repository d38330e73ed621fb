"""The headless client with inputs and outputs that are no files, on the whole system."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from clients.media.clip import Clip, upright
from pipeline.styles.catalog import find_shipped
from support.pictures.clips import frames_of, make_clip, times_of
from support.services.video_servers import FfmpegServer, RtspCamera


def command(up, *options: str) -> list[str]:
    return [sys.executable, "-m", "workers", "client", up.url, "--style", "dusk", *options]


def test_a_stylized_camera_is_watched_through_a_pipe(up):
    """Its frames come while it runs, and at Ctrl-C the rest comes and the summary goes to standard error."""
    camera = RtspCamera()
    started = command(up, "--input", camera.url, "--output", "-")
    with subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as client:
        try:
            with av.open(client.stdout, format="matroska") as container:
                frames = container.decode(video=0)
                pictures = [frame.to_ndarray(format="rgb24") for frame, _ in zip(frames, range(150))]
                client.send_signal(signal.SIGINT)
                rest = sum(1 for _ in frames)
            said = client.stderr.read().decode()
        finally:
            client.kill()
            camera.close()

    summary = json.loads(said.splitlines()[-1])
    assert summary["frames"] >= summary["written_frames"] >= len(pictures) + rest > 0 and client.returncode == 0
    assert summary["key_frames"] >= 1 and find_shipped("dusk")
    first, last = (pictures[index].astype(float) for index in (0, -1))
    assert np.abs(first - last).mean() > 10, "the style has come meanwhile"


def test_a_camera_that_vanishes_leaves_what_was_recorded(up, tmp_path: Path):
    camera = RtspCamera()
    out = tmp_path / "out.mp4"
    started = command(up, "--input", camera.url, "--output", str(out), "--reconnect", "0")
    with subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
        try:
            while camera.sent < 250 and client.poll() is None:
                camera._over.wait(0.1)
            camera.break_off()
            said, complained = client.communicate(timeout=60)
        finally:
            client.kill()
            camera.close()

    assert len(frames_of(out)) >= 25, complained
    assert client.returncode == 0 and json.loads(said.splitlines()[-1])["written_frames"] >= 25


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="it needs the program ffmpeg")
def test_a_camera_that_comes_back_goes_on_in_the_same_video(up):
    server = FfmpegServer()
    started = command(up, "--input", server.url, "--output", "-")
    with subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as client:
        try:
            with av.open(client.stdout, format="matroska") as container:
                frames = container.decode(video=0)
                before = [frame.time for frame, _ in zip(frames, range(75))]
                server.kill()
                server.start()
                after = [frame.time for frame, _ in zip(frames, range(75))]
                client.send_signal(signal.SIGINT)
                rest = [frame.time for frame in frames]
            said = client.stderr.read().decode()
        finally:
            client.kill()
            server.kill()

    assert client.returncode == 0, said
    assert f"{server.url} has gone" in said and f"{server.url} is back" in said
    times_s = before + after + rest
    assert len(after) == 75 and times_s == sorted(times_s)
    assert "gateway is gone" not in said, "the connection was kept"


def test_a_file_is_looped_for_some_seconds_at_some_strength(up, tmp_path: Path):
    clip, out = make_clip(tmp_path / "in.mp4", frames=25, size=(320, 176), sound="aac"), tmp_path / "out.mp4"
    options = ("--input", str(clip), "--output", str(out), "--loop", "--seconds", "3", "--strength", "0")

    done = subprocess.run(command(up, *options), capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr
    times_s = times_of(out)
    assert times_s[-1] < 3 and len(times_s) == json.loads(done.stdout.splitlines()[-1])["written_frames"]
    assert np.allclose(np.diff(times_s), 0.04, atol=1e-3)
    with Clip(clip) as before, Clip(out) as after:
        first, again = next(before.frames()), list(after.frames())[50]
        assert np.abs(upright(first).astype(float) - upright(again)).mean() < 3, "round three begins"


def test_raw_frames_go_through_pipes_on_both_sides(up):
    pictures = np.full((50, 96, 128, 3), 90, np.uint8)
    raw = ("--input-format", "rgb24", "--input-size", "128x96", "--input-rate", "25", "--output-format", "rgb24")

    started = command(up, "--input", "-", "--output", "-", *raw)
    done = subprocess.run(started, input=pictures.tobytes(), capture_output=True, timeout=120)

    assert done.returncode == 0, done.stderr
    assert len(done.stdout) == pictures.nbytes
