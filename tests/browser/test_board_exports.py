"""Exports of a view: every format says what the table says, and no name becomes anything but text."""

import csv
import io
import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from browser.board_view import VISIT
from browser.conftest import BIBTEX, HOSTILE_NAMES, Watched
from playwright.sync_api import Page, expect

from bench.leaderboard.citation import board_digest

BOARD = "ue/ue-wide-v1/index.html"
UNLEARNING = "unlearning/unlearning-tiny-v1/index.html"
VIEWS = [
    (BOARD, ""),
    (BOARD, "sort=-name,ud&hide=peak,seeds,worst&family=filter,generative,other"),
    (UNLEARNING, "sort=-accuracy&hide=tow"),
]

TABLE = """() => {
    const heads = [...document.querySelectorAll("#board thead th")];
    const shown = heads.map((_, index) => index).filter((index) => !heads[index].hidden);
    const text = (node) => (node ? node.textContent.trim() : "");
    return {
        keys: shown.map((index) => heads[index].dataset.key),
        rows: [...document.querySelectorAll("#board tbody tr[data-slug]")].filter((row) => !row.hidden).map((row) => ({
            data: { ...row.dataset },
            name: text(row.querySelector("th bdi")),
            cells: shown.map((index) => ({
                data: { ...row.cells[index].dataset },
                mean: text(row.cells[index].querySelector(".mean")),
                status: text(row.cells[index].querySelector(".status")),
                role: text(row.cells[index].querySelector(".role")),
                all: text(row.cells[index]),
            })),
        })),
    };
}"""

LATEX_BACK = {
    r"\textbackslash{}": "\\",
    r"\textasciicircum{}": "^",
    r"\textasciitilde{}": "~",
    r"\textasciigrave{}": "`",
    r"\textquotedbl{}": '"',
    r"\textless{}": "<",
    r"\textgreater{}": ">",
    r"\textbar{}": "|",
    "{[}": "[",
    "{]}": "]",
    "$-$": "\u2212",
    r"$\pm$": "\u00b1",
    r"\,": "\u202f",
}


def export(page: Page, label: str) -> str:
    if page.locator("#board-export").is_hidden():
        page.get_by_role("button", name="Export and cite").click()
    page.get_by_role("radio", name=label).check()
    return page.get_by_label("The view in the chosen format").input_value()


def shown_text(key: str, row: dict[str, Any], cell: dict[str, Any]) -> str:
    """What a cell says, read from its parts in the order in which the page gives them weight."""
    if key == "name":
        return str(row["name"])
    if key == "rank":
        return str(row["data"]["rank"] or cell["status"] or cell["role"])
    plain = cell["all"].split()[0] if key == "seeds" else cell["all"]
    return str(cell["mean"] or cell["status"] or plain)


def is_number(page: Page, key: str) -> bool:
    kind = page.locator(f"#board th[data-key='{key}']").get_attribute("data-sort")
    return kind == "number" and key != "rank"


def each_view(watched: Watched, check: Callable[[Page, dict[str, Any]], None]) -> None:
    for board, fragment in VIEWS:
        page = watched.open(board)
        page.evaluate(VISIT, fragment)
        table = page.evaluate(TABLE)
        assert len(table["rows"]) > 3
        check(page, table)


def test_csv_holds_what_the_table_shows(watched: Watched) -> None:
    def check(page: Page, table: dict[str, Any]) -> None:
        lines = list(csv.DictReader(io.StringIO(export(page, "CSV"), newline="")))
        assert [line["slug"] for line in lines] == [row["data"]["slug"] for row in table["rows"]]
        for line, row in zip(lines, table["rows"], strict=True):
            assert (line["ties"], line["family"]) == (row["data"]["ties"], row["data"]["family"])
            for key, cell in zip(table["keys"], row["cells"], strict=True):
                text = shown_text(key, row, cell)
                text = f"'{text}" if text[:1] in "=+-@" else text
                if not is_number(page, key):
                    assert line[key] == text
                    continue
                assert (line[key], line[f"{key}_shown"]) == (cell["data"]["value"].removesuffix(".0"), text)
                low, high = cell["data"].get("low", ""), cell["data"].get("high", "")
                assert [line[f"{key}_low"], line[f"{key}_high"]] == [low.removesuffix(".0"), high.removesuffix(".0")]

    each_view(watched, check)


def test_json_holds_what_the_table_shows(watched: Watched) -> None:
    def check(page: Page, table: dict[str, Any]) -> None:
        document = json.loads(export(page, "JSON"))
        assert [column["key"] for column in document["columns"]] == table["keys"]
        assert document["url"] == page.url
        for item, row in zip(document["rows"], table["rows"], strict=True):
            assert item["slug"] == row["data"]["slug"]
            for key, cell in zip(table["keys"], row["cells"], strict=True):
                stored = item["cells"][key]
                assert stored["text"] == shown_text(key, row, cell)
                value = cell["data"]["value"]
                numeric = is_number(page, key) or key == "rank"
                assert stored["value"] == (None if value == "" else float(value) if numeric else value)

    each_view(watched, check)


def test_latex_has_a_row_for_each_row_and_nothing_unescaped(watched: Watched) -> None:
    def check(page: Page, table: dict[str, Any]) -> None:
        text = export(page, "LaTeX")
        body = [line for line in text.splitlines() if line.endswith(r"\\")][1:]
        assert len(body) == len(table["rows"])
        for line, row in zip(body, table["rows"], strict=True):
            cells = re.split(r"(?<!\\) & ", line.removesuffix(r" \\"))
            for key, latex, cell in zip(table["keys"], cells, row["cells"], strict=True):
                if key == "rank":
                    ties = row["data"]["ties"]
                    raised = f"\\textsuperscript{{{ties}}}" if ties else ""
                    assert latex == shown_text(key, row, cell) + raised
                    continue
                found = from_latex(latex)
                assert found.startswith(shown_text(key, row, cell))
                assert ("(" in found.removeprefix(shown_text(key, row, cell))) == ("low" in cell["data"])

    each_view(watched, check)


def from_latex(text: str) -> str:
    """Undo escapes and the markup of intervals and statuses; fail on anything that TeX would act on."""
    text = re.sub(r"^\\textit\{(.*)\}$", r"\1", text)
    text = re.sub(r"^\\ifdefined\\Umathchar (.*)\\else [a-z0-9-]+\\fi$", r"\1", text)
    text = re.sub(r" \{\\scriptsize (.*)\}$", r" \1", text)
    tokens = "|".join(re.escape(token) for token in (*LATEX_BACK, r"\{", r"\}", r"\$", r"\&", r"\#", r"\%", r"\_"))
    rest = re.sub(tokens, "", text)
    assert not re.search(r"[\\{}$&#%_^~\[\]]", rest), rest
    return re.sub(tokens, lambda found: LATEX_BACK.get(found[0], found[0][1:]), text)


def test_markdown_has_a_row_for_each_row(watched: Watched) -> None:
    def check(page: Page, table: dict[str, Any]) -> None:
        lines = [line for line in export(page, "Markdown").splitlines() if line.startswith("|")]
        assert len(lines) == len(table["rows"]) + 2
        for line, row in zip(lines[2:], table["rows"], strict=True):
            cells = re.split(r"(?<!\\) \| ", line[2:-2])
            for key, cell, found in zip(table["keys"], row["cells"], cells, strict=True):
                plain = re.sub(r"\\([\\`*_\[\]|~:.])", r"\1", unescape(found)).removeprefix("*")
                assert plain.startswith(shown_text(key, row, cell))
                assert not re.search(r"<|(?<!\\)[`\[\]]|https?://", found)

    each_view(watched, check)


def test_bibtex_holds_the_entries_that_are_shown(watched: Watched) -> None:
    page = watched.open(f"{BOARD}#sel=em-wide,h-formula,lsp-wide&only=1")
    text = export(page, "BibTeX")
    assert BIBTEX in text
    assert "% =1+1 (h-formula): its author states no entry" in text
    assert "h-latex" not in text
    page.evaluate(VISIT, "family=generative")
    assert BIBTEX not in export(page, "BibTeX")


def test_the_citation_names_date_protocol_digest_and_address(watched: Watched) -> None:
    page = watched.open(f"{BOARD}#sort=ud&q=lsp")
    ids = page.locator("#board tr[data-id]").evaluate_all("rows => rows.map((row) => row.dataset.id)")
    assert export(page, "Citation") == (
        "Unlearnability Bench, board “Wide digits”, protocol ue-wide-v1, newest result of 2026-01-31, board digest "
        f"{board_digest(ids)}; 1 of {len(ids) + 1} rows, Text: with “lsp”; sorted by UD, smallest first. {page.url}\n"
    )
    page.evaluate(VISIT, "")
    assert "newest result of 2026-02-03" in export(page, "Citation")


@pytest.mark.parametrize("label", ["CSV", "JSON", "LaTeX", "Markdown", "BibTeX"])
def test_hostile_names_are_text_in_every_export(watched: Watched, label: str) -> None:
    page = watched.open(BOARD)
    text = export(page, label)
    lines = text.splitlines()
    for slug, name in HOSTILE_NAMES.items():
        if label == "CSV":
            row = next(row for row in csv.DictReader(io.StringIO(text, newline="")) if row["slug"] == slug)
            assert row["name"] == ("'=1+1" if name == "=1+1" else name)
        elif label == "JSON":
            assert next(row for row in json.loads(text)["rows"] if row["slug"] == slug)["cells"]["name"]["text"] == name
        elif label == "LaTeX":
            assert any(name == from_latex(cell) for line in lines for cell in re.split(r"(?<!\\) & ", line)[1:2])
        elif label == "Markdown":
            cells = [re.split(r"(?<!\\) \| ", line)[1] for line in lines if line.count(" | ") > 3]
            assert name in [re.sub(r"\\([\\`*_\[\]|~:.])", r"\1", unescape(cell)) for cell in cells]
        else:
            assert f"% {name} ({slug}): its author states no entry" in lines
    expect(page.locator("#board script")).to_have_count(0)


def test_what_is_copied_and_saved_is_what_is_seen(watched: Watched, tmp_path: Path) -> None:
    page = watched.open(BOARD, permissions=["clipboard-read", "clipboard-write"])
    text = export(page, "Markdown")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == text
    with page.expect_download() as download:
        page.get_by_role("button", name="Download", exact=True).click()
    assert download.value.suggested_filename == "ue-wide-v1-view.md"
    download.value.save_as(tmp_path / "view.md")
    assert (tmp_path / "view.md").read_text(encoding="utf-8") == text
