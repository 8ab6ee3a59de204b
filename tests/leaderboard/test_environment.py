"""What no page may hold, whatever was typed into it."""

from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import escape

from bench.leaderboard.environment import _HIDDEN, _without_hidden, cells

HIDING = "\x00\x08\x0b\x1f\x7f\x80\x9f\u200e\u200f\u2028\u202e\u2066\u2069\ufdd0\ufdef\ufffe\uffff"
SHOWING = "\t\n a\u00e9\u202f\u2212\u05d0\U0001f600"


@given(st.lists(st.sampled_from([*HIDING, *SHOWING]) | st.text(st.characters(exclude_categories=["Cs"]), max_size=3)))
@example(list(HIDING))
@example(list(SHOWING))
def test_every_hidden_character_is_replaced_and_nothing_else(parts: list[str]) -> None:
    text = "".join(parts)
    assert _without_hidden(text) == _HIDDEN.sub("\ufffd", text).encode()


def test_what_hides_is_hidden_and_what_shows_is_not() -> None:
    assert _without_hidden(HIDING).decode() == "\ufffd" * len(HIDING)
    assert _without_hidden(SHOWING).decode() == SHOWING


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), max_size=5))
@example(["<b>", "a & b", '"', "'"])
@example(["a\x1fb", "c"])
@example([""])
def test_cells_are_what_escaping_each_text_gives(texts: list[str]) -> None:
    assert cells(texts) == "".join(f"<td>{escape(text.replace(chr(0x1F), chr(0xFFFD)))}</td>" for text in texts)
