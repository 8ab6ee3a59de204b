import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urldefrag

import pytest
from factories import CLEAN, Found, make_result, make_run, write_board, write_submission
from justhtml import JustHTML
from leaderboard.conftest import Built
from protocol_factory import HEX, make_protocol, make_wide_protocol

from bench.errors import UsageProblem
from bench.leaderboard.building import build_files, render_site, stale_files
from bench.leaderboard.reference_pages import protocol_contexts
from bench.leaderboard.sources import Sources
from bench.protocol import protocol_ids
from bench.results import Measurement

BOARD = "ue/ue-tiny-v1/index.html"
LONG = "W" * 280


def rows_of(text: str, table: str) -> list[str]:
    body = text.split(f'id="{table}"')[1].split("</table>", maxsplit=1)[0]
    return body.split("<tbody")[1:] and re.findall(r"<tr.*?</tr>", "".join(body.split("<tbody")[1:]), re.DOTALL)


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_board_page_is_the_golden_one(built: Built, golden: Callable[[str, bytes], None]) -> None:
    # Drawings and names of shared files change with the libraries; what the page says does not.
    text = re.sub(r"<svg.*?</svg>", "<svg></svg>", built.text(BOARD), flags=re.DOTALL)
    golden("board.html", re.sub(r"\.[0-9a-f]{16}\.", ".HASH.", text).encode())


def test_a_protocol_page_says_which_images_are_pinned(tmp_path: Path) -> None:
    pinned = make_protocol().dataset
    loose = pinned.model_copy(update={"train": pinned.train.model_copy(update={"sha256": None})})
    protocol = make_protocol(dataset=loose.model_dump())
    text = words(build_files(tmp_path, protocols={protocol.id: protocol})["protocols/ue-tiny-v1/index.html"].decode())
    assert "Training digest not pinned; measured when something is evaluated" in text
    assert f"Test digest {pinned.test.sha256}" in text


def test_a_second_rendering_gives_the_same_bytes(built: Built, tmp_path: Path) -> None:
    protocol = write_board(tmp_path / "elsewhere")
    assert build_files(tmp_path / "elsewhere", protocols={protocol.id: protocol}) == built.files


def test_board_lists_ranked_entries_then_anchors_then_what_is_not_measured(built: Built) -> None:
    rows = [words(row) for row in rows_of(built.text(BOARD), "board")]
    assert [re.search(r"Fog|Mist|Haze|Clean|Random noise|Rime", row).group() for row in rows] == [  # type: ignore[union-attr]
        "Fog",
        "Mist",
        "Haze",
        "Clean",
        "Random noise",
        "Rime",
    ]
    ranked = "1 to 3 tie A Fog synthetic shortcut 10.5 % 9.3 to 11.7 52.8 % 52.1 to 53.4 86.0 points 83.5 to 88.5"
    assert rows[0].startswith(ranked)
    assert rows[2].startswith("1 to 3 tie A Haze")
    assert rows[3].startswith("reference Clean")
    assert rows[5].count("not measured yet") == 5


def test_control_says_whether_it_shows_an_effect(built: Built) -> None:
    # Drops of 0.5, 0.2 and 0.1 points: mean 0.27, half width 2.484 * 0.21 = 0.52, all within 3 points.
    for name in (BOARD, "submissions/random/index.html"):
        assert "the control shows no effect larger than 3 points, as it must not" in built.text(name)
    assert "cost less than 3 points" in built.text("read/index.html")


def test_submission_page_states_the_drop_with_its_interval(built: Built) -> None:
    text = words(built.text("submissions/fog/index.html"))
    assert "Fog lowers clean test accuracy by 86.0 points against Clean (95 % interval 83.5 to 88.5)." in text
    assert "Rank 1 to 3 of 3" in text
    assert "declared class-wise, measured class-wise" in text


def test_submission_page_lists_every_stored_result_and_its_state(built: Built) -> None:
    rows = built.text("submissions/mist/index.html").split('id="stored-caption"')[1]
    assert rows.count("<td>shown</td>") == 1
    assert rows.count("<td>superseded</td>") == 1


def test_a_result_of_another_submission_is_listed_and_never_ranked(tmp_path: Path) -> None:
    protocol = write_board(tmp_path)
    text = (tmp_path / "submissions/rime/submission.toml").read_text(encoding="utf-8")
    (tmp_path / "submissions/rime/submission.toml").write_text(text.replace(HEX, HEX[::-1]), encoding="utf-8")
    shutil.copytree(tmp_path / "submissions/fog/results", tmp_path / "submissions/rime/results")
    files = build_files(tmp_path, protocols={protocol.id: protocol})
    rime = next(words(row) for row in rows_of(files[BOARD].decode(), "board") if "Rime" in row)
    assert rime.startswith("unranked Rime")
    assert "10.5" not in rime
    page = files["submissions/rime/index.html"].decode()
    assert "<td>of another artifact, not on the board</td>" in page
    assert "no result that the board can show is stored" in page
    assert b",rime," not in files["ue/ue-tiny-v1/ue-tiny-v1.csv"]


def test_an_unfinished_submission_does_not_stop_the_rendering(tmp_path: Path) -> None:
    protocol = write_board(tmp_path)
    (tmp_path / "submissions/draft").mkdir()
    (tmp_path / "submissions/draft/submission.toml").write_text("", encoding="utf-8")
    files = build_files(tmp_path, protocols={protocol.id: protocol})
    assert "submissions/fog/index.html" in files
    assert "submissions/draft/index.html" not in files


def test_intervals_are_cut_on_pages_and_whole_in_the_csv(tmp_path: Path) -> None:
    protocol = make_protocol()
    result = make_result(protocol, Found((0.999, 1.0, 1.0)))
    write_submission(tmp_path, "fog", results=[(result, make_run())])
    files = build_files(tmp_path, protocols={protocol.id: protocol})
    assert "99.8 to 100.0" in files[BOARD].decode()
    stored = result.measurement("test_accuracy", protocol.primary.label)
    assert stored is not None
    assert stored.ci95 is not None
    assert stored.ci95[1] > 1
    assert repr(stored.ci95[1]) in files["ue/ue-tiny-v1/ue-tiny-v1.csv"].decode()


def test_pages_on_sal_say_when_it_is_measured(built: Built) -> None:
    sentence = "not after every epoch"
    for name in ("metrics/ud/index.html", "protocols/ue-tiny-v1/index.html"):
        assert sentence in words(built.text(name))
    assert sentence not in words(built.text("metrics/test_accuracy/index.html"))


def test_unbounded_changes_are_named_where_a_protocol_admits_them(built: Built, tmp_path: Path) -> None:
    page = "protocols/ue-tiny-v1/index.html"
    assert "Unbounded not allowed" in words(built.text(page))
    protocol = make_protocol(budgets={"linf": 32, "unbounded": True})
    folder = write_submission(tmp_path, "fog", results=[(make_result(protocol), make_run())])
    manifest = folder / "submission.toml"
    manifest.write_text(manifest.read_text().replace('norm = "linf"', 'norm = "unbounded"'))
    files = build_files(tmp_path, protocols={protocol.id: protocol})
    assert "Unbounded allowed, a class of its own" in words(files[page].decode())
    assert "L-infinity 32/255 and unbounded" in words(files["submit/index.html"].decode())
    assert "Budget it claims to keep none (unbounded)" in words(files["submissions/fog/index.html"].decode())


def test_a_protocol_page_has_every_recipe_and_the_published_search() -> None:
    protocol = make_wide_protocol()
    other = {"lenet5": protocol.recipe.model_copy(update={"optimizer": "adam", "batch_size": 32})}
    protocol = protocol.model_copy(update={"recipes": other})
    page = protocol_contexts(Sources({protocol.id: protocol}, ()), protocol)[0]
    groups = {heading: {fact.term: fact.text for fact in facts} for heading, facts in page.groups}
    assert groups["Training recipe"]["Optimizer"] == "SGD with momentum 0.9"
    assert groups["Training recipe of lenet5"]["Batch size"] == "32"
    assert groups["Training recipe of lenet5"]["Optimizer"].startswith("Adam")
    assert groups["Sharpness-Aware Learnability"]["Published search"].startswith("seeds 1 and 2 of")
    assert groups["Budgets"]["Unbounded"] == "not allowed"


def test_the_page_for_missing_addresses_needs_no_other_file_and_finds_home_from_any_page(built: Built) -> None:
    text = built.text("404.html")
    assert not re.search(r"<script|stylesheet|assets/", text)
    ways = re.findall(r'href="((?:\.\./)*)index\.html"', text)
    # Served in place of a page that is gone, it has to reach the front page from wherever a page can lie.
    assert {name.count("/") for name in built.pages} <= {way.count("../") for way in ways}


def test_no_page_speaks_of_a_diagonal_that_is_not_drawn(built: Built) -> None:
    assert "diagonal" not in built.text(BOARD)


def test_raw_results_are_copied_byte_for_byte(built: Built) -> None:
    stored = next((built.root / "submissions/fog/results/ue-tiny-v1").glob("*.json"))
    assert built.files[f"submissions/fog/ue-tiny-v1-{stored.name}"] == stored.read_bytes()


def test_one_seed_ties_everything_and_the_page_says_so(tmp_path: Path) -> None:
    protocol = make_protocol()
    for slug, level in (("fog", 0.1), ("mist", 0.9)):
        result = make_result(protocol, Found((level,)), tier="quick")
        write_submission(tmp_path, slug, results=[(result, make_run())])
    text = words(build_files(tmp_path, protocols={protocol.id: protocol})[BOARD].decode())
    assert "1 to 2 tie A Fog" in text
    assert "one seed, no interval" in text
    assert "One seed tells nothing apart" in text


def test_a_failed_primary_metric_is_a_status_and_never_a_rank(tmp_path: Path) -> None:
    protocol = make_protocol()
    failed = Measurement(
        metric="test_accuracy", condition=protocol.primary.label, status="failed", reason="loss is not finite"
    )
    write_submission(tmp_path, "fog", results=[(make_result(protocol, CLEAN, change=[failed]), make_run())])
    text = words(build_files(tmp_path, protocols={protocol.id: protocol})[BOARD].decode())
    assert "unranked Fog synthetic shortcut failed loss is not finite" in text
    assert "No ranked submission yet." in text


def test_an_empty_repository_renders_with_the_bundled_protocols(tmp_path: Path) -> None:
    files = build_files(tmp_path)
    assert all(f"ue/{name}/index.html" in files for name in protocol_ids())
    assert "No ranked submission yet" in files["index.html"].decode()


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", LONG, "שלום"]
)
def test_hostile_names_are_text_everywhere(tmp_path: Path, name: str) -> None:
    protocol = make_protocol()
    run = make_run(command=("bench", name), hardware={name: name})
    write_submission(tmp_path, "fog", name=name, summary=name, author=name, results=[(make_result(protocol), run)])
    files = build_files(tmp_path, protocols={protocol.id: protocol})
    for path in ("index.html", BOARD, "submissions/fog/index.html"):
        text = files[path].decode()
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        titles = [node.to_text() for node in JustHTML(text, sanitize=False).query("tbody th, h1")]
        assert any(name in title for title in titles)


def test_formulas_are_disarmed_in_spreadsheets(tmp_path: Path) -> None:
    protocol = make_protocol()
    reason = Measurement(metric="ud", condition=protocol.primary.label, status="failed", reason="=cmd()")
    write_submission(tmp_path, "fog", results=[(make_result(protocol, change=[reason]), make_run())])
    table = build_files(tmp_path, protocols={protocol.id: protocol})["ue/ue-tiny-v1/ue-tiny-v1.csv"].decode()
    assert ",'=cmd()," in table


def test_every_page_is_valid_html_without_double_ids(built: Built) -> None:
    for name, text in built.pages.items():
        document = JustHTML(text, strict=True, sanitize=False)
        ids = [node.attrs["id"] for node in document.query("[id]")]
        assert len(ids) == len(set(ids)), name


def test_no_page_has_inline_style_or_script_but_data(built: Built) -> None:
    for name, text in built.pages.items():
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=", text), name
        for attributes, body in re.findall(r"<script([^>]*)>(.*?)</script>", text, re.DOTALL):
            if "application/json" in attributes:
                json.loads(body)
            else:
                assert "src=" in attributes, name
                assert body == "", name


def test_every_link_resolves(built: Built) -> None:
    for name, text in built.pages.items():
        for target in re.findall(r'(?:href|src|data-charts)="([^"]*)"', text):
            if target.startswith(("https://", "data:")):
                continue
            path, fragment = urldefrag(unquote(target))
            resolved = resolve(name, path) if path else name
            assert resolved in built.files, f"{name}: {target}"
            if fragment:
                assert f'id="{fragment}"' in built.text(resolved), f"{name}: {target}"


def test_links_to_elsewhere_are_https_only(built: Built) -> None:
    for text in built.pages.values():
        assert not re.search(r'href="(?!https://|data:,|#)[a-z]+:', text)


def test_tables_have_captions_and_scopes(built: Built) -> None:
    for name, text in built.pages.items():
        document = JustHTML(text, sanitize=False)
        assert len(document.query("table")) == len(document.query("table > caption")), name
        assert all(node.attrs.get("scope") in ("row", "col") for node in document.query("th")), name


def test_rendering_leaves_foreign_files_alone_and_removes_its_own(tmp_path: Path) -> None:
    protocol, out = write_board(tmp_path), tmp_path / "site"
    out.mkdir()
    (out / ".gitkeep").touch()
    (out / "CNAME").write_text("example.org", encoding="utf-8")
    render_site(tmp_path, out, protocols={protocol.id: protocol})
    assert (out / "submissions/fog/index.html").is_file()
    (tmp_path / "submissions/fog/submission.toml").unlink()
    render_site(tmp_path, out, protocols={protocol.id: protocol})
    assert not (out / "submissions/fog").exists()
    assert (out / ".gitkeep").is_file()
    assert (out / "CNAME").read_text(encoding="utf-8") == "example.org"


def test_rendering_refuses_to_overwrite_a_file_it_did_not_write(tmp_path: Path) -> None:
    protocol, out = write_board(tmp_path), tmp_path / "site"
    out.mkdir()
    (out / "index.html").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageProblem, match=r"index\.html"):
        render_site(tmp_path, out, protocols={protocol.id: protocol})
    assert (out / "index.html").read_text(encoding="utf-8") == "mine"


def test_stale_files_names_what_is_missing_changed_and_left_over(tmp_path: Path) -> None:
    protocol, out = write_board(tmp_path), tmp_path / "site"
    known = {protocol.id: protocol}
    render_site(tmp_path, out, protocols=known)
    assert stale_files(tmp_path, out, protocols=known) == []
    (out / "index.html").write_text("changed", encoding="utf-8")
    (out / "404.html").unlink()
    (tmp_path / "submissions/rime/submission.toml").unlink()
    found = stale_files(tmp_path, out, protocols=known)
    assert {"404.html: missing", "index.html: differs", "submissions/rime/index.html: left over"} <= set(found)


def test_a_listing_that_points_outside_is_refused(tmp_path: Path) -> None:
    protocol, out = write_board(tmp_path), tmp_path / "site"
    out.mkdir()
    (out / ".rendered.jsonl").write_text('["x","",{"../submissions/fog/submission.toml":1}]\n', encoding="utf-8")
    with pytest.raises(UsageProblem, match="outside the folder"):
        render_site(tmp_path, out, protocols={protocol.id: protocol})
    assert (tmp_path / "submissions/fog/submission.toml").is_file()


def resolve(page: str, target: str) -> str:
    """Return the path in the site that a relative link on a page leads to."""
    parts: list[str] = []
    for part in (PurePosixPath(page).parent / target).parts:
        if part == "..":
            # The page for missing addresses is served at deeper ones, and a browser climbs no further than the top.
            if parts or page != "404.html":
                parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)
