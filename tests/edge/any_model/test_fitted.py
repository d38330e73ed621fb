"""Models of others, whose answers are pictures or grids, as if they were model grid."""

import sys
from pathlib import Path

import numpy as np
import pytest

from clients.reassembly.grid import IDENTITY, apply_grid
from edge.any_model.fitted import FittedStylizer, load_named
from edge.grid_model.stylizer import GridStylizer
from edge.stylizer import find
from support.models.onnx_networks import colour_network

Y, X = np.mgrid[:144, :256]
RAMPS = np.stack((40 + 0.6 * Y + 0.1 * X, 180 - 0.6 * Y + 0.1 * X, 50 + 0.4 * X + 0.2 * Y), -1)
PHOTO = np.clip(RAMPS + np.random.default_rng(0).normal(0, 8, RAMPS.shape), 0, 255).astype(np.uint8)
DARKER = np.tile(IDENTITY, (1, 8, 2, 3, 1)) * np.float16(0.5)


class Halving:
    """A model that halves all levels, and counts what it is asked."""

    model_version = "halving"

    def __init__(self, answer=lambda picture: picture // 2) -> None:
        self._answer, self.seen = answer, []

    def style(self, picture: np.ndarray) -> str:
        return "any"

    def follow(self, picture: np.ndarray, statistics: str, state: int | None, *, elapsed_s: float):
        self.seen.append((picture.shape, statistics, state))
        return self._answer(picture), (state or 0) + 1


def error(grid: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(apply_grid(PHOTO, grid).astype(float) - wanted).mean())


@pytest.mark.parametrize("answer", [
    lambda picture: picture // 2, lambda picture: (picture // 2)[::3, ::3], lambda picture: DARKER,
])  # fmt: skip
def test_an_answer_of_any_kind_becomes_a_grid_of_the_full_resolution(answer):
    stylizer = FittedStylizer(Halving(answer))

    grid = stylizer.stylize(PHOTO, stylizer.style(PHOTO))

    assert grid.dtype == np.float16 and grid.shape == (3, 8, 9, 16, 4)
    assert error(grid, PHOTO / 2) < 3 and error(grid, PHOTO) > 20
    assert stylizer.model_version == "halving"


def test_a_stream_has_the_memory_of_model_grid():
    """Flicker of the model's is averaged away: what it did last counts for little after a tenth of a second."""
    stylizer = FittedStylizer(Halving())
    first, state = stylizer.follow(PHOTO, "any", None, elapsed_s=0.0)
    stylizer.inner = Halving(lambda picture: picture)

    second, _ = stylizer.follow(PHOTO, "any", state, elapsed_s=0.1)

    assert error(second, PHOTO / 2) < 5 < 20 < error(second, PHOTO)


def test_the_model_sees_small_pictures_and_several_previews_are_drawn():
    stylizer, large = FittedStylizer(Halving()), np.zeros((1080, 1920, 3), np.uint8)

    stylizer.equations_of_each([large, large], ["a", "b"])
    grids = stylizer.previews(PHOTO, ["a", "b", "c"])

    assert [shape for shape, *_ in stylizer.inner.seen[:2]] == [(144, 256, 3)] * 2
    assert grids.shape[0] == 3 and [style for _, style, _ in stylizer.inner.seen] == ["a", "b", "a", "b", "c"]


def test_a_mood_changes_nothing_since_only_model_grid_has_moods():
    stylizer = FittedStylizer(Halving(), "cpu")
    style = stylizer.style(PHOTO)

    assert stylizer.in_mood(style, 0.4) is style


def test_a_mix_of_two_styles_lies_between_their_looks():
    class Dimming(Halving):
        def follow(self, picture: np.ndarray, statistics: float, state: None, *, elapsed_s: float):
            return (picture * statistics).astype(np.uint8), None

    stylizer = FittedStylizer(Dimming())

    grid = stylizer.stylize(PHOTO, stylizer.mixed(1.0, 0.5, 0.5))

    assert error(grid, PHOTO * 0.75) < 3


@pytest.mark.parametrize("answer", [lambda picture: picture.astype(np.float32), lambda picture: picture[..., 0]])
def test_a_wrong_answer_is_said(answer):
    with pytest.raises(ValueError, match="RGB uint8 array of shape H W 3"):
        FittedStylizer(Halving(answer)).stylize(PHOTO, "any")


def test_the_shipped_model_needs_no_fit():
    assert type(load_named("grid")) is GridStylizer


def test_a_network_of_the_users_is_a_stylizer(tmp_path: Path):
    stylizer = load_named(f"onnx:{colour_network(tmp_path / 'net.onnx')}")

    grid = stylizer.stylize(PHOTO, stylizer.style(PHOTO))

    assert error(grid, PHOTO[..., ::-1] * np.array([1, 0.5, 1])) < 7


@pytest.mark.parametrize(("name", "sentence"), [
    ("none", "there is no stylizer none; these are installed: .*grid.*onnx.*paper"),
    ("paper", "name its file, paper:FILE"),
])  # fmt: skip
def test_what_cannot_be_loaded_is_said(name: str, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        find(name)


def test_a_package_of_the_users_adds_a_stylizer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Real metadata of an installed package, whose object is called with what follows the colon."""
    about = tmp_path / "shades-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: shades\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[mvstylizer.stylizers]\nshades = shades:Shades\n")
    (tmp_path / "shades.py").write_text(SHADES)
    monkeypatch.syspath_prepend(tmp_path)

    stylizer = load_named("shades:0.25")
    sys.modules.pop("shades")

    assert error(stylizer.stylize(PHOTO, stylizer.style(PHOTO)), PHOTO * 0.25) < 3


SHADES = """
class Shades:
    model_version = "1"
    def __init__(self, argument):
        self.share = float(argument)
    def style(self, picture):
        return None
    def follow(self, picture, statistics, state, *, elapsed_s):
        return (picture * self.share).astype("uint8"), None
"""
