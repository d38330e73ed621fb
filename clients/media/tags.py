"""Which tags and chapters of a file does its stylized output keep?"""

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from av.stream import Stream

if TYPE_CHECKING:
    from av.container.core import Chapter

#: Tags about the old file's container, encoder or size. Matroska's statistics begin with an underscore or are in here.
STALE = {
    "alpha_mode", "bps", "compatible_brands", "duration", "encoder", "major_brand", "minor_version", "number_of_bytes",
    "number_of_frames", "rotate", "vendor_id",
}  # fmt: skip
#: A camera's name of a tag -> the name that every container knows.
COMMON = {
    "com.apple.quicktime.location.iso6709": "location",
    "com.apple.quicktime.creationdate": "date",
    "com.apple.quicktime.title": "title",
    "com.apple.quicktime.description": "description",
}


def kept(metadata: Mapping[str, str]) -> dict[str, str]:
    """The tags that are still true of the output. Those with QuickTime's names also get their common names."""
    true = {key: text for key, text in metadata.items() if not _is_stale(key.lower())}
    known = {key.lower() for key in true}
    common = {COMMON[key.lower()]: text for key, text in true.items() if key.lower() in COMMON}
    return true | {key: text for key, text in common.items() if key not in known}


def _is_stale(key: str) -> bool:
    return key.startswith("_") or key.partition("-")[0] in STALE


def copied(source: Stream, stream: Stream) -> None:
    """Copy a track's tags, such as language and title, and whether it is the default one."""
    stream.metadata.clear()
    stream.metadata.update(kept(source.metadata))
    stream.disposition = source.disposition


def moved(chapters: list["Chapter"], start_s: Fraction) -> list["Chapter"]:
    """Chapters, moved so that the file's `start_s` becomes 0."""
    return [_moved(chapter, start_s) for chapter in chapters if chapter["time_base"]]


def _moved(chapter: "Chapter", start_s: Fraction) -> "Chapter":
    offset = round(start_s / (chapter["time_base"] or 1))
    return chapter | {"start": max(0, chapter["start"] - offset), "end": max(0, chapter["end"] - offset)}
