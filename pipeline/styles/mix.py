"""A look between two styles, which has an id of its own, so that it goes wherever a style's id goes."""

import re
from dataclasses import dataclass
from typing import Self

from pipeline.styles.mood import without_mood

#: Two ids or names of styles, and how much of the second there is, in percent.
MIX = re.compile(r"([^.]{1,80})\.([^.]{1,80})\.([1-9][0-9]?)")


@dataclass(frozen=True, slots=True)
class StyleMix:
    """Two styles by id or name, each with a mood or without, and the share of the second, from 1 to 99 percent."""

    first: str
    second: str
    percent: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the mix that a text like `golden-hour.dusk.35` names, or None if it is the id of one style."""
        found = MIX.fullmatch(text)
        if found is None or without_mood(found[1]) == without_mood(found[2]):
            return None
        return cls(found[1], found[2], int(found[3]))

    def __str__(self) -> str:
        return f"{self.first}.{self.second}.{self.percent}"


def parts(style_id: str) -> tuple[str, ...]:
    """Return the ids of the pictures that a look is made of: two for a mix, otherwise its own."""
    mix = StyleMix.parse(style_id)
    return tuple(without_mood(part) for part in ((mix.first, mix.second) if mix else (style_id,)))
