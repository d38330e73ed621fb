"""`mvstylizer image` with a folder of photos. The model here only shifts brightness."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.pictures.clips import Brightener, picture
from workers.__main__ import main
from workers.files import image

PHOTO = picture(0, (64, 48))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three photos, one of which is none, and with other things."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(image, "load_stylizer", lambda *_: Brightener())
    photos = tmp_path / "photos"
    (photos / "more.jpg").mkdir(parents=True)
    Image.fromarray(PHOTO).save(photos / "a.JPG")
    (photos / "b.png").write_bytes(b"no picture")
    Image.fromarray(PHOTO).save(photos / "c.avif")
    (photos / "notes.txt").write_text("hello")
    return tmp_path


def run(*options: str) -> int:
    """The exit status."""
    try:
        main(["image", *options])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_all_photos_are_stylized_and_the_one_that_fails_is_said(folder: Path, capsys: pytest.CaptureFixture):
    status = run("photos", "dusk", "out/deep", "--scale", "0.5")

    said = capsys.readouterr()
    assert sorted(path.name for path in (folder / "out/deep").iterdir()) == ["a.JPG", "c.avif.png"]
    with Image.open(folder / "out/deep/c.avif.png") as found:
        assert found.size == (32, 24) and np.asarray(found).mean() > PHOTO.mean() + 15
    assert status == 2 and said.out.startswith("out/deep: 2 photos, ")
    lines = [line for line in said.err.splitlines() if line.startswith(("photos/", "mvstylizer"))]
    assert len(lines) == 2 and lines[0].startswith("photos/b.png is left out: The ")
    assert lines[1] == "mvstylizer image: 1 of 3 photos could not be stylized."


def test_what_is_there_already_stays_without_force(folder: Path, capsys: pytest.CaptureFixture):
    (folder / "photos/b.png").unlink()
    (folder / "out").mkdir()
    (folder / "out/a.JPG").write_bytes(b"precious")

    assert run("photos", "dusk", "out") == 0
    assert "1 photos, 1 were there already" in capsys.readouterr().out
    assert (folder / "out/a.JPG").read_bytes() == b"precious"

    assert run("photos", "dusk", "out", "--force") == 0
    assert (folder / "out/a.JPG").read_bytes() != b"precious"


@pytest.mark.parametrize(("options", "sentence"), [
    (["photos/more.jpg", "dusk", "out"], "holds no photos that end in"),
    (["photos", "dusk", "photos/notes.txt"], "is a file; the photos of a folder go to a folder"),
    (["photos", "dusk", "photos"], "go to another folder"),
])  # fmt: skip
def test_mistakes_are_said_before_the_model_is_loaded(
    folder: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, options: list[str], sentence: str
):
    monkeypatch.setattr(image, "load_stylizer", lambda *_: pytest.fail("found out before"))

    assert run(*options) == 2
    assert sentence in capsys.readouterr().err
