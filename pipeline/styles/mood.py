"""A style with more or less of its mood than usual, which has an id of its own, as a mix has."""

import re
from dataclasses import dataclass
from typing import Self

#: The id or name of a style, and how much of its mood there is, in percent.
MOOD = re.compile(r"([^.~]{1,75})~(0|[1-9][0-9]?|100)")


@dataclass(frozen=True, slots=True)
class StyleMood:
    """A style by its id or name, and how much of its mood is wanted: from 0 percent, its light alone, to 100."""

    style: str
    percent: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the style and mood that a text like `dusk~40` names, or None if it names no mood."""
        found = MOOD.fullmatch(text)
        return cls(found[1], int(found[2])) if found else None

    def __str__(self) -> str:
        return f"{self.style}~{self.percent}"


def without_mood(style_id: str) -> str:
    """Return the id of the style itself, whose picture it is. An id that names no mood stays as it is."""
    mood = StyleMood.parse(style_id)
    return mood.style if mood else style_id
