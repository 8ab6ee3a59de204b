"""Hostile strings through the whole site: text in every kind of file that it has, and never anything else."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pandas as pd
import pytest
from factories import Found, make_result, make_run, write_submission
from justhtml import JustHTML
from leaderboard.both import HOSTILE, REFUSED, build_undrawn
from markdown_it import MarkdownIt
from protocol_factory import make_protocol
from unlearning_factory import make_unlearning_protocol, write_unlearner

from bench.errors import CorruptResult
from bench.leaderboard.exports.latex import latex_text
from bench.leaderboard.sources import read_sources
from bench.protocol import Protocol
from bench.results import Measurement, Run

NAMES = {f"fog-{index}": name for index, name in enumerate(HOSTILE)}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A site whose every manifest, reason and run is hostile: one submission a name."""
    root = tmp_path_factory.mktemp("hostile")
    protocol, other = make_protocol(), make_unlearning_protocol()
    for index, (slug, name) in enumerate(NAMES.items()):
        level = 0.1 + 0.05 * index
        found = Found((level, level + 0.01, level - 0.01))
        results = [(make_result(protocol, found, change=[failed(protocol, name)]), run_of(name))]
        write_submission(root, slug, name=name, summary=name, author=name, results=results)
    write_submission(root, "late", results=[(make_result(protocol), make_run(ended=HOSTILE[0]))])
    for slug in ("original", "retrain"):
        write_unlearner(root, slug)
    write_unlearner(root, "gd-tiny", method={"name": HOSTILE[0], "summary": HOSTILE[5]})
    return build_undrawn(root, {protocol.id: protocol, other.id: other})


def failed(protocol: Protocol, reason: str) -> Measurement:
    return Measurement(metric="ud", condition=protocol.primary.label, status="failed", reason=reason)


def run_of(text: str) -> Run:
    return make_run(hardware={text: text, "cpu": text}, software={text: text}, command=(text, text))


@pytest.mark.parametrize("text", REFUSED)
def test_texts_that_do_not_print_are_refused_in_results_and_runs(tmp_path: Path, text: str) -> None:
    protocol = make_protocol()
    hidden = make_result(protocol, change=[failed(protocol, text)])
    for slug, result, run in (("fog", hidden, make_run()), ("mist", make_result(protocol), run_of(text))):
        write_submission(tmp_path / slug, slug, results=[(result, run)])
        with pytest.raises(CorruptResult) as error:
            read_sources(tmp_path / slug, protocols={protocol.id: protocol})
        assert str(error.value).isprintable()


def of_kind(files: dict[str, bytes], suffix: str) -> dict[str, str]:
    found = {path: content.decode() for path, content in files.items() if path.endswith(suffix)}
    assert found
    return found


def test_pages_hold_names_as_text(files: dict[str, bytes]) -> None:
    for path, text in of_kind(files, ".html").items():
        document = JustHTML(text, strict=True, sanitize=False)
        for node in document.query("script"):
            assert "src" in node.attrs or node.attrs.get("type") == "application/json", path
        assert not document.query("img[onerror]"), path
        assert not re.search("[\x00-\x08\u2028-\u202e\u2066-\u2069]", text), path
    changes = JustHTML(of_kind(files, "changes/index.html")["changes/index.html"], sanitize=False)
    shown = {node.to_text() for node in changes.query("section.changes li bdi")}
    assert {" ".join(name.split()) for name in HOSTILE} <= {" ".join(text.split()) for text in shown}


def test_csv_has_no_formula_and_every_name(files: dict[str, bytes]) -> None:
    names = set()
    for path, text in of_kind(files, ".csv").items():
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        names |= {row.get("name", "") for row in rows}
        for row in rows if path != "reported/reported.csv" else []:
            assert None not in row
            for key, value in row.items():
                if key not in ("mean", "low", "high"):
                    assert not value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")), (path, key)
    for name in HOSTILE:
        assert name in names or f"'{name}" in names


def strings(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value}
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set().union(*map(strings, children)) if children else set()


def test_json_holds_names_as_they_are(files: dict[str, bytes]) -> None:
    for path, text in of_kind(files, ".json").items():
        assert json.loads(text) is not None, path
    assert set(HOSTILE) <= strings(json.loads(files["api/v1/boards/ue-tiny-v1.json"]))
    for slug, name in NAMES.items():
        assert json.loads(files[f"api/v1/submissions/{slug}.json"])["manifest"]["method"]["name"] == name


def test_latex_and_bibtex_hold_no_command_of_a_name(files: dict[str, bytes]) -> None:
    for text in (*of_kind(files, ".tex").values(), *of_kind(files, ".bib").values()):
        assert not re.search(r"\\(input|include|write|def|catcode|csname)", text)
        body = re.sub(r"\\[\\{}%&#$_]", "", text)
        assert body.count("{") == body.count("}")
        assert all(character.isprintable() or character == "\n" for character in text)
    table = files["ue/ue-tiny-v1/ue-tiny-v1.tex"].decode()
    assert all(latex_text(name) in table for name in HOSTILE)


def test_markdown_holds_no_markup_of_a_name(files: dict[str, bytes]) -> None:
    for text in of_kind(files, ".md").values():
        for token in MarkdownIt("commonmark").enable("table").parse(text):
            assert "html" not in token.type
            for child in token.children or ():
                assert child.type in ("text", "text_special", "strong_open", "strong_close", "softbreak")


def test_pictures_and_feeds_parse_and_hold_no_script(files: dict[str, bytes]) -> None:
    badges = {path: text for path, text in of_kind(files, ".svg").items() if "badge" in path}
    assert len(badges) == len(HOSTILE) + 4
    for text in (*badges.values(), *of_kind(files, ".xml").values()):
        tags = {node.tag.partition("}")[2] for node in ET.fromstring(text).iter()}
        assert not tags & {"script", "foreignObject", "image", "a", "style"}
        assert not re.search(r"[\u202a-\u202e\u2028\u2029\x00-\x08]", text)
    summaries = ET.fromstring(files["changes/ue.xml"]).iter("{http://www.w3.org/2005/Atom}summary")
    texts = [node.text or "" for node in summaries]
    for name in HOSTILE:
        assert any(text.startswith(name) for text in texts)
    # A run that states no time is no change, and stops nothing.
    assert not any(text.startswith("Late") for text in texts)


def test_parquet_holds_names_and_reasons_as_they_are(files: dict[str, bytes], tmp_path: Path) -> None:
    frame = pd.read_parquet(io.BytesIO(files["downloads/measurements.parquet"]))
    assert set(HOSTILE) <= set(frame["name"])
    assert set(HOSTILE) == set(frame[frame["status"] == "failed"]["reason"])
