"""Comparisons: verdicts, wins by condition, reports and pages, and what a board owes its entries."""

import json
from pathlib import Path

import numpy as np
import pytest
from factories import Found, make_result, make_run, write_submission
from protocol_factory import make_condition, make_protocol
from unlearning_factory import Left, make_unlearning_protocol, write_unlearner

from bench.leaderboard.board import build_board
from bench.leaderboard.compare_page import compare_contexts, page_data
from bench.leaderboard.comparison import (
    Comparison,
    board_facts,
    compare,
    condition_labels,
    contestant,
    resolution_of,
    values_of,
    verdict_of,
)
from bench.leaderboard.comparison_report import (
    cells_words,
    comparison_record,
    difference_text,
    json_report,
    markdown_report,
    p_text,
    regressions,
    text_report,
)
from bench.leaderboard.environment import Renderer, static_assets
from bench.leaderboard.paired import LEVEL, Paired
from bench.leaderboard.sources import Sources, read_sources
from bench.leaderboard.unlearning_board import build_board as build_unlearning_board
from bench.metrics.catalog import METRICS
from bench.protocol import Protocol, SeedCount
from bench.records import canonical_bytes
from bench.unlearning_protocol import UnlearningProtocol

ROOT = Path(__file__).resolve().parent.parent.parent
EIGHT = make_protocol(
    id="ue-eight-v1", conditions=(make_condition(primary=True, full=8), make_condition(defense="jpeg", full=3))
)
SEEDS = np.random.default_rng(11).normal(0, 0.01, 8)


def level(mean: float) -> Found:
    return Found(tuple(round(float(mean + noise), 4) for noise in SEEDS * (1 + mean)))


METHODS = {
    "low": level(0.2),
    "near": Found(tuple(round(float(0.2 + noise), 4) for noise in SEEDS[::-1])),
    "high": level(0.6),
    "mid": level(0.4),
}


def write_eight(root: Path, slugs: tuple[str, ...] = ("low", "near", "high", "mid")) -> Sources:
    for slug in slugs:
        result = make_result(EIGHT, METHODS[slug], clean=level(0.9))
        write_submission(root, slug, protocols=(EIGHT.id,), results=[(result, make_run())])
    return read_sources(root, protocols={EIGHT.id: EIGHT})


def compared(sources: Sources, *slugs: str, metrics: tuple[str, ...] = ()) -> Comparison:
    entries = {entry.slug: entry for entry in sources.submissions}
    protocol = next(iter([*sources.protocols.values(), *sources.unlearning_protocols.values()]))
    facts = board_facts(sources, protocol)
    found = [contestant(entries[slug], protocol, slug, facts.ranks.get(slug, "")) for slug in slugs]
    return compare([item for item in found if item is not None], protocol, facts, metrics)


@pytest.fixture(scope="module")
def eight(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    return write_eight(tmp_path_factory.mktemp("eight"))


def test_a_lower_accuracy_is_better_and_the_other_way_worse(eight: Sources) -> None:
    better, worse = compared(eight, "high", "low").deciding, compared(eight, "low", "high").deciding
    assert better is not None
    assert worse is not None
    assert [better.differences[0].verdict, worse.differences[0].verdict] == ["better", "worse"]
    assert better.differences[0].paired.difference == pytest.approx(-(worse.differences[0].paired.difference or 0))


@pytest.mark.parametrize(
    ("metric", "difference", "verdict"),
    [
        ("test_accuracy", -0.1, "better"),
        ("test_accuracy", 0.1, "worse"),
        ("accuracy_drop", 0.1, "better"),
        ("retrain_distance", 0.1, "worse"),
        ("checkpoint_test_accuracy", 0.1, "better"),
        ("gus", -0.1, "lower"),
        ("gus", 0.1, "higher"),
    ],
)
def test_verdicts_follow_the_direction_of_the_metric(metric: str, difference: float, verdict: str) -> None:
    paired = Paired(tuple(range(8)), 0.5, 0.5 + difference, difference, 0.01, 0.0, 0.0, 0.001, 0.0078)
    assert verdict_of(METRICS[metric], paired, same=False) == verdict
    assert verdict_of(METRICS[metric], paired, same=True) == "same document"


@pytest.mark.parametrize(("p", "exact"), [(0.06, 0.01), (0.01, 0.06), (0.01, None), (None, 1.0)])
def test_both_tests_have_to_reject(p: float | None, exact: float | None) -> None:
    paired = Paired((0, 1, 2), 0.5, 0.6, 0.1, 0.01, 0.0, 0.2, p, exact)
    assert verdict_of(METRICS["test_accuracy"], paired, same=False) == "cannot tell"


def test_three_seeds_cannot_separate_and_say_why(eight: Sources) -> None:
    comparison = compared(eight, "low", "high")
    record = comparison_record(comparison)
    jpeg = next(line for line in record["lines"] if line["condition"].endswith("jpeg"))["differences"][0]
    assert jpeg["verdict"] == "cannot tell"
    assert jpeg["words"] == "cannot separate with n = 3 seeds: the exact test cannot go below p = 0.25"
    assert (jpeg["smallest_exact_p"], jpeg["detectable"]) == (0.25, None)
    assert "cannot separate, 3 seeds" in text_report([comparison])


def test_what_cannot_be_told_says_how_much_could_have_been_seen(eight: Sources) -> None:
    record = comparison_record(compared(eight, "low", "near"))
    found = record["lines"][0]["differences"][0]
    limit = difference_text(METRICS["test_accuracy"], found["detectable"], sign=False)
    assert found["words"] == f"cannot tell: differences below about {limit} cannot be seen with 8 seeds"
    assert found["board"] == "tied"
    # Of six pairs all but this one are apart, so nothing else is left to correct for.
    assert record["board"] == {"ranked": 4, "pairs": 6, "level": LEVEL}


def test_wins_and_losses_are_counted_where_tests_are_possible(eight: Sources) -> None:
    comparison = compared(eight, "low", "high", "mid")
    cells = comparison.cells[0]
    assert (cells.wins, cells.losses, cells.open, cells.ahead, cells.behind) == (0, 1, 1, 0, 2)
    assert [p is None for _, p in cells.adjusted] == [False, True]
    assert cells_words(comparison, cells) == (
        "high against low in test acc., 2 conditions: better in 0, worse in 1, open in 1, after Holm's correction over "
        "the 1 that have seeds enough for a test. By means alone: ahead in 0, behind in 2."
    )


def test_an_entry_against_itself_is_the_same_document(eight: Sources) -> None:
    comparison = compared(eight, "low", "low")
    assert {found.verdict for line in comparison.lines for found in line.differences} == {"same document"}
    assert regressions([comparison]) == []


def test_the_board_says_what_the_ranking_says(eight: Sources) -> None:
    board = build_board(eight, EIGHT)
    ranks = {row.slug: row.rank for row in board.ranked}
    facts = board_facts(eight, EIGHT)
    assert facts.ranks == ranks
    assert facts.between("low", "high") == "apart"
    assert facts.between("low", "stranger") == "not ranked"


def test_the_unlearning_track_is_decided_by_the_worst_probe(tmp_path: Path) -> None:
    probes = tuple(
        item.model_copy(update={"seeds": SeedCount(quick=1, full=8)}) for item in make_unlearning_protocol().probes
    )
    protocol = make_unlearning_protocol(probes=probes)
    lefts = {
        "near": Left(gus=0.3, patch=0.3),
        "far": Left(gus=0.9, patch=0.3),
        "lossy": Left(gus=0.1, patch=0.1, accuracy=0.8),
    }
    for slug in ("original", "retrain"):
        write_unlearner(tmp_path, slug, protocol=protocol)
    for slug, left in lefts.items():
        write_unlearner(tmp_path, slug, left, protocol=protocol, unlearner="gd")
    sources = read_sources(tmp_path, protocols={protocol.id: protocol})
    comparison = compared(sources, "near", "far", "lossy")
    assert comparison.primary == ("worst", "retrain_distance")
    assert comparison.deciding is not None
    first = comparison.deciding.differences[0]
    values = [item.values["worst", "retrain_distance"] for item in comparison.contestants]
    assert first.paired.mean_first == pytest.approx(sum(values[0].values()) / 8)
    assert first.verdict == "worse"
    assert comparison.board.between("near", "lossy") == "apart by rule"
    # The worst case itself is no probe: wins and losses count the two probes only.
    assert [label for label, _ in comparison.cells[0].adjusted] == ["gaussian", "patch"]
    assert resolution_of(METRICS["retrain_distance"], protocol) == 0.001


def test_one_test_image_is_the_step_of_shares_and_the_last_digit_that_of_others() -> None:
    assert resolution_of(METRICS["test_accuracy"], EIGHT) == 1 / 400
    assert resolution_of(METRICS["ud"], EIGHT) == 0.01


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (1.0, "1"), (0.0625, "0.062"), (0.0234, "0.023"), (0.00012, "0.00012"), (1e-9, "<0.0001")],
)
def test_p_values_have_two_digits(value: float | None, text: str) -> None:
    assert p_text(value) == text


def test_differences_carry_their_sign_and_no_sign_at_zero() -> None:
    metric = METRICS["test_accuracy"]
    assert [difference_text(metric, value) for value in (0.1234, -0.1234, 0.0001, -0.0001)] == [
        "+12.3 points",
        "\u221212.3 points",
        "0.0 points",
        "0.0 points",
    ]


def test_json_is_canonical_and_holds_the_record(eight: Sources) -> None:
    comparison = compared(eight, "low", "high")
    content = json_report([comparison])
    document = json.loads(content)
    assert content == canonical_bytes(document) + b"\n"
    assert document["comparisons"] == [comparison_record(comparison)]
    assert document["regressions"] == [[EIGHT.id, "high"]]


def test_markdown_is_one_table_a_protocol(eight: Sources) -> None:
    lines = markdown_report([compared(eight, "low", "high")]).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert lines[0] == f"## {EIGHT.id}: {EIGHT.title}"
    assert len({line.count("|") for line in table}) == 1
    assert len(table) == 2 + len(compared(eight, "low", "high").lines)


def test_a_hostile_name_is_no_markup(tmp_path: Path) -> None:
    write_eight(tmp_path)
    manifest = tmp_path / "submissions/low/submission.toml"
    text = manifest.read_text(encoding="utf-8").replace('name = "Low"', 'name = "<b>[x](y)|`z"')
    manifest.write_text(text, encoding="utf-8")
    report = markdown_report([compared(read_sources(tmp_path, protocols={EIGHT.id: EIGHT}), "low", "high")])
    assert r"\<b\>\[x\](y)\|\`z" in report
    assert "<b>" not in report


def scores(sources: Sources, protocol: Protocol | UnlearningProtocol) -> dict[str, tuple[object, ...]]:
    """All that a board says of each entry, but ranks and tie letters."""
    if isinstance(protocol, Protocol):
        board = build_board(sources, protocol)
        rows = [*board.ranked, *board.anchors, *board.unranked]
    else:
        other = build_unlearning_board(sources, protocol)
        rows = [*other.keeping, *other.losing, *other.anchors, *other.unranked]  # type: ignore[list-item]
    left_out = {"rank", "groups", "place"}
    return {
        row.slug: tuple(getattr(row, name) for name in row.__dataclass_fields__ if name not in left_out) for row in rows
    }


@pytest.mark.parametrize("gone", ["low", "high", "mid"])
def test_adding_or_removing_an_entry_moves_no_score_of_another(eight: Sources, gone: str) -> None:
    without = Sources(eight.protocols, tuple(entry for entry in eight.entries if entry.slug != gone))
    before, after = scores(eight, EIGHT), scores(without, EIGHT)
    assert before.pop(gone)
    assert after == before


def test_no_score_of_a_real_board_depends_on_other_entries() -> None:
    sources = read_sources(ROOT)
    for protocol in (sources.protocols["ue-digits-v1"], sources.unlearning_protocols["unlearning-digits-v1"]):
        before = scores(sources, protocol)
        for gone in list(before)[::4]:
            entry = next(item for item in sources.submissions if item.slug == gone)
            if entry.role == "reference":
                continue  # The anchor of all scores on a page; results name it by its cells.
            fewer = Sources(
                sources.protocols,
                tuple(item for item in sources.entries if item is not entry),
                unlearning_protocols=sources.unlearning_protocols,
                unlearning_entries=tuple(item for item in sources.unlearning_entries if item is not entry),
            )
            assert scores(fewer, protocol) == {slug: row for slug, row in before.items() if slug != gone}


def test_the_page_has_the_values_of_the_results_as_they_are_stored(eight: Sources) -> None:
    context = compare_contexts(eight, EIGHT)[0]
    labels = condition_labels(EIGHT)
    for item in context.data["entries"]:
        stored = next(entry for entry in eight.entries if entry.slug == item["slug"]).shown(EIGHT)
        assert stored is not None
        expected = values_of(stored.result, EIGHT)
        for place, metrics in item["values"].items():
            for index, values in metrics.items():
                key = context.data["metrics"][int(index)]["key"]
                found = dict(zip(item["seeds"][place], values, strict=True))
                assert {s: v for s, v in found.items() if v is not None} == expected[labels[int(place)], key]


def test_bits_of_the_page_say_which_pairs_the_board_separates(eight: Sources) -> None:
    context = compare_contexts(eight, EIGHT)[0]
    facts = board_facts(eight, EIGHT)
    slugs = [item["slug"] for item in context.data["entries"]]
    for item in context.data["entries"]:
        bits = int(item["apart"], 16)
        apart = {slug for place, slug in enumerate(slugs) if bits >> place & 1}
        assert apart == {slug for slug in slugs if facts.between(item["slug"], slug) == "apart"}
    assert context.data["level"] == LEVEL


def test_pairs_and_sides_of_the_page_agree_with_the_ranks(eight: Sources) -> None:
    context = compare_contexts(eight, EIGHT)[0]
    assert len(context.pairs) == 6
    for row in context.entries:
        best, worst = 1 + len(row.worse), 4 - len(row.better)
        assert row.rank == (str(best) if best == worst else f"{best} to {worst}")
        assert len(row.better) + len(row.tied) + len(row.worse) == 3


def test_a_board_of_five_hundred_entries_stays_within_half_a_megabyte(eight: Sources) -> None:
    generator = np.random.default_rng(0)
    facts = board_facts(eight, EIGHT)
    first = contestant(eight.entries[0], EIGHT, "low", "1", labels=(EIGHT.primary.label,))
    assert first is not None
    assert {label for label, _ in first.values} == {EIGHT.primary.label}
    many = [
        type(first)(
            f"method-{index}",
            f"Method {index}",
            "entry",
            first.result,
            {key: {seed: round(float(generator.random()), 6) for seed in found} for key, found in first.values.items()},
            str(index),
        )
        for index in range(500)
    ]
    assert len(json.dumps(page_data(many, EIGHT, facts))) < 500_000


def test_a_page_without_results_says_so(tmp_path: Path) -> None:
    sources = read_sources(tmp_path, protocols={EIGHT.id: EIGHT})
    context = compare_contexts(sources, EIGHT)[0]
    page = Renderer(str, static_assets(b"")).render("pages/compare.html", context).decode()
    assert "Fewer than two submissions are ranked" in page
    assert "compare-data" not in page
    assert "bench compare A B --protocol ue-eight-v1" in page


def test_a_name_that_closes_the_script_stays_a_name(tmp_path: Path) -> None:
    write_eight(tmp_path, ("low", "high"))
    manifest = tmp_path / "submissions/low/submission.toml"
    text = manifest.read_text(encoding="utf-8").replace('name = "Low"', 'name = "</script><script>alert(1)</script>"')
    manifest.write_text(text, encoding="utf-8")
    context = compare_contexts(read_sources(tmp_path, protocols={EIGHT.id: EIGHT}), EIGHT)[0]
    page = Renderer(str, static_assets(b"")).render("pages/compare.html", context).decode()
    assert "<script>alert" not in page
