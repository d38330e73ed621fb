"""A network of the user's in the place of model grid, on the whole system."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from clients.media.clip import Clip, upright
from support.browsers.chromium import write_panned_photo
from support.models.onnx_networks import colour_network
from support.system.up import Up


def frames(path: Path) -> list[np.ndarray]:
    with Clip(path) as clip:
        return [upright(frame).astype(float) for frame in clip.frames()]


def test_a_network_from_picture_to_picture_is_served_live(tmp_path: Path):
    """It swaps red and blue and dims green; the video shows that at the camera's rate and resolution."""
    clip, out = write_panned_photo(tmp_path / "pan.y4m", frames=120), tmp_path / "out.mp4"
    network = colour_network(tmp_path / "net.onnx")
    up = Up(tmp_path / "up", "--stylizer", f"onnx:{network}", environment=dict(os.environ))
    try:
        up.wait_ready()
        options = ["--input", str(clip), "--style", "dusk", "--output", str(out)]
        client = [sys.executable, "-m", "workers", "client", up.url, *options]
        done = subprocess.run(client, capture_output=True, text=True, timeout=200)
    finally:
        up.stop()

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["stylized_frames"] > 30
    before, after = frames(clip)[-1], frames(out)[-1]
    wanted = before[..., ::-1] * np.array([1, 0.5, 1])
    assert np.abs(after - wanted).mean() < 0.35 * np.abs(before - wanted).mean()


def test_a_network_that_cannot_be_read_is_said_in_a_sentence(tmp_path: Path):
    up = Up(tmp_path / "up", "--stylizer", "onnx:none.onnx", environment=dict(os.environ))
    try:
        up.process.wait(120)
    finally:
        up.stop()

    assert up.process.returncode == 2
    assert "--stylizer onnx:none.onnx: none.onnx is not a file." in up.log.read_text()
