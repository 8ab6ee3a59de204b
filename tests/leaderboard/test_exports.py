import csv
import io
import json
import re
from pathlib import Path

import pytest
from factories import CLEAN, Found, make_result, make_run, write_submission
from hypothesis import given
from hypothesis import strategies as st
from leaderboard.both import HOSTILE, REFUSED, downloads, read_both, write_both
from markdown_it import MarkdownIt
from protocol_factory import make_protocol

from bench.leaderboard.exports.bibtex import NotPlainBibtex, board_bibtex, parse_bibtex
from bench.leaderboard.exports.csv_files import FORMULA_STARTS, cell
from bench.leaderboard.exports.files import board_files, board_summaries, exports_of, site_files
from bench.leaderboard.exports.latex import board_latex, latex_text, method_cell
from bench.leaderboard.exports.markdown import board_markdown, markdown_text, plain_text
from bench.leaderboard.exports.parquet import PATH, board_measurements, measurements_parquet
from bench.leaderboard.exports.summary import summarize_board
from bench.leaderboard.exports.table import BoardTable, board_table
from bench.leaderboard.sources import Sources, read_sources
from bench.store import write_result

texts = st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from((*HOSTILE, *REFUSED))


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    return read_both(tmp_path_factory.mktemp("both"))


@pytest.fixture(scope="module")
def tables(sources: Sources) -> dict[str, BoardTable]:
    return {protocol.id: board_table(sources, protocol) for protocol in sources.all_protocols}


def hostile_table(root: Path, name: str) -> tuple[Sources, BoardTable]:
    protocol = make_protocol()
    write_submission(root, "fog", name=name, author=name, results=[(make_result(protocol), make_run())])
    sources = read_sources(root, protocols={protocol.id: protocol})
    return sources, board_table(sources, protocol)


def read_csv(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def rows_of_json(content: bytes) -> list[dict[str, str]]:
    """The rows of a board's JSON, flattened into the cells that its CSV must have: an independent reading."""
    board = json.loads(content)
    found = []
    for row in sorted(board["rows"], key=lambda row: row["slug"]):
        place = row.get("place", {})
        for value in row["values"]:
            keeps = place.get("keeps_accuracy")
            number = {key: repr(float(value[key])) if key in value else "" for key in ("mean", "low", "high")}
            found.append(
                {
                    "protocol": board["protocol"],
                    "slug": row["slug"],
                    "role": row["role"],
                    "tier": row["tier"],
                    "result": row["result"]["id"].removeprefix("sha256:")[:16],
                    "attempt": row["attempt"],
                    "condition": value["condition"],
                    "primary": str(value["primary"]),
                    "metric": value["metric"],
                    "status": value["status"],
                    "reason": value.get("reason", ""),
                    **number,
                    "n": str(value["n"]),
                    "over": value["over"],
                    "rank_best": str(place.get("best", "")),
                    "rank_worst": str(place.get("worst", "")),
                    "ties": " ".join(place.get("ties", ())),
                    "keeps_accuracy": "" if keeps is None else str(keeps).lower(),
                    "replication": row["replication"],
                    "name": row["name"],
                }
            )
    return found


@pytest.mark.parametrize("name", ["ue-tiny-v1", "unlearning-tiny-v1"])
def test_csv_and_json_of_a_board_say_the_same(sources: Sources, tables: dict[str, BoardTable], name: str) -> None:
    table = tables[name]
    files = board_files(sources, table.protocol)
    from_csv = read_csv(files[f"{table.folder}/{name}.csv"])
    assert from_csv == rows_of_json(files[f"{table.folder}/{name}.json"])
    assert len(from_csv) == sum(len(row.values) for row in table.rows) > 0
    assert files[f"{table.folder}/{name}.json"] == files[f"api/v1/boards/{name}.json"]


@given(texts)
def test_a_csv_cell_is_never_a_formula_and_can_be_read_back(text: str) -> None:
    found = cell(text)
    assert found == "" or found[0] not in "=+-@\t\r\n"
    assert (found[1:] if found.startswith("'") else found) == text


def test_csv_cells_keep_numbers_at_full_precision() -> None:
    assert [cell(value) for value in (-0.1, 1e-06, 3, None, True)] == ["-0.1", "1e-06", "3", "", "True"]
    assert all(cell(f"{start}1") == f"'{start}1" for start in FORMULA_STARTS)


def test_rows_stand_as_on_the_page(tables: dict[str, BoardTable]) -> None:
    slugs = [row.slug for row in tables["ue-tiny-v1"].rows]
    assert slugs == ["fog", "mist", "haze", "clean", "random", "rime"]
    places = [row.place.text if row.place else "" for row in tables["ue-tiny-v1"].rows]
    assert places == ["1 to 3", "1 to 3", "1 to 3", "", "", ""]
    unlearning = tables["unlearning-tiny-v1"].rows
    assert [row.slug for row in unlearning] == [
        *("gd-tiny", "ga-tiny", "original", "retrain", "retrain-second", "unmeasured")
    ]
    assert [row.place.keeps for row in unlearning if row.place] == [True, False]


def test_the_digest_of_a_board_is_that_of_what_it_shows(tmp_path: Path) -> None:
    sources, table = hostile_table(tmp_path, "Fog")
    _, renamed = hostile_table(tmp_path, "Another name")
    assert renamed.digest == table.digest
    later = make_run(ended="2026-02-01T10:00:00Z")
    write_submission(tmp_path, "fog", results=[(make_result(make_protocol(), Found((0.2, 0.3, 0.4))), later)])
    changed = board_table(read_sources(tmp_path, protocols=dict(sources.protocols)), make_protocol())
    assert changed.digest != table.digest
    assert (table.measured, changed.measured) == ("2026-01-31", "2026-02-01")


# LaTeX


def unescaped(text: str) -> str:
    """What is left of LaTeX source without the commands that stand for characters."""
    return re.sub(r"\\(text[a-z]+\{\}|symbol\{\d+\}|[$&#%_,])|\{[\[\]*]\}|\$-\$|\{\}", "", text)


@given(texts)
def test_latex_text_holds_no_command_of_its_own(text: str) -> None:
    left = unescaped(latex_text(text))
    assert not re.search(r"[\\{}$&#%_^\"`<>|*\[\]\n]", left)
    assert "--" not in latex_text(text)
    assert all(character.isprintable() for character in latex_text(text))


def test_latex_text_by_hand() -> None:
    assert latex_text(r"\input{a}") == r"\textbackslash{}input\textbraceleft{}a\textbraceright{}"
    assert latex_text("50 % & more_") == r"50 \% \& more\_"
    assert latex_text("a--b") == "a-{}-b"
    assert latex_text("\u202e") == "U+202E"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_latex_table_is_balanced_whatever_names_say(tmp_path: Path, name: str) -> None:
    text = board_latex(hostile_table(tmp_path, name)[1]).decode()
    body = re.sub(r"\\[\\{}%&#$_]", "", text)
    assert body.count("{") == body.count("}")
    assert re.findall(r"\\begin\{(\w+)\}", text) == ["table", "tabular"]
    assert re.findall(r"\\end\{(\w+)\}", text) == ["tabular", "table"]
    lines = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert lines
    for line in lines:
        assert line.endswith(r"\\")
        assert len(re.findall(r"(?<!\\)&", line)) == 5
    assert latex_text(name) in text


@given(texts)
def test_pdflatex_meets_only_letters_it_can_set(text: str) -> None:
    set_by_pdflatex = re.sub(r"\\ifdefined\\Umathchar .*\\else (.*)\\fi", r"\1", method_cell(text, "fog"))
    assert all(
        character <= "\u017f" or character in "\u2013\u2014\u2018\u2019\u201a\u201c\u201d\u201e\u2026\u20ac\u2122"
        for character in set_by_pdflatex
    )
    assert not set(set_by_pdflatex) & set("ĦħĸĿŀŉŦŧſ")


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("Żółć (naïve) €5", "Żółć (naïve) €5"),
        ("\u05e9\u05dc\u05d5\u05dd_1", "\\ifdefined\\Umathchar \u05e9\u05dc\u05d5\u05dd\\_1\\else fog\\fi"),
        ("ε ≤ 8", "\\ifdefined\\Umathchar ε ≤ 8\\else fog\\fi"),
    ],
)
def test_a_name_that_stops_pdflatex_gives_way_to_its_slug_there(tmp_path: Path, name: str, cell: str) -> None:
    assert f" & {cell} & " in board_latex(hostile_table(tmp_path, name)[1]).decode()


def test_a_latex_table_says_what_it_rests_on(tables: dict[str, BoardTable]) -> None:
    table = tables["ue-tiny-v1"]
    text = board_latex(table).decode()
    assert r"1 to 3 & A & Fog & 10.5\,\% (9.3 to 11.7) & 3 & full \\" in text
    assert r"reference &  & Clean & 96.5\,\% (95.3 to 97.7) & 3 & full \\" in text
    assert f"digest {table.sha256.removeprefix('sha256:')[:16]}" in text
    assert f"board digest {table.digest.removeprefix('sha256:')[:16]}" in text
    assert "newest run 2026-01-31" in text
    assert "First the methods that keep" in board_latex(tables["unlearning-tiny-v1"]).decode()


# Markdown


def cells_of_markdown(text: str) -> list[list[str]]:
    """Cells as a Markdown parser shows them; fails where it finds anything but text."""
    tokens = MarkdownIt("commonmark", {"linkify": False}).enable("table").enable("strikethrough").parse(text)
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        if token.type == "inline" and rows and len(rows[-1]) < 7:
            children = token.children or []
            assert {child.type for child in children} <= {"text", "text_special"}, children
            rows[-1].append("".join(child.content for child in children))
    return rows


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_shows_names_as_they_are(tmp_path: Path, name: str) -> None:
    rows = cells_of_markdown(board_markdown(hostile_table(tmp_path, name)[1]).decode())
    assert rows[0][:3] == ["Rank", "Ties", "Method"]
    assert rows[1][2] == name


@given(texts)
def test_markdown_text_is_text(text: str) -> None:
    shown = cells_of_markdown(f"| a |\n| --- |\n| x{markdown_text(text)}x |\n")
    assert shown[1] == [f"x{plain_text(text)}x"]


def test_markdown_links_nothing_by_itself() -> None:
    assert markdown_text("see https://a.org www.b.org me@c.org") == r"see https\://a.org www\.b.org me\@c.org"


# BibTeX


def entries(text: str) -> list[tuple[str, str]]:
    """Kind and key of every entry, counting braces: an independent reading."""
    found, depth = [], 0
    for match in re.finditer(r"@(\w+)\{([^,]*),|[{}]", text):
        if match.group(1) and depth == 0:
            found.append((match.group(1), match.group(2)))
            depth += 1
        elif not match.group(1):
            depth += 1 if match.group() == "{" else -1
        else:
            depth += 1
    assert depth == 0
    return found


def test_bibtex_has_the_board_what_it_shows_and_its_sources(sources: Sources, tables: dict[str, BoardTable]) -> None:
    for table in tables.values():
        found = entries(board_bibtex(sources, table).decode())
        keys = [key for _, key in found]
        assert len(keys) == len(set(keys))
        assert {f"submission:{row.slug}" for row in table.rows if row.stored} <= set(keys)
        assert f"board-{table.protocol.id}" in keys
        assert any(key.startswith("arxiv-") for key in keys)


GOOD = r"""@InProceedings{key, title = {{UE}s: M\"uller \& friends}, author = "Ada Example and Bob", year = 2021,
  pages = {1--2}, url = {https://example.org/a\_b%20c}, abstract = {left out}, month = jan }
@misc{key, title = {Again}}"""


def test_bibtex_of_an_author_is_written_anew_under_keys_of_ours(tmp_path: Path) -> None:
    protocol = make_protocol()
    extra = f"[cite]\nbibtex = '''{GOOD}'''\n"
    write_submission(tmp_path, "fog", extra=extra, results=[(make_result(protocol), make_run())])
    sources = read_sources(tmp_path, protocols={protocol.id: protocol})
    text = board_bibtex(sources, board_table(sources, protocol)).decode()
    assert [pair for pair in entries(text) if pair[1].startswith("submission:")] == [
        ("inproceedings", "submission:fog"),
        ("misc", "submission:fog:2"),
    ]
    assert r"title = {{UE}s: M\"uller \& friends}" in text
    assert "url = {https://example.org/a_b%20c}" in text
    assert "abstract" not in text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('@preamble{"\\input{/etc/passwd}"}', "entry"),
        ("@string{a = {b}}", "entry"),
        ("@string{a, b = {c}}", "kind"),
        ("@comment{key, x = {y}}", "kind"),
        (r"@misc{k, title = {\input{/etc/passwd}}}", "TeX command"),
        (r"@misc{k, title = {\write18{ls}}}", "TeX command"),
        ("@misc{k, title = {a}}}} @misc{", "no entry"),
        ("@misc{k, title = {a", "balanced"),
        ('@misc{k, title = "a" # macro}', "several"),
        ("@misc{k, url = {javascript:alert(1)}}", "link"),
        ("hello", "no entry"),
        ("", "no entry"),
    ],
)
def test_bibtex_that_is_not_plain_is_not_taken_over(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(NotPlainBibtex, match=reason):
        parse_bibtex(text)
    protocol = make_protocol()
    extra = f"[cite]\nbibtex = '''{text}'''\n"
    write_submission(tmp_path, "fog", extra=extra, results=[(make_result(protocol, CLEAN), make_run())])
    sources = read_sources(tmp_path, protocols={protocol.id: protocol})
    found = board_bibtex(sources, board_table(sources, protocol)).decode()
    assert ("misc", "submission:fog") in entries(found)
    assert "passwd" not in found


@given(st.text(alphabet='@{}"\\,= \nmisctitleyear#$%&', max_size=60))
def test_bibtex_either_passes_balanced_or_is_refused(text: str) -> None:
    try:
        found = parse_bibtex(f"@misc{{k, title = {{{text}}}}}")
    except NotPlainBibtex:
        return
    for entry in found:
        for value in entry.fields.values():
            assert value.count("{") == value.count("}")
            assert not re.search(r"\\[a-zA-Z]{3,}(?!\{\})", re.sub(r"\\text[a-z]+\{\}", "", value))


@pytest.mark.parametrize("name", HOSTILE)
def test_bibtex_holds_hostile_names_as_text(tmp_path: Path, name: str) -> None:
    sources, table = hostile_table(tmp_path, name)
    text = board_bibtex(sources, table).decode()
    assert f"{{{{{latex_text(name)}}}}}" in text
    assert [key for _, key in entries(text)][:2] == ["board-ue-tiny-v1", "submission:fog"]


def test_downloads_are_the_same_in_any_order_of_submissions(sources: Sources) -> None:
    shuffled = Sources(
        protocols=sources.protocols,
        entries=tuple(reversed(sources.entries)),
        unlearning_protocols=sources.unlearning_protocols,
        unlearning_entries=tuple(reversed(sources.unlearning_entries)),
    )
    files = downloads(sources)
    assert PATH in files
    assert files == downloads(shuffled)


# What is remembered


@pytest.mark.parametrize("known", [(), ("ue-tiny-v1",), ("unlearning-tiny-v1",), ("ue-tiny-v1", "unlearning-tiny-v1")])
def test_boards_that_are_remembered_give_the_same_bytes(tmp_path: Path, known: tuple[str, ...]) -> None:
    protocols = write_both(tmp_path)
    earlier = read_sources(tmp_path, protocols=protocols, cache=tmp_path / "cache")
    for name in known:
        board_files(earlier, protocols[name])
    again = read_sources(tmp_path, protocols=protocols, cache=tmp_path / "cache")
    afresh = read_sources(tmp_path, protocols=protocols)
    assert measurements_parquet(again) == measurements_parquet(afresh)
    assert site_files(again) == site_files(afresh)


def test_what_is_remembered_of_a_board_is_what_was_worked_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    protocols = write_both(tmp_path)
    afresh = read_sources(tmp_path, protocols=protocols)
    tables = [board_table(afresh, protocols[name]) for name in sorted(protocols)]
    summaries = [summarize_board(table, exports_of(afresh, table)) for table in tables]
    streams = [board_measurements(afresh, table.protocol) for table in tables]
    earlier = read_sources(tmp_path, protocols=protocols, cache=tmp_path / "cache")
    for protocol in protocols.values():
        board_files(earlier, protocol)

    def work_out(*_: object) -> None:
        raise AssertionError("worked out again")

    monkeypatch.setattr("bench.leaderboard.exports.files.summarize_board", work_out)
    monkeypatch.setattr("bench.leaderboard.exports.parquet._rows", work_out)
    again = read_sources(tmp_path, protocols=protocols, cache=tmp_path / "cache")
    assert board_summaries(again) == summaries
    assert [board_measurements(again, table.protocol) for table in tables] == streams
    # Another run of a result is a reason to look again, at its board alone.
    haze = next(entry for entry in again.entries if entry.slug == "haze")
    write_result(haze.results[0].result, make_run(ended="2026-02-01T10:00:00Z"), haze.folder)
    changed = read_sources(tmp_path, protocols=protocols, cache=tmp_path / "cache")
    assert board_measurements(changed, protocols["unlearning-tiny-v1"]) == streams[1]
    with pytest.raises(AssertionError, match="worked out again"):
        board_measurements(changed, protocols["ue-tiny-v1"])
    with pytest.raises(AssertionError, match="worked out again"):
        board_summaries(changed)
