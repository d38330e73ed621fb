"""Names of every kind, and outputs that appear complete or not at all."""

import os
from pathlib import Path

import pytest

from clients.media.clip import Clip
from clients.media.names import renamed_at_the_end
from pipeline.contract.errors import BadSetting, MVStylizerError
from support.pictures.clips import convert, frames_of, make_clip

LONG = "é" * 125 + ".mp4"  # 254 bytes


@pytest.mark.parametrize("name", ["a:b.mp4", "http:x.mp4", "100%d.mp4", " .mp4", "-x.mp4", LONG])
def test_files_of_any_name_are_read_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.chdir(tmp_path)
    make_clip(tmp_path / "in.mp4", frames=2).rename(name)

    convert(Path(name), Path(f"{name[:1]}{name[2:-4]}o.mp4"))

    assert len(frames_of(Path(f"{name[:1]}{name[2:-4]}o.mp4"))) == 2
    assert sorted(os.listdir()) == sorted([name, f"{name[:1]}{name[2:-4]}o.mp4"])


@pytest.mark.parametrize("name", ["none.mp4", ".", "x" * 300])
def test_what_is_no_file_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(BadSetting, match="is not a file"):
        Clip(Path(name))


def test_a_link_stays_one(tmp_path: Path):
    target, link = tmp_path / "target.mp4", tmp_path / "link.mp4"
    target.write_bytes(b"old")
    link.symlink_to(target)

    with renamed_at_the_end(link) as unfinished:
        unfinished.write_bytes(b"new")

    assert link.is_symlink() and target.read_bytes() == b"new"


def test_an_error_leaves_what_was_there(tmp_path: Path):
    out = tmp_path / "out.mp4"
    out.write_bytes(b"old")

    with (
        pytest.raises(MVStylizerError, match="cannot be written: No space left"),
        renamed_at_the_end(out) as unfinished,
    ):
        unfinished.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    assert out.read_bytes() == b"old" and os.listdir(tmp_path) == ["out.mp4"]
