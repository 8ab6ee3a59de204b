"""Hostile text in a comment: no mention, no link, no tag, no reference, and never too long."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.markdown import BREAK, COMMENT_LIMIT, capped, defang, plain
from bench.review_text import Changed, Review, Section, review_json, review_markdown

HOSTILE = (
    "@everyone",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](https://evil.example)",
    "![x](https://evil.example/pixel.png)",
    "[x][1]\n\n[1]: https://evil.example",
    "https://evil.example",
    "www.evil.example",
    "fixes #12",
    "GH-12",
    "owner/name#12",
    "a@b.example",
    "`code` **bold** _it_ ~~no~~ | cell |",
    "\n\n## Approved by the maintainers\n",
    "<!-- hidden -->",
    "&lt;b&gt;",
    "\u202egnp.exe",
    "```\nfence",
    "| a | b |\n|---|---|",
)
DANGERS = (
    re.compile(f"@(?!{BREAK})"),
    re.compile(r"<"),
    re.compile(r"\]\s*[(\[:]"),
    re.compile(r"(?<!&)#\d"),
    re.compile(r"://"),
    re.compile(r"(?i)\bwww\."),
    re.compile(r"(?i)\bgh-\d"),
)
anything = st.text(max_size=80) | st.sampled_from(HOSTILE)


def dangers(text: str) -> list[str]:
    return [pattern.pattern for pattern in DANGERS if pattern.search(text)]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_inert_and_stays_in_its_line(text):
    shown = plain(text)
    assert dangers(shown) == []
    assert "\n" not in shown
    assert not re.search(r"[*`_\[\]|~!]", shown)
    assert dangers(defang(text)) == []


@given(anything)
def test_any_text_is_inert(text):
    assert dangers(plain(text)) == []
    assert dangers(defang(text)) == []
    assert defang(defang(text)) == defang(text)


def test_plain_words_are_left_as_they_are():
    assert plain("Rank 2 to 5 of 11, ties with em-digits, -3.5 points.") == (
        "Rank 2 to 5 of 11, ties with em-digits, -3.5 points."
    )


@given(st.lists(anything, max_size=5), anything)
def test_a_review_of_hostile_names_is_inert_and_posting_changes_nothing_of_it(lines, name):
    section = Section("Problems", tuple(lines))
    body = review_markdown(Review(name, (Changed(name, name, "new", len(lines), (section,)),), tuple(lines)))
    assert dangers(body) == []
    assert defang(body) == body
    assert sum(line.startswith("#") for line in body.splitlines()) == 2 + bool(lines)


def test_a_long_review_is_cut_at_a_line_and_says_so():
    many = tuple(Changed(f"slug-{index}", "x" * 280, "new", 0, ()) for index in range(1000))
    body = review_markdown(Review("base", many))
    assert COMMENT_LIMIT - 1000 < len(body) <= COMMENT_LIMIT
    assert body.endswith("*Cut here: the whole text is in the artifact of the run.*\n")
    assert capped("short") == "short"


def test_a_review_says_how_many_problems_there_are():
    section = Section("Problems", ("one", "two"))
    review = Review("base", (Changed("fog", "Fog", "changed", 2, (section,)),), ("elsewhere",))
    assert review.problems == 3
    assert '"problems": 3' in review_json(review)
    assert "1 submission changed, 3 problems." in review_markdown(review)
    assert "No submission changed. No problems." in review_markdown(Review("base", ()))
