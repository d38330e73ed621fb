"""Stylizes all photos of a folder: `mvstylizer image` with a folder as input and another as output."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tqdm import tqdm

from clients.feeds.inputs import listed, shown
from pipeline.contract.errors import BadSetting, MVStylizerError

#: The suffix of a photo -> the end of its output's name. AVIF is read, and not written.
OUTPUTS = {".jpg": "", ".jpeg": "", ".png": "", ".webp": "", ".avif": ".png"}


def check_folders(folder: Path, out: Path) -> None:
    """Raise BadSetting if the photos of one folder cannot be written to the other."""
    if not any(photos(folder)):
        raise BadSetting(f"{shown(folder)} holds no photos that end in {listed(OUTPUTS)}.")
    if out.exists() and not out.is_dir():
        raise BadSetting(f"{shown(out)} is a file; the photos of a folder go to a folder.")
    if out.exists() and out.samefile(folder):
        raise BadSetting("The photos of a folder go to another folder, so that yours stay as they are.")


def photos(folder: Path) -> Iterator[Path]:
    """The photos in a folder by name, without those in folders inside it."""
    return (file for file in sorted(folder.iterdir()) if file.suffix.lower() in OUTPUTS and file.is_file())


def stylize_folder(folder: Path, out: Path, stylize: Callable[[Path, Path], object], *, force: bool) -> None:
    """Call `stylize` with each photo and its output's path, which it writes. What is there already stays without force.

    A photo that fails is said in a line on standard error, and the next one is taken. In the end, what happened is
    printed, and MVStylizerError is raised if any has failed.
    """
    started_s, done, kept, failed = time.monotonic(), 0, 0, 0
    out.mkdir(parents=True, exist_ok=True)
    with tqdm(list(photos(folder)), unit="photo", disable=None) as progress:
        for file in progress:
            target = out / (file.name + OUTPUTS[file.suffix.lower()])
            if target.exists() and not force:
                kept += 1
                continue
            try:
                stylize(file, target)
                done += 1
            except (MVStylizerError, ValueError, OSError, MemoryError) as error:
                failed += 1
                reason = str(error).removeprefix(f"{shown(file)}: ") or "there is too little memory."
                tqdm.write(f"{shown(file)} is left out: {reason}", file=sys.stderr)
    there = f", {kept} were there already" if kept else ""
    print(f"{shown(out)}: {done} photos{there}, {time.monotonic() - started_s:.1f} s.")
    if failed:
        raise MVStylizerError(f"{failed} of {done + kept + failed} photos could not be stylized.")
