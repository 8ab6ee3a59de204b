from collections.abc import Callable, Sequence
from typing import Any

import pytest
from factories import Found, make_result, make_run
from hypothesis import given, settings
from hypothesis import strategies as st
from leaderboard.shelved import InMemory, entry_in_memory, in_memory, known_by, unlearner_in_memory
from protocol_factory import HEX, make_condition, make_protocol
from unlearning_factory import Left, make_checkpoint_result, make_unlearning_manifest, make_unlearning_protocol

from bench.leaderboard.board import standings
from bench.leaderboard.changelog import MOST_MOVED, change_line, moved_sentence, newest_changes, rank_words
from bench.leaderboard.history import MOST_DAYS, BoardHistory, Change, timeline_of
from bench.leaderboard.history_figure import history_figures
from bench.leaderboard.moments import first_moment, last_moment, moment_of
from bench.leaderboard.sources import Entry, Sources, UnlearningEntry
from bench.leaderboard.unlearning_order import standings as unlearning_standings
from bench.protocol import Protocol, SeedCount
from bench.results import Result
from bench.unlearning_protocol import AnyProtocol

# Fewer than six seeds separate nothing.
SEEDS = 8
PROTOCOL = make_protocol(
    conditions=(make_condition(primary=True, full=SEEDS), make_condition(defense="jpeg", full=SEEDS))
)
UNLEARNING = make_unlearning_protocol(
    probes=tuple(
        item.model_copy(update={"seeds": SeedCount(quick=1, full=SEEDS)}) for item in make_unlearning_protocol().probes
    )
)

_MADE = [
    make_result(PROTOCOL, Found((level, round(level + 0.01, 6), round(level - 0.005 * wobble, 6))), tier=tier)
    for level in (0.1, 0.14, 0.3, 0.6)
    for wobble in (0, 3)
    for tier in ("full", "quick")
]
POOL = list({result.id: result for result in _MADE}.values())
"""Results that differ; of the quick tier, which has the first seed alone, there are fewer."""

CHECKPOINT_POOL = [
    make_checkpoint_result(Left(gus=gus, patch=0.5, accuracy=accuracy), protocol=UNLEARNING, tier=tier)
    for gus in (0.2, 0.5, 0.9)
    for accuracy in (0.965, 0.7)
    for tier in ("full", "quick")
]


def kept(result: Result, *days: int, slug: str = "fog", withdrawn: bool = False) -> InMemory:
    """A stored result with a run on each of these days of January."""
    runs = tuple(make_run(ended=f"2026-01-{day:02d}T12:00:00Z") for day in days)
    return in_memory(result, *runs, slug=slug, withdrawn=withdrawn)


entry = entry_in_memory


def unlearner(slug: str, *stored: InMemory) -> UnlearningEntry:
    """A submission of the checkpoints in the pool, whatever it is called."""
    manifest = make_unlearning_manifest("gd-tiny", protocol=UNLEARNING, unlearner="gd")
    return unlearner_in_memory(manifest.model_copy(update={"slug": slug}), *stored)


def sources_of(*entries: Entry) -> Sources:
    return Sources({PROTOCOL.id: PROTOCOL}, entries)


def history_of(*entries: Entry) -> BoardHistory:
    return BoardHistory(sources_of(*entries), PROTOCOL)


def sentences(history: BoardHistory) -> list[str]:
    return [line.sentence for line in newest_changes([history], 100)]


# Four seeds lie 1 point below the mean and four above: sd 1.07, half an interval 2.36 * 1.07 / sqrt(8) = 0.9 points.
LOW = make_result(PROTOCOL, Found((0.09, 0.11)))
MIDDLE = make_result(PROTOCOL, Found((0.29, 0.31)))
HIGH = make_result(PROTOCOL, Found((0.59, 0.61)))
QUICK = make_result(PROTOCOL, Found((0.20,)), tier="quick")


def test_moments_are_utc_or_nothing() -> None:
    assert moment_of("2026-01-31T01:30:00+02:00") == "2026-01-30T23:30:00Z"
    assert moment_of("2026-01-31T10:05:00.25Z") == "2026-01-31T10:05:00Z"
    for text in ("", "yesterday", "2026-01-31T10:05:00", "2026-13-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "<b>"):
        assert moment_of(text) == ""
    stored = kept(LOW, 3, 1, 2)
    assert (first_moment(stored)[:10], last_moment(stored)[:10]) == ("2026-01-01", "2026-01-03")
    assert first_moment(kept(LOW)) == last_moment(kept(LOW)) == ""


def test_changes_in_words_by_hand() -> None:
    fog = entry("fog", kept(QUICK, 1), kept(LOW, 4))
    mist = entry("mist", kept(MIDDLE, 2, slug="mist"))
    haze = entry("haze", kept(HIGH, 3, slug="haze"))
    history = history_of(fog, mist, haze)
    assert history.days == ("2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04")
    # One seed ties with everything; eight seeds that differ by 20 and more points do not.
    newest = (
        "has a new result on ue-tiny-v1: clean test accuracy 10.0\u202f% (9.1 to 10.9), was 20.0\u202f%; "
        "rank 1 of 3, was 1 to 3; full tier instead of quick (few seeds). The result before it is superseded."
    )
    assert sentences(history) == [
        newest,
        "joined ue-tiny-v1 at rank 2 to 3 of 3: clean test accuracy 60.0\u202f% (59.1 to 60.9).",
        "joined ue-tiny-v1 at rank 1 to 2 of 2: clean test accuracy 30.0\u202f% (29.1 to 30.9).",
        "joined ue-tiny-v1 at rank 1 of 1: clean test accuracy 20.0\u202f% (one seed, no interval).",
    ]
    assert moved_sentence(history, "2026-01-04") == (
        "Others moved because of this: Mist to rank 2, was 1 to 2; Haze to rank 3, was 2 to 3."
    )
    assert moved_sentence(history, "2026-01-01") == ""


def test_a_better_tier_stays_and_the_other_one_is_said_to_lie_beside() -> None:
    history = history_of(entry("fog", kept(LOW, 1), kept(QUICK, 2)))
    assert [change.kind for change in history.changes] == ["joined", "beside"]
    assert "quick (few seeds) tier; the board goes on showing the full one" in sentences(history)[0]


def test_an_earlier_result_that_is_found_again_is_shown_again() -> None:
    fog = entry("fog", kept(LOW, 1, 3), kept(MIDDLE, 2))
    history = history_of(fog)
    assert [change.kind for change in history.changes] == ["joined", "replaced", "returned"]
    assert [stored.result.id for _, stored in timeline_of(fog, PROTOCOL)] == [LOW.id, MIDDLE.id, LOW.id]
    assert fog.shown(PROTOCOL) == timeline_of(fog, PROTOCOL)[-1][1]
    newest = sentences(history)[0]
    assert newest.startswith("is shown with an earlier result again on ue-tiny-v1: clean test accuracy 10.0")
    assert "the same question, measured again, with another finding" in newest


def test_a_repeated_run_that_changes_nothing_is_no_change() -> None:
    assert len(history_of(entry("fog", kept(LOW, 1, 2, 3))).changes) == 1


def test_results_of_another_artifact_or_wording_are_named_and_never_ranked() -> None:
    other = make_result(PROTOCOL, Found((0.05, 0.05, 0.05)), digest=HEX[::-1])
    old = make_result(
        make_protocol(conditions=PROTOCOL.conditions, recipe={**PROTOCOL.recipe.model_dump(), "epochs": 5}),
        Found((0.1, 0.1, 0.1)),
    )
    history = history_of(entry("fog", kept(other, 1), kept(old, 2), kept(LOW, 3)))
    assert [change.kind for change in history.changes] == ["artifact", "wording", "joined"]
    assert history.ranks_on("2026-01-02") == {}
    assert history.ranks_on("2026-01-03") == {"fog": (1, 1)}
    assert "of another artifact than its manifest names; the board does not show it" in sentences(history)[2]
    assert "for an earlier wording of ue-tiny-v1; the board of today does not show it" in sentences(history)[1]


def test_withdrawn_results_are_named_and_never_ranked() -> None:
    fog = entry("fog", kept(LOW, 1, withdrawn=True), kept(MIDDLE, 3))
    mist = entry("mist", kept(HIGH, 2, slug="mist"))
    history = history_of(fog, mist)
    assert [(change.kind, change.entry.slug) for change in history.changes] == [
        *(("withdrawn", "fog"), ("joined", "mist"), ("joined", "fog"))
    ]
    assert sentences(history)[2] == "has a result on ue-tiny-v1 that was withdrawn since; the board does not show it."
    assert [line.shown for line in newest_changes([history], 9)] == [True, True, False]
    assert (history.ranks_on("2026-01-01"), history.ranks_on("2026-01-02")) == ({}, {"mist": (1, 1)})
    assert history.ranks_on("2026-01-03") == {"fog": (1, 1), "mist": (2, 2)}
    assert [stored.head.id for _, stored in timeline_of(fog, PROTOCOL)] == [MIDDLE.id]


def test_a_withdrawn_result_of_an_earlier_wording_is_of_an_earlier_wording() -> None:
    old = make_result(make_protocol(), Found((0.1, 0.1, 0.1)))
    history = history_of(entry("fog", kept(old, 1, withdrawn=True)))
    assert [change.kind for change in history.changes] == ["wording"]


def test_references_and_controls_are_measured_and_not_ranked() -> None:
    clean = make_result(PROTOCOL, digest=None)
    history = history_of(
        entry("clean", kept(clean, 1, slug="clean"), family="reference"),
        entry("random", kept(HIGH, 2, slug="random"), family="control"),
    )
    assert sentences(history)[1].startswith("was measured on ue-tiny-v1 as a reference: clean test accuracy 96.5")
    assert sentences(history)[0].startswith("was measured on ue-tiny-v1 as a control")
    assert history.ranks_on("2026-01-09") == {}


def test_results_without_a_run_were_always_there() -> None:
    history = history_of(entry("fog", kept(LOW)), entry("mist", kept(MIDDLE, 2, slug="mist")))
    assert [change.entry.slug for change in history.changes] == ["mist"]
    assert history.ranks_before("2026-01-02") == {"fog": (1, 1)}
    assert history.ranks_on("2026-01-02") == {"fog": (1, 1), "mist": (2, 2)}
    better = history_of(entry("fog", kept(MIDDLE)), entry("mist", kept(LOW, 2, slug="mist")))
    assert moved_sentence(better, "2026-01-02") == "Others moved because of this: Fog to rank 2, was 1."


def test_only_the_newest_days_are_ranked() -> None:
    days = [f"2026-{1 + day // 28:02d}-{1 + day % 28:02d}" for day in range(MOST_DAYS + 2)]
    entries = []
    for index, day in enumerate(days):
        run = make_run(ended=f"{day}T12:00:00Z")
        slug = f"fog-{index:02d}"
        entries.append(entry(slug, in_memory(POOL[index % len(POOL)], run, slug=slug)))
    history = history_of(*entries)
    lines = newest_changes([history], 1000)
    assert [" at rank " in line.sentence for line in lines] == [True] * MOST_DAYS + [False] * 2
    assert not history.ranked_day(days[1])
    assert moved_sentence(history, days[1]) == ""


def test_many_that_moved_are_counted() -> None:
    entries = [
        entry(f"fog-{index}", kept(make_result(PROTOCOL, Found((0.2 + 0.05 * index,) * 3)), 1, slug=f"fog-{index}"))
        for index in range(8)
    ]
    history = history_of(*entries, entry("first", kept(LOW, 2, slug="first")))
    sentence = moved_sentence(history, "2026-01-02")
    assert sentence.count("to rank") == MOST_MOVED
    assert sentence.endswith("; and 3 more.")


@given(st.data())
@settings(max_examples=40)
def test_ranks_of_a_day_are_those_of_a_board_that_knew_no_more(data: st.DataObject) -> None:
    check(data, POOL, entry, lambda *entries: Sources({PROTOCOL.id: PROTOCOL}, entries), PROTOCOL)


@given(st.data())
@settings(max_examples=20)
def test_ranks_of_an_unlearning_board_too(data: st.DataObject) -> None:
    def make(*entries: UnlearningEntry) -> Sources:
        return Sources({}, (), (), {UNLEARNING.id: UNLEARNING}, entries)

    check(data, CHECKPOINT_POOL, unlearner, make, UNLEARNING)


def check(
    data: st.DataObject,
    pool: Sequence[Result],
    make_entry: Callable[..., Any],
    make_sources: Callable[..., Sources],
    protocol: AnyProtocol,
) -> None:
    """Compare the ranks of every day with those that the board's own code gives for what was there by then."""
    days = st.lists(st.integers(1, 5), min_size=0, max_size=2, unique=True)
    choice = st.lists(st.tuples(st.sampled_from(range(len(pool))), days), max_size=3, unique_by=lambda pair: pair[0])
    chosen = data.draw(st.lists(choice, min_size=1, max_size=4))
    entries = [
        make_entry(f"fog-{index}", *(kept(pool[number], *when, slug=f"fog-{index}") for number, when in picks))
        for index, picks in enumerate(chosen)
    ]
    history = BoardHistory(make_sources(*entries), protocol)
    # All of the pool answer the protocol and belong to whoever has them.
    assert set(history.shown_on("2026-01-05")) == {item.slug for item in entries if item.results}
    for day in (0, 1, 2, 3, 4, 5):
        then = make_sources(*(known_by(item, f"2026-01-{day:02d}") for item in entries))
        name = f"2026-01-{day:02d}" if day else ""
        shown = {item.slug: item.shown(protocol) for item in then.submissions}
        expected = {slug: stored.result.id for slug, stored in shown.items() if stored}
        assert {slug: stored.result.id for slug, stored in history.shown_on(name).items()} == expected
        assert dict(history.ranks_on(name)) == ranks_of(then, protocol)


def ranks_of(sources: Sources, protocol: AnyProtocol) -> dict[str, tuple[int, int]]:
    if isinstance(protocol, Protocol):
        return {item.slug: (item.best, item.worst) for item in standings(sources, protocol)[0]}
    return {slug: (place.best, place.worst) for slug, place in unlearning_standings(sources, protocol).items()}


@given(st.data())
@settings(max_examples=40)
def test_there_is_one_entry_for_each_result_that_appeared(data: st.DataObject) -> None:
    days = st.lists(st.integers(1, 9), min_size=1, max_size=3, unique=True)
    picks = data.draw(
        st.lists(st.tuples(st.sampled_from(range(len(POOL))), days), max_size=6, unique_by=lambda p: p[0])
    )
    fog = entry("fog", *(kept(POOL[number], *when) for number, when in picks))
    history = history_of(fog)
    appeared = [change for change in history.changes if change.kind != "returned"]
    assert sorted(change.stored.result.id for change in appeared) == sorted(POOL[number].id for number, _ in picks)
    for change in appeared:
        assert change.moment == first_moment(change.stored)
    if picks:
        assert timeline_of(fog, PROTOCOL)[-1][1] == fog.shown(PROTOCOL)
    lines = [change_line(history, change) for change in history.changes]
    assert len({line.id for line in lines}) == len(lines)


def test_what_a_change_is_called_does_not_depend_on_later_ones() -> None:
    before = history_of(entry("fog", kept(LOW, 1)))
    after = history_of(entry("fog", kept(LOW, 1), kept(MIDDLE, 2), name="Renamed"), entry("mist", kept(HIGH, 1)))
    assert newest_changes([before], 9)[0].id in {line.id for line in newest_changes([after], 9)}


def test_newest_changes_are_in_order_and_of_the_track_asked_for() -> None:
    ue = history_of(entry("mist", kept(LOW, 1, slug="mist")), entry("fog", kept(LOW, 1)), entry("haze", kept(HIGH, 2)))
    other = BoardHistory(
        Sources({}, (), (), {UNLEARNING.id: UNLEARNING}, (unlearner("gd-tiny", kept(CHECKPOINT_POOL[0], 3)),)),
        UNLEARNING,
    )
    assert [line.slug for line in newest_changes([ue, other], 9)] == ["gd-tiny", "haze", "fog", "mist"]
    assert [line.slug for line in newest_changes([other, ue], 9)] == ["gd-tiny", "haze", "fog", "mist"]
    assert [line.slug for line in newest_changes([ue, other], 1, track="ue")] == ["haze"]
    sentence = newest_changes([other], 1)[0].sentence
    assert sentence.startswith("joined unlearning-tiny-v1 at rank 1 of 1: distance of the poison's effect")


def test_rank_words() -> None:
    assert (rank_words((2, 2)), rank_words((2, 5))) == ("2", "2 to 5")


def test_a_score_history_is_drawn_from_two_results_on() -> None:
    assert history_figures(entry("fog", kept(LOW, 1)), PROTOCOL) == ()
    assert history_figures(entry("fog", kept(LOW, 1), kept(QUICK, 2)), PROTOCOL) == ()
    (figure,) = history_figures(entry("fog", kept(QUICK, 1), kept(LOW, 2)), PROTOCOL)
    assert figure.name == "ue-tiny-v1-history"
    assert [row[0] for row in figure.table.rows] == ["2026-01-01 12:00", "2026-01-02 12:00"]
    assert [row[3] for row in figure.table.rows] == ["20.0\u202f%", "10.0\u202f%"]
    (values,) = figure.spec["datasets"].values()
    assert [(row["when"], row["value"]) for row in values] == [
        ("2026-01-01 12:00", 20.0),
        ("2026-01-02 12:00", pytest.approx(10.0)),
    ]
    assert values[0]["low"] is None


def test_a_score_history_is_in_the_order_of_time_whether_or_not_there_are_intervals() -> None:
    (figure,) = history_figures(entry("fog", kept(QUICK, 1), kept(LOW, 2)), PROTOCOL)
    orders = [layer["encoding"]["x"]["sort"] for layer in figure.spec["layer"]]
    assert orders == [["2026-01-01 12:00", "2026-01-02 12:00"]] * 2


def test_last_run_of_sources_is_what_decides() -> None:
    fog = entry("fog", kept(MIDDLE, 5), kept(LOW, 2))
    shown = fog.shown(PROTOCOL)
    assert shown is not None
    assert shown.head.ended.startswith("2026-01-05")
    assert isinstance(history_of(fog).changes[0], Change)
    assert history_of(fog).shown_on("2026-01-31")["fog"] is shown
