"""Names of outputs: how FFmpeg opens them, whether they can be written, and how an output appears complete."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clients.feeds.inputs import shown
from clients.feeds.outputs import Target
from pipeline.contract.errors import BadSetting, MVStylizerError


def file_url(path: Path) -> str:
    """The URL by which FFmpeg opens a file of any name: without it, `a:b.mp4` would name a protocol."""
    return f"file:{path}"


def check_target(target: Target, *, force: bool) -> None:
    """Do the same as `check_output` for a video's output; addresses and pipes show only later what is wrong."""
    if target.path and target.kind in ("file", "folder"):
        check_output(target.path, folder=target.kind == "folder", force=force)


def check_output(out: Path, *, folder: bool, force: bool) -> None:
    """Raise BadSetting if the output cannot be written, or if it would replace something without `force`."""
    try:
        _check_output(out, folder=folder, force=force)
    except OSError as error:  # the name is too long, or its links lead in a circle
        raise BadSetting(f"{shown(out)} cannot be written: {error.strerror}.") from error


def _check_output(out: Path, *, folder: bool, force: bool) -> None:
    parent = out.absolute().parent
    if not parent.exists():
        raise BadSetting(f"The folder {shown(out.parent)} does not exist.")
    if not parent.is_dir():
        raise BadSetting(f"{shown(out.parent)} is a file, not a folder.")
    if out.exists() and out.is_dir() != folder:
        raise BadSetting(f"{shown(out)} is a {'file' if folder else 'folder'}, not a {'folder' if folder else 'file'}.")
    if folder and out.exists() and any(out.iterdir()) and not force:
        raise BadSetting(f"The folder {shown(out)} is not empty; --force replaces the frames in it.")
    if not folder and out.exists() and not force:
        raise BadSetting(f"{shown(out)} exists; --force replaces it.")
    if not os.access(parent, os.W_OK):
        raise BadSetting(f"The folder {shown(out.parent)} may not be written to.")


@contextmanager
def renamed_at_the_end(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`. It is renamed to `path` on success, and removed on any error or Ctrl-C.

    If `path` is a link, its target is replaced, not the link. Raises MVStylizerError if the disk refuses.
    """
    target = path.resolve()
    # The name is short, because one of 255 bytes leaves no room, and in letters that every file system takes.
    unfinished = target.with_name(f".mvstylizer-{os.getpid()}.unfinished{_suffix(target)}")
    try:
        yield unfinished
        _replace(target, unfinished)
    except OSError as error:
        raise MVStylizerError(f"{shown(path)} cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(unfinished) if unfinished.is_dir() else unfinished.unlink(missing_ok=True)


def _suffix(path: Path) -> str:
    return path.suffix if len(path.suffix) <= 5 and path.suffix.isascii() else ""


def _replace(target: Path, finished: Path) -> None:
    """Put the finished output in the target's place. In a folder, old frames are deleted and other files stay."""
    if not target.is_dir():
        finished.replace(target)
        return
    for old in target.glob("[0-9]" * 6 + ".png"):
        old.unlink()
    for new in finished.iterdir():
        new.replace(target / new.name)
