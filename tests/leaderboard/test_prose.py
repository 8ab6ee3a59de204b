"""Documents as pages: every block has its place, nothing of a document becomes markup."""

import html
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protocol_factory import make_protocol

from bench.errors import UsageProblem
from bench.leaderboard.building import build_files
from bench.leaderboard.page_contexts import Block
from bench.leaderboard.prose import plain, read_prose
from bench.leaderboard.prose_pages import site_link

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = """# Title

A line with `code`, **weight** and a [place](metrics.md#x).

## Numbers

Rank correlation by method:

| method | value |
|---|---|
| a \\| b | -0.26 |

- one
- two

```
bench verify
```
"""


def blocks(text: str = TEXT) -> tuple[Block, ...]:
    return read_prose(text, link=site_link)


def test_blocks_come_in_their_order_with_their_parts() -> None:
    found = blocks()
    assert [block.kind for block in found] == ["heading", "paragraph", "heading", "table", "list", "code"]
    table = found[3]
    assert table.caption == "Rank correlation by method"
    assert [plain(cell) for cell in table.rows[0]] == ["a | b", "\u22120.26"]
    assert [plain(line) for line in found[4].lines] == ["one", "two"]
    assert found[5].text == "bench verify"


def test_faces_and_links_of_a_line() -> None:
    spans = blocks()[1].lines[0]
    assert [
        (span.text, span.code, span.strong, span.href) for span in spans if span.code or span.strong or span.href
    ] == [
        ("code", True, False, ""),
        ("weight", False, True, ""),
        ("place", False, False, "../metrics/index.html"),
    ]


def test_a_table_without_a_line_above_is_named_after_its_heading() -> None:
    found = blocks("## Numbers\n\n| method | value |\n|---|---|\n| a | 1 |\n")
    assert found[1].caption == "Numbers, by method"


def test_tables_of_one_heading_have_captions_of_their_own() -> None:
    table = "| method | value |\n|---|---|\n| a | 1 |\n\n"
    found = blocks(f"## Numbers\n\n{table}Text.\n\n{table}")
    assert [block.caption for block in found if block.kind == "table"] == [
        "Numbers, by method",
        "Numbers, by method, table 2",
    ]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("https://example.org/x", ("https://example.org/x", True)),
        ("metrics.md", ("../metrics/index.html", False)),
        ("../docs/protocols.md#top", ("../protocols/index.html", False)),
        ("architecture.md", ("", False)),
        ("javascript:alert(1)", ("", False)),
        ("http://example.org", ("", False)),
        ("//example.org", ("", False)),
    ],
)
def test_links_lead_to_the_site_or_to_https_or_nowhere(target: str, expected: tuple[str, bool]) -> None:
    assert site_link(target) == expected


@pytest.mark.parametrize(
    ("text", "shown"), [("-1 to -2", "\u22121 to \u22122"), ("ue-1", "ue-1"), ("2-4", "2-4"), ("a - b", "a - b")]
)
def test_a_hyphen_is_a_minus_sign_only_before_a_number_of_its_own(text: str, shown: str) -> None:
    assert plain(blocks(f"It is {text}.")[0].lines[0]) == f"It is {shown}."


@pytest.mark.parametrize("text", ["> quoted", "***", "![picture](x.png)"])
def test_what_has_no_place_is_refused(text: str) -> None:
    with pytest.raises(UsageProblem):
        blocks(text)


def test_equal_headings_get_ids_of_their_own() -> None:
    assert [block.id for block in blocks("## One\n\n## One\n\n## !\n")] == ["s-one", "s-one-2", "s-section"]


@given(st.text(alphabet="<>&\"'`[](){}%*_|-ab \n", max_size=60))
def test_nothing_of_a_document_becomes_markup(text: str) -> None:
    try:
        found = blocks(text)
    except UsageProblem:
        return
    for block in found:
        for line in (*block.lines, *block.header, *(cell for row in block.rows for cell in row)):
            assert all(isinstance(span.text, str) and not hasattr(span.text, "__html__") for span in line)


def test_the_page_escapes_what_a_document_holds(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    text = "# Notes\n\n<script>alert(1)</script> `<b>` [x](javascript:alert(1)) {{ 7*7 }}\n"
    (tmp_path / "docs/reproduction.md").write_text(text, encoding="utf-8")
    protocol = make_protocol()
    page = build_files(tmp_path, protocols={protocol.id: protocol})["reproduction/index.html"].decode()
    assert "<script>alert" not in page
    assert "<b>" not in page
    assert "javascript:" not in page.replace("[x](javascript:alert(1))", "")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{ 7*7 }}" in page


def test_without_the_document_there_is_no_page_and_no_link(tmp_path: Path) -> None:
    protocol = make_protocol()
    files = build_files(tmp_path, protocols={protocol.id: protocol})
    assert "reproduction/index.html" not in files
    assert b"reproduction/" not in files["index.html"]


def test_the_notes_of_this_repository_are_whole_on_their_page() -> None:
    text = (ROOT / "docs/reproduction.md").read_text(encoding="utf-8")
    found = blocks(text)
    tables = [block for block in found if block.kind == "table"]
    assert len(tables) == len(re.findall(r"^\|[-| ]+\|$", text, re.MULTILINE))
    shown = " ".join(plain(cell) for table in tables for row in table.rows for cell in row)
    for number in re.findall(r"\d+\.\d+ \(\d+\.\d+ to \d+\.\d+\)", text):
        assert number in shown or number in html.unescape(
            " ".join(plain(line) for block in found for line in block.lines)
        )
    assert all(len({len(row) for row in (table.header, *table.rows)}) == 1 for table in tables)
