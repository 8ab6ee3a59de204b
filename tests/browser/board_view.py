"""A board as the browser shows it, and the same view computed here, from what the page held before any script ran."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Page

SNAPSHOT = """() => ({
    rows: [...document.querySelectorAll("#board tbody tr[data-slug]")].filter((row) => !row.hidden)
        .map((row) => row.dataset.slug),
    columns: [...document.querySelectorAll("#board thead th")].filter((cell) => !cell.hidden)
        .map((cell) => cell.dataset.key),
    sorted: [...document.querySelectorAll("#board thead th[aria-sort]")]
        .map((cell) => [cell.dataset.key, cell.getAttribute("aria-sort")]),
    selected: [...document.querySelectorAll("#board .pick input:checked")]
        .map((box) => box.closest("tr").dataset.slug).sort(),
})"""

READ = """() => [...document.querySelectorAll("#board tbody")].flatMap((body, group) =>
    [...body.querySelectorAll("tr[data-slug]")].map((row) => ({
        group, slug: row.dataset.slug, text: row.dataset.filter.toLowerCase(), data: { ...row.dataset },
        values: Object.fromEntries([...document.querySelectorAll("#board thead th")]
            .map((head, index) => [head.dataset.key, row.cells[index].dataset.value])),
    })))"""

HEADS = "() => [...document.querySelectorAll('#board thead th')].map((head) => ({ ...head.dataset }))"
VISIT = """(fragment) => {
    history.replaceState(null, "", "#" + fragment);
    window.dispatchEvent(new PopStateEvent("popstate"));
}"""


@dataclass
class Table:
    """Rows and columns of a board as the server wrote them."""

    heads: list[dict[str, str]]
    rows: list[dict[str, Any]]

    @property
    def keys(self) -> list[str]:
        return [head["key"] for head in self.heads]

    @property
    def numeric(self) -> list[str]:
        return [head["key"] for head in self.heads if head["sort"] == "number"]

    def number(self, row: dict[str, Any], key: str) -> float | None:
        text = row["values"][key]
        return float(text) if text else None

    def shown(self, row: dict[str, Any], key: str) -> float | None:
        value = self.number(row, key)
        scale = next(float(head.get("scale", 1)) for head in self.heads if head["key"] == key)
        return None if value is None else round(value * scale, 9)


def read_table(page: Page) -> Table:
    return Table(page.evaluate(HEADS), page.evaluate(READ))


Holds = Callable[[Table, dict[str, Any]], bool]


def below(key: str, limit: float) -> Holds:
    def holds(table: Table, row: dict[str, Any]) -> bool:
        value = table.shown(row, key)
        return value is not None and value < limit

    return holds


@dataclass
class State:
    """A random view. facets: by name, words of the chosen options; query: text, and whether a row has it."""

    sort: list[str] = field(default_factory=list)
    facets: dict[str, list[str]] = field(default_factory=dict)
    query: tuple[str, Holds] = ("", lambda *_: True)
    hide: list[str] = field(default_factory=list)
    complete: bool = False
    sel: list[str] = field(default_factory=list)
    only: bool = False

    @property
    def fragment(self) -> str:
        parts = [f"{name}={','.join(map(slug_of, words))}" for name, words in self.facets.items()]
        lists = {"sort": self.sort, "hide": self.hide, "sel": self.sel}
        parts += [f"{name}={','.join(items)}" for name, items in lists.items() if items]
        if self.query[0]:
            parts.append(f"q={quote(self.query[0])}")
        return "&".join(parts + [f"{name}=1" for name in ("complete", "only") if getattr(self, name)])


def slug_of(words: str) -> str:
    kept = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in words.lower())
    return "-".join(kept.split())


def random_state(generator: random.Random, table: Table, queries: list[tuple[str, Holds]]) -> State:
    def some(items: list[str], most: int) -> list[str]:
        return generator.sample(items, generator.randint(0, min(most, len(items))))

    sortable = [key for key in table.keys if key != "name"]  # the order of names is the browser's own
    names = [name for name in ("family", "role", "kind", "tier", "verdict", "keeps") if table.rows[0]["data"].get(name)]
    facets = {}
    for name in some(names, 2):
        words = sorted({row["data"][name] for row in table.rows if row["data"].get(name)})
        facets[name] = generator.sample(words, generator.randint(1, len(words)))
    sel = some([row["slug"] for row in table.rows], 4)
    return State(
        sort=[generator.choice(("", "-")) + key for key in some(sortable, 3)],
        facets=facets,
        query=generator.choice(queries) if generator.random() < 0.5 else State().query,
        hide=some([key for key in table.keys if key not in ("rank", "name")], 4),
        complete=generator.random() < 0.2,
        sel=sel,
        only=bool(sel) and generator.random() < 0.3,
    )


def expected(table: Table, state: State) -> dict[str, Any]:
    """The snapshot that a state must give."""
    columns = [key for key in table.keys if key not in state.hide]
    needed = [key for key in columns if key in table.numeric and key != "rank"] if state.complete else []

    def shown(row: dict[str, Any]) -> bool:
        facets = all(row["data"].get(name) in words for name, words in state.facets.items())
        numbers = all(table.number(row, key) is not None for key in needed)
        return facets and numbers and state.query[1](table, row) and (not state.only or row["slug"] in state.sel)

    rows = list(table.rows)
    for item in reversed(state.sort):  # sorting is stable, so the last key goes first
        rows = sorted_by(table, rows, item.removeprefix("-"), descending=item.startswith("-"))
    rows.sort(key=lambda row: row["group"])
    first = state.sort[:1]
    return {
        "rows": [row["slug"] for row in rows if shown(row)],
        "columns": columns,
        "sorted": [[item.removeprefix("-"), "descending" if item[0] == "-" else "ascending"] for item in first],
        "selected": sorted(state.sel),
    }


def sorted_by(table: Table, rows: list[dict[str, Any]], key: str, *, descending: bool) -> list[dict[str, Any]]:
    """Rows by one column, missing values last either way, equal ones in the order they have."""
    present = [row for row in rows if row["values"][key]]
    value = (lambda row: table.number(row, key)) if key in table.numeric else (lambda row: row["values"][key])
    ordered = sorted(present, key=value, reverse=descending)  # reverse keeps equal ones in order
    return [*ordered, *(row for row in rows if not row["values"][key])]
