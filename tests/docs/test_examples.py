"""The example script and the notebook run, and do what the page says of them."""

import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from edge.any_model.fitted import FittedStylizer
from support.missing import missing
from support.paths import ROOT
from support.pictures.clips import frames_of, make_clip

FOLDER = ROOT / "docs" / "how-to"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("own_model", FOLDER / "own_model.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_in_the_page_is_what_the_script_draws(example: ModuleType, tmp_path: Path):
    example.main(str(tmp_path / "out.jpg"))

    drawn, shown = (cv2.imread(str(path)).astype(float) for path in (tmp_path / "out.jpg", ROOT / "docs/own-model.jpg"))
    assert np.abs(drawn - shown).mean() < 3
    photo, dusk, own = np.split(shown, 3, axis=1)
    assert np.abs(photo - dusk).mean() > 10 < np.abs(photo - own).mean()


@pytest.mark.parametrize("loop", ["opencv", "ffmpeg"])
def test_the_loops_stylize_every_frame(example: ModuleType, tmp_path: Path, loop: str):
    if not shutil.which("ffmpeg"):
        missing("ffmpeg")
    source, out = make_clip(tmp_path / "in.mp4", frames=25), tmp_path / "out.mp4"
    stylizer = FittedStylizer(example.CrossProcess())

    if loop == "opencv":
        count = example.stylize_with_opencv(str(source), str(out), stylizer, None)
    else:
        count = example.stylize_with_ffmpeg(str(source), str(out), (64, 48), stylizer, None)

    before, after = frames_of(source), frames_of(out)
    assert count == len(after) == 25
    wanted, _ = example.CrossProcess().follow(before[12], None, None, elapsed_s=0.0)
    distances = [np.abs(frames[12].astype(float) - wanted).mean() for frames in (before, after)]
    assert distances[1] < 0.6 * distances[0]


def test_the_notebook_runs_from_its_first_cell_to_its_last():
    notebook = json.loads((FOLDER / "own_model.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names: dict[str, object] = {}

    for cell in cells:
        exec(compile(cell, "own_model.ipynb", "exec"), names)

    assert len(cells) == 6 and names["grid"].shape[0] == 3 and len(names["looks"]) == 4
