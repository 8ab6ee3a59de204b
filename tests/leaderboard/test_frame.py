from pathlib import Path

import numpy as np
import pytest
from factories import CLEAN, Found, make_result, make_run, write_board, write_submission
from protocol_factory import HEX, make_protocol

from bench.leaderboard.board import ranked_values
from bench.leaderboard.exports.table import board_table
from bench.leaderboard.frame import learnable_counts, sal_rows
from bench.leaderboard.sources import read_sources

PRIMARY = "resnet-narrow/none"


def test_a_board_table_has_a_value_for_each_shown_measurement(tmp_path: Path) -> None:
    protocol = write_board(tmp_path)
    table = board_table(read_sources(tmp_path, protocols={protocol.id: protocol}), protocol)
    # Submissions with results; metrics, worst cases, and matched UD of the defended condition.
    assert sum(len(row.values) for row in table.rows) == 5 * (7 + 2 + 8)
    fog = next(row for row in table.rows if row.slug == "fog")
    (found,) = (value for value in fog.values if value.metric == "test_accuracy" and value.primary)
    assert found.mean == pytest.approx(0.105)
    assert found.low == pytest.approx(0.105 - 4.302653 * 0.005 / 3**0.5, abs=1e-6)  # t(2, 0.975) = 4.302653


def test_what_a_board_ranks_by_leaves_seeds_that_were_not_run_open(tmp_path: Path) -> None:
    protocol = make_protocol()
    write_submission(tmp_path, "fog", results=[(make_result(protocol), make_run())])
    write_submission(tmp_path, "mist", results=[(make_result(protocol, tier="quick"), make_run())])
    sources = read_sources(tmp_path, protocols={protocol.id: protocol})
    table = ranked_values(sources, protocol)
    assert table.names == ("fog", "mist")
    assert table.values[:, 0].tolist() == [0.96, 0.97, 0.965]
    assert np.isfinite(table.values[:, 1]).tolist() == [True, False, False]


def test_learnable_counts_are_of_layers_above_the_threshold_of_the_same_seed() -> None:
    # Seed 0: SAL of layer d at epoch t is 2 / (t d), beta 0.6: 2, 1, 0.67 at epoch 1; 1 at 2; 0.67 at 3; none at 4.
    counts = learnable_counts(make_result(), PRIMARY)
    assert [count for (seed, _), count in counts.items() if seed == 0] == [3, 1, 1, 0]


def test_learnable_counts_are_empty_without_a_threshold() -> None:
    result = make_result()
    kept = tuple(item for item in result.outcome.measurements if item.metric != "beta")
    bare = result.model_copy(update={"outcome": result.outcome.model_copy(update={"measurements": kept})})
    assert learnable_counts(bare, PRIMARY) == {}
    assert {row.learnable for row in sal_rows(bare, PRIMARY)} == {None}


def test_the_full_tier_is_shown_before_a_later_quick_one(tmp_path: Path) -> None:
    protocol = make_protocol()
    full = (make_result(protocol), make_run(ended="2026-01-01T00:00:00Z"))
    quick = (make_result(protocol, tier="quick"), make_run(ended="2026-02-01T00:00:00Z"))
    write_submission(tmp_path, "fog", results=[full, quick])
    shown = read_sources(tmp_path, protocols={protocol.id: protocol}).entries[0].shown(protocol)
    assert shown is not None
    assert shown.result.subject.tier == "full"


def test_of_one_tier_the_latest_run_is_shown(tmp_path: Path) -> None:
    protocol = make_protocol()
    old = (make_result(protocol, CLEAN), make_run(ended="2026-03-01T00:00:00Z"))
    new = (make_result(protocol, Found((0.5, 0.51, 0.52))), make_run(ended="2026-03-02T00:00:00Z"))
    write_submission(tmp_path, "fog", results=[new, old])
    shown = read_sources(tmp_path, protocols={protocol.id: protocol}).entries[0].shown(protocol)
    assert shown is not None
    assert shown.result.id == new[0].id


def test_a_result_of_another_artifact_is_not_shown(tmp_path: Path) -> None:
    protocol = make_protocol()
    other = make_result(protocol, digest=HEX[::-1])
    write_submission(tmp_path, "fog", results=[(other, make_run())])
    entry = read_sources(tmp_path, protocols={protocol.id: protocol}).entries[0]
    assert entry.results[0].result == other
    assert entry.shown(protocol) is None


def test_a_result_of_the_pinned_artifact_is_shown_before_a_later_one_of_another(tmp_path: Path) -> None:
    protocol = make_protocol()
    mine = (make_result(protocol), make_run(ended="2026-01-01T00:00:00Z"))
    other = (make_result(protocol, digest=HEX[::-1]), make_run(ended="2026-02-01T00:00:00Z"))
    write_submission(tmp_path, "fog", results=[mine, other])
    shown = read_sources(tmp_path, protocols={protocol.id: protocol}).entries[0].shown(protocol)
    assert shown is not None
    assert shown.result == mine[0]


def test_a_reference_without_artifact_shows_no_result_of_one(tmp_path: Path) -> None:
    protocol = make_protocol()
    write_submission(tmp_path, "clean", family="reference", results=[(make_result(protocol), make_run())])
    assert read_sources(tmp_path, protocols={protocol.id: protocol}).reference(protocol) is None


def test_submissions_that_cannot_be_read_are_left_out_with_a_reason_each(tmp_path: Path) -> None:
    write_submission(tmp_path, "fog")
    for slug, text in (("draft", 'schema = "bench.submission/1"\n'), ("torn", "slug = [")):
        folder = tmp_path / "submissions" / slug
        folder.mkdir()
        (folder / "submission.toml").write_text(text, encoding="utf-8")
    protocol = make_protocol()
    sources = read_sources(tmp_path, protocols={protocol.id: protocol})
    assert [entry.slug for entry in sources.entries] == ["fog"]
    draft, torn = read_sources(tmp_path).left_out
    assert sources.left_out == (draft, torn)
    assert draft.startswith(
        "submissions/draft: left out of the site: submission.toml: 8 validation errors for Manifest"
    )
    assert "the first at track;" in draft
    assert torn.startswith("submissions/torn: left out of the site: ")
    assert all("bench validate" in line and "\n" not in line for line in (draft, torn))


def test_a_result_of_another_wording_of_the_protocol_is_not_shown(tmp_path: Path) -> None:
    old, new = make_protocol(), make_protocol(budgets={"linf": 16})
    write_submission(tmp_path, "fog", results=[(make_result(old), make_run())])
    assert read_sources(tmp_path, protocols={new.id: new}).entries[0].shown(new) is None
