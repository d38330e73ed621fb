"""Finds the styles that come with the package, and computes the id of a style."""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files

from pipeline.pictures.decode import thumbnail

#: How much of a shipped style's mood its look takes, from 0, its grade alone, to 1. Chosen by eye on faces of dark,
#: medium and pale skin, streets, snow, nights and rooms: with all of it, the styles, which are strong, colour shadows,
#: and autumn leaves hot spots on skin.
USUAL_MOOD, MOODS = 0.6, {"Autumn": 0.35}
#: The mood of a style that somebody brings: all of it, as was asked for.
OWN_MOOD = 1.0


@dataclass(frozen=True, slots=True)
class Style:
    """A style picture, with the id by which messages name it."""

    id: str
    name: str
    jpeg: bytes
    mood: float


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


def mood_of(id_or_name: str) -> float:
    """Return how much of its mood the look of a style takes, unless somebody asks for more or less."""
    style = find_shipped(id_or_name)
    return style.mood if style else OWN_MOOD


@cache
def shipped_thumbnails() -> dict[str, bytes]:
    """Return the thumbnails of the shipped styles by id. They are made once in each process, in 5 ms each."""
    return {style.id: thumbnail(style.jpeg) for style in shipped()}


def _style(file_name: str, jpeg: bytes) -> Style:
    name = file_name.removesuffix(".jpg").replace("_", " ").capitalize()
    return Style(style_id(jpeg), name, jpeg, MOODS.get(name, USUAL_MOOD))


def _plain(name: str) -> str:
    return name.lower().replace("_", " ").replace("-", " ").strip()
