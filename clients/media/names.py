"""Names of files, as the file system and FFmpeg take them, and outputs that appear complete or not at all."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from pipeline.contract.errors import BadSetting, MVStylizerError

STANDARD_STREAM = Path("-")


def url(path: Path) -> str:
    """What FFmpeg opens as this file, whatever its name: `a:b.mp4` names no protocol."""
    return f"file:{path}"


@contextmanager
def seekable(path: Path) -> Iterator[Path]:
    """The file at path. What comes through a pipe, or for `-` from standard input, is copied to a temporary one first.

    Raises BadSetting where there is no such file.
    """
    is_stdin = path == STANDARD_STREAM
    if not is_stdin and (not os.path.exists(path) or os.path.isdir(path)):
        raise BadSetting(f"{shown(path)} is not a file.")
    if not is_stdin and os.path.isfile(path):
        yield path
        return
    with NamedTemporaryFile(prefix="mvstylizer-") as copy:
        if is_stdin:
            shutil.copyfileobj(sys.stdin.buffer, copy)
        else:
            with path.open("rb") as pipe:
                shutil.copyfileobj(pipe, copy)
        copy.flush()
        yield Path(copy.name)


def check_output(out: Path, *, folder: bool, force: bool) -> None:
    """Raises BadSetting where nothing can be written, or where something would be lost without `force`."""
    try:
        _check_output(out, folder=folder, force=force)
    except OSError as error:  # a name that is too long, or leads in a circle
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


def shown(name: Path | str) -> str:
    """A name as it can be printed: one in an unknown encoding, or with a line's end in it, with escapes."""
    text = str(name)
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def choices(suffixes: Iterable[str]) -> str:
    """The suffixes as a sentence lists them."""
    *others, last = suffixes
    return f"{', '.join(others)} or {last}"


@contextmanager
def renamed_at_the_end(path: Path) -> Iterator[Path]:
    """A temporary name beside path; renamed to it on success, removed on any error or Ctrl-C.

    What path is a link to is replaced, not the link. Raises MVStylizerError for what the disk refuses.
    """
    target = path.resolve()
    # Short, for a name of 255 bytes leaves no room, and in letters that every file system takes.
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
    """A folder keeps what is not a frame; its old frames make room."""
    if not target.is_dir():
        finished.replace(target)
        return
    for old in target.glob("[0-9]" * 6 + ".png"):
        old.unlink()
    for new in finished.iterdir():
        new.replace(target / new.name)
