"""Ids of styles in another mood than usual, alone and in mixes."""

import pytest

from pipeline.styles.mix import StyleMix, parts
from pipeline.styles.mood import StyleMood, without_mood


def test_an_id_names_a_style_and_how_much_of_its_mood_there_is():
    assert StyleMood.parse("golden-hour~40") == StyleMood("golden-hour", 40)
    assert [str(StyleMood("dusk", percent)) for percent in (0, 7, 100)] == ["dusk~0", "dusk~7", "dusk~100"]
    assert [without_mood(each) for each in ("dusk~40", "dusk")] == ["dusk", "dusk"]


@pytest.mark.parametrize(
    "text", ["dusk", "dusk~", "~40", "dusk~101", "dusk~040", "dusk~-1", "dusk~4.5", "dusk~40~40", "a.b.35~40",
             "dusk~40 ", f"{'x' * 76}~40", "dusk~\u0664\u0660"],
)  # fmt: skip
def test_anything_else_names_no_mood(text):
    assert StyleMood.parse(text) is None
    assert without_mood(text) == text


def test_both_styles_of_a_mix_may_have_a_mood():
    assert StyleMix.parse("a~40.b~60.35") == StyleMix("a~40", "b~60", 35)
    assert StyleMix.parse("a~40.a.35") is StyleMix.parse("a~40.a~60.35") is None  # it is one style
    assert parts("a~40.b.35") == ("a", "b")
    assert parts("a~40") == ("a",)
