"""`mvstylizer lut`, and what FFmpeg makes of its tables. The model here gives one made-up look."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clients.reassembly.grid import IDENTITY, apply_grid, blend_grids
from pipeline.styles.catalog import find_shipped
from support.browsers.node import node
from support.missing import missing
from support.paths import WEB
from support.pictures.grids import make_grid
from workers.__main__ import main
from workers.luts import lut
from workers.luts.lut_files import cube_file, lattice, recoloured

RANDOM = np.random.default_rng(0)
#: Blue shadows, warm lights and clipped white: a strong look whose transforms differ from layer to layer.
LOOK = np.tile(IDENTITY, (1, 8, 1, 1, 1)).astype(np.float32)
LOOK[:, :, 0, 0, 3] += np.linspace([0.0, 0.03, 0.16], [0.12, 0.02, -0.1], 8).T
LOOK[:, :, 0, 0, :3] *= np.linspace(1.1, 0.95, 8)[:, None]
LOOK[0, :, 0, 0, 1] = 0.08
LOOK = LOOK.astype(np.float16)
#: All colours, in soft transitions.
PHOTO = np.asarray(Image.fromarray(RANDOM.integers(0, 256, (9, 16, 3), np.uint8)).resize((320, 180), Image.BICUBIC))
FILTERS = {".cube": ["-vf", "lut3d=look.cube"], ".png": ["-i", "look.png", "-filter_complex", "haldclut"]}


class OneLook:
    def style(self, image: np.ndarray, mood: float) -> float:
        return mood

    def global_look(self, content: np.ndarray, style: float) -> np.ndarray:
        return blend_grids(IDENTITY, LOOK, style)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lut, "load_stylizer", lambda *_: OneLook())
    Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    return tmp_path


def by_ffmpeg(suffix: str) -> np.ndarray:
    """The photo as FFmpeg draws it with the table look.cube or look.png."""
    if not shutil.which("ffmpeg"):
        missing("ffmpeg")
    command = ["ffmpeg", "-v", "error", "-i", "photo.png", *FILTERS[suffix], "-pix_fmt", "rgb24", "out.png"]
    subprocess.run(command, check=True)
    return np.asarray(Image.open("out.png"))


def psnr_db(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.square(a.astype(float) - b).mean())


@pytest.mark.parametrize("suffix", FILTERS)
def test_ffmpeg_draws_with_the_table_what_we_draw_with_the_grid(folder: Path, suffix: str):
    main(["lut", "photo.png", "dusk", f"look{suffix}", "--mood", "1"])

    assert psnr_db(by_ffmpeg(suffix), apply_grid(PHOTO, LOOK)) > 50


@pytest.mark.parametrize("suffix", FILTERS)
def test_the_table_has_the_strength_that_was_asked_for(folder: Path, suffix: str):
    main(["lut", "photo.png", "dusk", f"look{suffix}", "--strength", "0.4", "--mood", "1"])

    assert psnr_db(by_ffmpeg(suffix), apply_grid(PHOTO, LOOK, strength=0.4)) > 50


def test_the_table_has_the_mood_that_was_asked_for(folder: Path):
    main(["lut", "photo.png", "dusk", "look.cube", "--mood", "0.4"])

    assert psnr_db(by_ffmpeg(".cube"), apply_grid(PHOTO, LOOK, strength=0.4)) > 50


def test_a_shipped_style_is_taken_with_the_mood_that_suits_it(folder: Path):
    main(["lut", "photo.png", "dusk", "look.cube"])

    assert psnr_db(by_ffmpeg(".cube"), apply_grid(PHOTO, LOOK, strength=find_shipped("dusk").mood)) > 50


def test_a_table_is_what_apply_grid_does():
    colours = PHOTO.reshape(-1, 3) / 255

    assert np.abs(recoloured(colours, LOOK) * 255 - apply_grid(PHOTO, LOOK).reshape(-1, 3)).max() <= 0.501


def test_red_varies_fastest_and_the_ends_are_black_and_white():
    assert lattice(3)[[0, 1, 3, 9, -1]].tolist() == [[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5], [1, 1, 1]]


def test_a_cube_has_a_title_its_size_and_a_line_per_colour_in_0_to_1():
    title, size, *lines = cube_file(blend_grids(IDENTITY, LOOK, 1.0), 'a "look"').decode().splitlines()

    values = np.array([line.split() for line in lines], float)
    assert (title, size) == ("TITLE \"a 'look'\"", "LUT_3D_SIZE 33")
    assert values.shape == (33**3, 3) and values.min() >= 0 and values.max() <= 1


def test_it_says_what_it_wrote_and_what_a_lut_loses(folder: Path, capsys: pytest.CaptureFixture):
    main(["lut", "photo.png", "dusk", "look.cube"])

    assert capsys.readouterr().out == f"look.cube: 33x33x33 colours. {lut.LOST}\n"


#: Reads a grid and the weights of its cells, and prints the page's reduction of it to one place, and its table.
IN_NODE = f"""
import {{ cubeText, globalGrid, pixelCounts }} from '{(WEB / "render" / "lut.js").as_uri()}';
const {{ shape, coefficients, picture }} = JSON.parse(await new Response(process.stdin).text());
const reduced = globalGrid({{ shape, coefficients }}, pixelCounts(picture, shape));
console.log(JSON.stringify([[...reduced.coefficients], cubeText(reduced, 'a "look"')]));
"""


def test_the_page_writes_the_same_table_for_its_own_reduction_of_a_grid():
    grid, lumas = make_grid((3, 2, 4)), np.array([[0, 40, 110, 200], [0, 40, 255, 255]])
    levels = np.clip(lumas / 255 * 3 - 0.5, 0, 2)
    weights = np.maximum(0, 1 - np.abs(levels - np.arange(3)[:, None, None])) + 0.01 / 3
    picture = {"data": np.repeat(lumas.ravel(), 4).tolist(), "width": 4, "height": 2}
    asked = {"shape": grid.shape[1:4], "coefficients": grid.astype(float).ravel().tolist(), "picture": picture}
    command = [node(), "--input-type=module", "--eval", IN_NODE]
    answer = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=True).stdout

    reduced, table = json.loads(answer)

    look = np.array(reduced, np.float32).reshape(3, 3, 1, 1, 4)
    mean = (grid.astype(float) * weights[..., None]).sum((2, 3)) / weights.sum((1, 2))[:, None]
    ours, theirs = (text.splitlines() for text in (cube_file(look, 'a "look"').decode(), table))
    assert np.abs(look[:, :, 0, 0] - mean).max() < 1e-6
    assert theirs[:2] == ours[:2]
    assert np.abs(np.loadtxt(theirs[2:]) - np.loadtxt(ours[2:])).max() < 2e-6


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["look.jpg"], "look.jpg must end in .cube or .png."),
        (["photo.png"], "photo.png exists; --force replaces it."),
        (["look.cube", "--strength", "2"], "--strength must be 0 to 1, not 2.0."),
    ],
)
def test_a_wrong_argument_is_refused_with_a_sentence(
    folder: Path, capsys: pytest.CaptureFixture, command: list[str], sentence: str
):
    with pytest.raises(SystemExit):
        main(["lut", "photo.png", "dusk", *command])

    assert sentence in capsys.readouterr().err
