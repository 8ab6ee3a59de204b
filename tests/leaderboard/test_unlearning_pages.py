"""Pages of the unlearning track: what they say, that they say it safely, and that both tracks stay apart."""

import csv
import html
import io
import json
import re
from pathlib import Path

import pytest
from factories import write_board
from justhtml import JustHTML
from leaderboard import test_pages as ue_pages
from leaderboard.conftest import Built
from protocol_factory import make_protocol
from unlearning_factory import (
    METHODS,
    Left,
    make_checkpoint_result,
    make_unlearning_protocol,
    write_unlearner,
    write_unlearning_board,
)

from bench.leaderboard.building import build_files
from bench.leaderboard.wording import show
from bench.metrics.catalog import METRICS

BOARD = "unlearning/unlearning-tiny-v1/index.html"
CSV = "unlearning/unlearning-tiny-v1/unlearning-tiny-v1.csv"
GD = "submissions/gd-tiny/index.html"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A small board of each track in one site."""
    root = tmp_path_factory.mktemp("both")
    ue, unlearning = write_board(root), write_unlearning_board(root)
    return Built(root, ue, build_files(root, protocols={ue.id: ue, unlearning.id: unlearning}))


def words(text: str) -> str:
    """Return what a reader sees, every kind of space as one."""
    return html.unescape(ue_pages.words(text))


def rows_of(text: str) -> list[str]:
    return [words(row) for row in ue_pages.rows_of(text, "board")]


def shown(slug: str, metric: str, label: str = "gaussian") -> str:
    """Return a number of a method as a page has to show it."""
    result = make_checkpoint_result(METHODS[slug], slug)
    found = show(METRICS[metric], result.measurement(metric, label))
    return words(f"{found.text} {found.interval}")


def test_rows_are_what_keeps_accuracy_what_does_not_references_and_the_rest(both: Built) -> None:
    rows = rows_of(both.text(BOARD))
    starts = [
        "Within 1 percentage point of the accuracy of retraining",
        "1 GD tuning on retained data",
        "Lose more than 1 percentage point of accuracy",
        "2 GA tuning on retained data",
        "References: what every method is read against",
        "original ORIGINAL reference",
        "retrained RETRAIN reference",
        "retrained again RETRAIN-SECOND reference",
        "Not ranked",
        "unranked UNMEASURED tuning on retained data not measured yet",
    ]
    assert len(rows) == len(starts)
    assert all(row.startswith(start) for row, start in zip(rows, starts, strict=True))


def test_a_row_says_what_is_left_at_what_accuracy_and_cost(both: Built) -> None:
    row = rows_of(both.text(BOARD))[1]
    assert "left p < 0.0001" in row
    for metric in ("gus", "gus_tpr_01", "checkpoint_test_accuracy", "tow", "mia_gap"):
        assert shown("gd-tiny", metric) in row, metric
    assert row.endswith(f"{show_only('gd-tiny', 'compute_share')} 3 full tier")


def show_only(slug: str, metric: str) -> str:
    result = make_checkpoint_result(METHODS[slug], slug)
    return words(show(METRICS[metric], result.measurement(metric, "gaussian")).text)


def test_each_verdict_has_its_words(both: Built) -> None:
    rows = rows_of(both.text(BOARD))
    found = {name: next(row for row in rows if f" {name} " in row) for name in ("GD", "GA", "ORIGINAL", "RETRAIN")}
    assert "over-unlearned p < 0.0001" in found["GA"]
    assert "left p < 0.0001" in found["ORIGINAL"]
    # 360 scores with mean 0 and standard deviation near 1 leave |GUS| up to 1.65 / sqrt(360) = 0.09.
    assert "gone within \u00b10.1 |GUS| at most 0.09" in found["RETRAIN"]


def test_the_words_above_the_table_follow_from_the_numbers(both: Built, tmp_path: Path) -> None:
    text = words(both.text(BOARD))
    assert "Closest to retraining, among methods within 1 percentage point of its accuracy: GD, at a distance" in text
    assert "1 method costs more than 1 percentage point of test accuracy against retraining" in text
    assert "Gaussian noise: left by GD; over-unlearned by GA." in text
    for slug in ("original", "retrain"):
        write_unlearner(tmp_path, slug)
    write_unlearner(tmp_path, "ga-tiny")
    protocol = make_unlearning_protocol()
    alone = words(build_files(tmp_path, protocols={protocol.id: protocol})[BOARD].decode())
    assert "No ranked method keeps the test accuracy of retraining within 1 percentage point" in alone
    assert "Closest to retraining" not in alone


def test_a_tie_for_the_lead_is_said(tmp_path: Path) -> None:
    for slug in ("original", "retrain"):
        write_unlearner(tmp_path, slug)
    for slug in ("one-tiny", "two-tiny"):
        write_unlearner(tmp_path, slug, Left(gus=0.5, patch=0.4))
    protocol = make_unlearning_protocol()
    text = words(build_files(tmp_path, protocols={protocol.id: protocol})[BOARD].decode())
    assert "The seeds cannot tell it apart from TWO." in text
    assert "1 to 2 tie A" in text


def test_an_empty_track_says_so(tmp_path: Path) -> None:
    protocol = make_unlearning_protocol()
    files = build_files(tmp_path, protocols={protocol.id: protocol})
    assert "No ranked submission yet, so nothing leads." in words(files[BOARD].decode())
    assert "has not been measured yet" in words(files[BOARD].decode())
    assert "No ranked submission yet." in words(files["unlearning/index.html"].decode())


def test_home_page_and_menu_lead_to_the_board(both: Built) -> None:
    home = both.text("index.html")
    assert f'href="{BOARD}"' in home
    assert 'href="unlearning/index.html"' in home
    assert all('unlearning/index.html"' in text for name, text in both.pages.items() if name != "404.html")


def test_no_submission_is_on_a_board_of_the_other_track(both: Built) -> None:
    ue, unlearning = both.text("ue/ue-tiny-v1/index.html"), both.text(BOARD)
    assert "submissions/gd-tiny/" not in ue
    assert "submissions/fog/" not in unlearning
    assert b"gd-tiny" not in both.files["ue/ue-tiny-v1/ue-tiny-v1.csv"]
    assert b",fog," not in both.files[CSV]


def test_a_result_of_other_checkpoints_is_listed_and_never_shown(tmp_path: Path) -> None:
    protocol = make_unlearning_protocol()
    foreign = make_checkpoint_result(METHODS["gd-tiny"], "gd-tiny")
    write_unlearner(tmp_path, "thief", results=[foreign], unlearner="gd")
    files = build_files(tmp_path, protocols={protocol.id: protocol})
    assert "unranked GD tuning on retained data not measured yet" in words(files[BOARD].decode())
    assert "of another artifact, not on the board" in files["submissions/thief/index.html"].decode()
    assert b",thief," not in files[CSV]


def test_a_quick_result_is_shown_without_a_rank(tmp_path: Path) -> None:
    protocol = make_unlearning_protocol()
    quick = make_checkpoint_result(METHODS["gd-tiny"], "gd-tiny", tier="quick")
    write_unlearner(tmp_path, "gd-tiny", results=[quick])
    text = words(build_files(tmp_path, protocols={protocol.id: protocol})[BOARD].decode())
    assert "unranked GD" in text
    assert "one seed, no interval" in text
    assert "too few seeds to rank" in text


def test_what_has_no_score_is_a_status_and_never_a_rank(tmp_path: Path) -> None:
    protocol = make_unlearning_protocol()
    broken = make_checkpoint_result(METHODS["gd-tiny"], "gd-tiny", drop=("gus", "compute_share"))
    write_unlearner(tmp_path, "gd-tiny", results=[broken])
    text = words(build_files(tmp_path, protocols={protocol.id: protocol})[BOARD].decode())
    assert "No distance to retraining on every probe" in text
    assert "gus has no value for gaussian/0" in text
    assert "not reported" in text


def test_submission_page_has_every_metric_beside_both_references(both: Built) -> None:
    text = words(both.text(GD))
    result = make_checkpoint_result(METHODS["gd-tiny"])
    for item in result.outcome.measurements:
        assert METRICS[item.metric].label in text, item.metric
    mine, before, after = (show_only(slug, "gus") for slug in ("gd-tiny", "original", "retrain"))
    gus = result.measurement("gus", "gaussian")
    assert f"{mine} {show(METRICS['gus'], gus).interval} {before} {after}" in text


def test_submission_page_has_recipe_disclosure_controls_and_standing(both: Built) -> None:
    text = words(both.text(GD))
    assert "Rank 1 of 2, by the distance to retraining on its worst probe; it keeps the test accuracy" in text
    assert "learning_rate 0.01" in text
    assert "Settings that were tried 12" in text
    assert "Kept canaries: positive control, still in the training data 120 1.20" in text
    assert "They are still remembered, as they must be" in text
    assert "That is compatible with 0, as it must be." in text
    assert "This is a reference (original)" in words(both.text("submissions/original/index.html"))
    assert "The network reacts against noise that it was to keep" in words(both.text("submissions/ga-tiny/index.html"))


def test_rates_of_the_curve_are_counted_by_hand(both: Built) -> None:
    table = both.text(GD).split('id="unlearning-tiny-v1-roc-table-caption"')[1].split("</table>")[0]
    curves = [cell.gaussian for cell in make_checkpoint_result(METHODS["gd-tiny"]).checkpoint_cells if cell.gaussian]
    scores = [score for curve in curves for score in curve.forget]
    above = sum(score > 2.3263478740408408 for score in scores) / len(scores)
    assert f"0.01 {above:.4f} (" in words(table)


def test_protocol_page_has_probes_budget_and_recipe(both: Built) -> None:
    text = words(both.text("protocols/unlearning-tiny-v1/index.html"))
    assert "Gaussian noise primary, worst case 120 1 3" in text
    assert "sigma 0.25" in text
    assert "10 % of the compute of training the original" in text
    assert "SGD with momentum 0.9" in text
    assert make_unlearning_protocol().sha256 in text


def test_csv_has_full_precision_ranks_and_pooled_values(both: Built) -> None:
    rows = list(csv.DictReader(io.StringIO(both.files[CSV].decode())))
    found = {(row["slug"], row["condition"], row["metric"]): row for row in rows}
    stored = make_checkpoint_result(METHODS["gd-tiny"]).measurement("gus_tpr_01", "gaussian")
    assert stored is not None
    rate = found["gd-tiny", "gaussian", "gus_tpr_01"]
    assert (rate["mean"], rate["over"], rate["rank_best"]) == (repr(stored.pooled), "items", "1")
    assert found["ga-tiny", "patch", "removal"]["keeps_accuracy"] == "false"
    assert found["retrain", "patch", "removal"]["rank_best"] == ""


def test_raw_results_are_copied_byte_for_byte(both: Built) -> None:
    stored = next((both.root / "submissions/gd-tiny/results/unlearning-tiny-v1").glob("*.json"))
    assert both.files[f"submissions/gd-tiny/unlearning-tiny-v1-{stored.name}"] == stored.read_bytes()


def test_a_second_rendering_gives_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        protocol = write_unlearning_board(tmp_path / name)
        made.append(build_files(tmp_path / name, protocols={protocol.id: protocol}))
    assert made[0] == made[1]


HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", "W" * 280)


def test_hostile_names_are_text_everywhere(tmp_path: Path) -> None:
    protocol = make_unlearning_protocol()
    for slug in ("original", "retrain"):
        write_unlearner(tmp_path, slug)
    for index, name in enumerate(HOSTILE):
        method = {"name": name, "summary": name}
        recipe = ({"protocol": protocol.id, "unlearner": name, "budget": 10, "settings": {"note": name}},)
        write_unlearner(
            tmp_path, f"bad-{index}", METHODS["gd-tiny"], method=method, recipe=recipe, authors=({"name": name},)
        )
    files = build_files(tmp_path, protocols={protocol.id: protocol})
    for index, name in enumerate(HOSTILE):
        for path in ("index.html", "unlearning/index.html", BOARD, f"submissions/bad-{index}/index.html"):
            text = files[path].decode()
            assert "<script>alert" not in text
            assert "<img src=x" not in text
            titles = [node.to_text() for node in JustHTML(text, sanitize=False).query("tbody th, h1")]
            assert any(name in title for title in titles), (path, name)


def test_pages_are_valid_without_double_ids_inline_styles_or_dead_links(both: Built) -> None:
    for name, text in both.pages.items():
        ids = [node.attrs["id"] for node in JustHTML(text, strict=True, sanitize=False).query("[id]")]
        assert len(ids) == len(set(ids)), name
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=", text), name
        for body in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL):
            json.loads(body)
        for target in re.findall(r'(?:href|src)="([^"#]+)"', text):
            if not target.startswith(("https://", "data:")):
                assert ue_pages.resolve(name, target) in both.files, f"{name}: {target}"


def test_ue_protocols_alone_still_render(tmp_path: Path) -> None:
    protocol = make_protocol()
    files = build_files(tmp_path, protocols={protocol.id: protocol})
    assert "No protocol is defined yet" in files["unlearning/index.html"].decode()
