"""What `mvstylizer client` refuses, and what it leaves alone when nobody answers."""

from pathlib import Path

import pytest

from support.pictures.clips import make_clip
from workers.__main__ import main

NOBODY = "http://127.0.0.1:1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_clip(tmp_path / "in.mp4", frames=3)
    (tmp_path / "out.mp4").write_bytes(b"precious")
    return tmp_path


@pytest.mark.parametrize(("output", "options", "sentence"), [
    ("out.mp4", [], "--force replaces it"), ("out.avi", [], "must end in .mp4"),
    ("none/out.mp4", [], "does not exist"), ("out.mp4", ["--force"], f"No gateway answers at {NOBODY}"),
])  # fmt: skip
def test_an_old_output_stays_until_a_new_one_is_complete(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, output: str, options: list[str],
    sentence: str,
):  # fmt: skip
    monkeypatch.chdir(folder)

    with pytest.raises(SystemExit) as ended:
        main(["client", NOBODY, "--input", "in.mp4", "--style", "dusk", "--output", output, *options])

    assert ended.value.code == 2 and sentence in capsys.readouterr().err
    assert (folder / "out.mp4").read_bytes() == b"precious"
    assert sorted(path.name for path in folder.iterdir()) == ["in.mp4", "out.mp4"]
