"""The front page and the overviews: who is said to lead, where values lie on a scale, what is new."""

import dataclasses
import gzip
import re
from pathlib import Path
from typing import Any

import pytest
from factories import Found, make_result, make_run, write_board, write_submission
from hypothesis import given
from hypothesis import strategies as st
from leaderboard.conftest import Built
from leaderboard.test_pages import words
from protocol_factory import make_condition, make_protocol
from unlearning_factory import Left, make_unlearning_protocol, write_unlearner, write_unlearning_board

from bench.leaderboard.board import build_board
from bench.leaderboard.building import build_files
from bench.leaderboard.contexts import Board
from bench.leaderboard.environment import FOOTER, MENU
from bench.leaderboard.home import index_contexts, main_board, recent_results, ue_index_contexts
from bench.leaderboard.leaders import board_line, labels, leader_slugs, leads, ue_findings, unlearning_cautions
from bench.leaderboard.moments import first_moment
from bench.leaderboard.scales import EDGE, Point, build_scale, place
from bench.leaderboard.sources import Sources, read_sources
from bench.leaderboard.unlearning_board import build_board as build_unlearning_board
from bench.leaderboard.wording import Shown
from bench.protocol import Protocol


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    root = tmp_path_factory.mktemp("home")
    # Three seeds separate nobody.
    protocol = make_protocol(conditions=(make_condition(primary=True, full=8), make_condition(defense="jpeg", full=8)))
    protocols = (write_board(root, protocol), write_unlearning_board(root))
    return read_sources(root, protocols={item.id: item for item in protocols})


def board_of(root: Path, protocol: Protocol, **found: Found) -> Board:
    for slug, item in found.items():
        write_submission(root, slug, results=[(make_result(protocol, item), make_run())])
    return build_board(read_sources(root, protocols={protocol.id: protocol}), protocol)


def shown(value: float, low: float | None = None, high: float | None = None) -> Shown:
    bounds = None if low is None or high is None else (low, high)
    return Shown(f"{value:g}", "in words", repr(value), 3, measured=True, bounds=bounds)


@pytest.mark.parametrize(
    ("rank", "first"),
    [("1", True), ("1 to 4", True), ("2 to 4", False), ("10", False), ("11 to 14", False), ("", False)],
)
def test_a_rank_leads_if_it_leaves_the_first_place_open(rank: str, first: bool) -> None:
    assert leads(rank) is first


def test_the_leader_is_named_with_its_interval_and_who_ties(sources: Sources) -> None:
    board = build_board(sources, next(iter(sources.protocols.values())))
    assert leader_slugs(board) == ["fog", "mist"]
    sentence = ue_findings(board, "10.0 %")[0]
    assert sentence.startswith("Of 3 methods, Fog leads. The seeds cannot tell Mist apart from it.")
    assert f"{board.ranked[0].accuracy.text} ({board.ranked[0].accuracy.interval}) of clean images" in sentence


def test_nobody_leads_where_all_tie(tmp_path: Path) -> None:
    found = Found((0.1, 0.5, 0.3))
    board = board_of(tmp_path, make_protocol(), fog=found, mist=Found((0.5, 0.1, 0.3)))
    assert ue_findings(board, "10.0 %")[0].startswith("None of the 2 methods leads: the seeds cannot tell them apart.")
    assert board_line(board).leaders == "nobody: 2 tie"


def test_one_method_leads_nobody_and_no_method_says_so(tmp_path: Path) -> None:
    alone = board_of(tmp_path / "one", make_protocol(), fog=Found((0.1, 0.11, 0.12)))
    assert ue_findings(alone, "10.0 %")[0].startswith("Fog is the only ranked method.")
    empty = board_of(tmp_path / "none", make_protocol())
    assert ue_findings(empty, "10.0 %") == ("No ranked submission yet, so nothing leads.",)
    assert board_line(empty).cells == ()


@pytest.mark.parametrize(
    ("distance", "meaning"),
    [
        ((0.2, 0.21, 0.22), "fewer layers can learn"),
        ((3.0, 3.1, 3.2), "more layers can change the loss"),
        ((0.5, 1.0, 1.5), "nothing tells it apart from clean data"),
        ((0.5,), "one seed, which decides nothing"),
    ],
)
def test_the_distance_is_read_against_one(sources: Sources, distance: tuple[float, ...], meaning: str) -> None:
    board = build_board(sources, next(iter(sources.protocols.values())))
    bounds = {3: (min(distance) - 0.05, max(distance) + 0.05)}.get(len(distance))
    changed = Shown("1", "words", repr(sum(distance) / len(distance)), len(distance), measured=True, bounds=bounds)
    first = dataclasses.replace(board.ranked[0], ud=changed)
    found = ue_findings(dataclasses.replace(board, ranked=(first, *board.ranked[1:])), "10.0 %")
    assert meaning in " ".join(found)


def test_methods_of_one_short_name_are_told_apart_by_what_differs(tmp_path: Path) -> None:
    protocol = make_protocol()
    for slug, name in (("a-one", "EM (sample-wise)"), ("b-two", "EM (class-wise)"), ("c-three", "Fog (thick)")):
        write_submission(
            tmp_path, slug, name=name, results=[(make_result(protocol, Found((0.1, 0.2, 0.3))), make_run())]
        )
    board = build_board(read_sources(tmp_path, protocols={protocol.id: protocol}), protocol)
    assert labels(board) == {"a-one": "EM, sample-wise", "b-two": "EM, class-wise", "c-three": "Fog"}


def cautions(root: Path, **methods: Left) -> str:
    for slug, left in methods.items():
        write_unlearner(root, slug, left)
    protocol = make_unlearning_protocol()
    found = read_sources(root, protocols={protocol.id: protocol})
    return " ".join(unlearning_cautions(build_unlearning_board(found, protocol)))


def test_a_board_says_that_no_unlearner_passes_and_that_retraining_does(tmp_path: Path) -> None:
    for slug in ("original", "retrain"):
        write_unlearner(tmp_path, slug)
    text = cautions(tmp_path, weak=Left(gus=0.9, patch=0.6))
    assert "No unlearner of 1 passes the equivalence test of GUS (within ±0.1)" in text
    assert "Retraining passes it, as it must." in text


def test_a_method_that_passes_at_the_price_of_accuracy_is_named_with_it(tmp_path: Path) -> None:
    for slug in ("original", "retrain"):
        write_unlearner(tmp_path, slug)
    text = cautions(tmp_path, dear=Left(gus=0.0, patch=0.1, accuracy=0.5))
    assert "No method keeps the test accuracy of retraining" in text
    assert re.search(
        r"1 of 1 methods pass .*: DEAR, which loses 4\d\.\d points of test accuracy on its worst probe", text
    )


def test_retraining_that_too_few_seeds_leave_open_has_not_failed(tmp_path: Path) -> None:
    write_unlearner(tmp_path, "original")
    # Means of -0.15, 0 and 0.15: on the spot, and three networks cannot say so.
    write_unlearner(tmp_path, "retrain", Left(gus=0.0, patch=0.1, share=1.0, wobble=0.15))
    text = cautions(tmp_path, weak=Left(gus=0.9, patch=0.6))
    assert "Retraining itself stays undecided (|GUS| at most 0.25): these seeds are too few" in text
    assert "doubt" not in text


def test_a_retrained_network_that_fails_the_test_is_said(tmp_path: Path) -> None:
    write_unlearner(tmp_path, "original")
    write_unlearner(tmp_path, "retrain", Left(gus=0.5, patch=0.1, share=1.0))
    text = cautions(tmp_path, weak=Left(gus=0.9, patch=0.6))
    assert "Retraining itself does not pass it (left): read this with doubt." in text


@given(st.floats(-1e6, 1e6), st.floats(-1e3, 1e3), st.floats(0.01, 1e3))
def test_every_value_lies_inside_the_drawing(value: float, low: float, width: float) -> None:
    assert EDGE <= place(value, (low, low + width)) <= 100 - EDGE


def test_places_on_a_scale_follow_the_values() -> None:
    assert [place(value, (0, 4)) for value in (0, 1, 2, 4)] == [2, 26, 50, 98]
    points = [Point("Fog", "method", shown(0.1, 0.05, 0.2), 100), Point("Clean", "reference", shown(0.9), 100)]
    scale = build_scale(
        "x", "Accuracy", points, ends=(0, 100), ticks=((10, "guessing"),), words="Left is less.", band=(0, 50)
    )
    assert scale is not None
    assert [(mark.x, mark.low, mark.high) for mark in scale.marks] == [
        ("11.60%", "6.80%", "21.20%"),
        ("88.40%", "88.40%", "88.40%"),
    ]
    assert scale.band == ("2.00%", "48.00%")
    assert "Fog: 0.1 (in words); Clean: 0.9" in scale.description


def test_without_a_measured_value_there_is_no_scale() -> None:
    absent = Shown("not measured yet", "", "", 0, measured=False)
    assert build_scale("x", "X", [Point("Fog", "method", absent)], ends=(0, 1), ticks=(), words="") is None


def main(**boards: dict[str, Any]) -> str | None:
    protocols, labels, made = {}, {}, []
    whole = make_protocol()
    for label, about in boards.items():
        name = about.get("id", f"{label}-v1")
        labels[name] = label
        train = whole.dataset.train.model_copy(update={"images": about.get("images", 100)})
        if about.get("part"):
            train = train.model_copy(update={"select": train.select.model_copy(update={"per_class": 5})})
        dataset = whole.dataset.model_copy(update={"train": train})
        protocols[name] = whole.model_copy(update={"id": name, "dataset": dataset})
        rows = tuple(range(about["ranked"]))
        made.append(dataclasses.replace(_EMPTY, protocol=name, ranked=rows))  # type: ignore[arg-type]
    found = main_board(made, protocols.get)
    return None if found is None else labels[found.protocol]


_EMPTY = Board("", "", "", "", (), (), (), "", "", "", (), defended=False, searched=False)


def test_the_main_board_is_the_largest_whole_data_set_with_enough_methods() -> None:
    assert main(small={"ranked": 14}, large={"ranked": 6, "images": 900}) == "large"
    assert main(small={"ranked": 14}, large={"ranked": 4, "images": 900}) == "small"
    assert main(whole={"ranked": 6}, part={"ranked": 9, "images": 900, "part": True}) == "whole"
    assert main(one={"ranked": 2}, two={"ranked": 3}) == "two"
    assert main(empty={"ranked": 0, "images": 900}, measured={"ranked": 1}) == "measured"
    assert main() is None


def test_of_versions_with_as_many_methods_the_newest_is_the_main_board() -> None:
    older, newer = {"ranked": 6, "id": "ue-digits-v9"}, {"ranked": 6, "id": "ue-digits-v10"}
    assert main(older=older, newer=newer) == "newer"
    assert main(older={**older, "ranked": 7}, newer=newer) == "older"


def test_of_one_protocol_the_newest_version_comes_first(tmp_path: Path) -> None:
    names = ("ue-fog-v2", "ue-fog-v10", "ue-fog-far-v1", "ue-air-v1")
    protocols = {name: make_protocol().model_copy(update={"id": name}) for name in names}
    found = read_sources(tmp_path, protocols=protocols).protocols
    assert list(found) == ["ue-air-v1", "ue-fog-v10", "ue-fog-v2", "ue-fog-far-v1"]


def test_the_newest_results_come_first_and_superseded_ones_do_not_come(tmp_path: Path) -> None:
    protocol = make_protocol()
    for day, slug in ((3, "fog"), (9, "mist"), (5, "haze")):
        runs = make_run(ended=f"2026-02-0{day}T10:00:00Z")
        write_submission(tmp_path, slug, results=[(make_result(protocol, Found((0.1, 0.2, 0.3))), runs)])
    quick = make_result(protocol, Found((0.1,)), tier="quick")
    write_submission(tmp_path, "mist", results=[(quick, make_run(id="late", ended="2026-03-01T10:00:00Z"))])
    recent = recent_results(read_sources(tmp_path, protocols={protocol.id: protocol}))
    assert [(item.slug, item.date) for item in recent] == [
        ("mist", "2026-02-09"),
        ("haze", "2026-02-05"),
        ("fog", "2026-02-03"),
    ]


def test_a_result_is_as_old_as_the_first_run_that_found_it(tmp_path: Path) -> None:
    protocol = make_protocol()
    result = make_result(protocol, Found((0.1, 0.2, 0.3)))
    runs = [make_run(ended="2026-02-09T10:00:00Z"), make_run(id="run-0", ended="2026-02-01T10:00:00Z")]
    write_submission(tmp_path, "fog", results=[(result, run) for run in runs])
    stored = read_sources(tmp_path, protocols={protocol.id: protocol}).entries[0].results[0]
    assert first_moment(stored) == "2026-02-01T10:00:00Z"


def test_both_questions_stand_side_by_side(sources: Sources) -> None:
    page = index_contexts(sources)[0]
    assert [side.key for side in page.sides] == ["ue", "unlearning"]
    for side in page.sides:
        assert side.rows
        assert len(side.scales) == 2
        assert len(side.measures) == 2
        assert all(len(row.cells) == len(side.columns) for row in side.rows)
    assert [len(table.lines) for table in page.boards] == [1, 1]


def test_an_overview_has_every_board_and_what_waits(tmp_path: Path) -> None:
    measured, waiting = write_board(tmp_path), make_protocol(id="ue-later-v1", title="Later")
    found = read_sources(tmp_path, protocols={item.id: item for item in (measured, waiting)})
    page = ue_index_contexts(found)[0]
    assert [card.protocol for card in page.boards] == ["ue-tiny-v1"]
    assert page.waiting == (("ue/ue-later-v1/index.html", "Later", waiting.summary),)


def test_the_front_page_with_style_and_script_is_light(built: Built) -> None:
    names = re.findall(r'(?:href|src)="(assets/[^"]+)"', built.text("index.html"))
    assert len(names) == 3
    total = sum(len(gzip.compress(built.files[name])) for name in ("index.html", *names))
    assert total < 120 * 1024


def test_the_menu_names_only_what_is_built(built: Built) -> None:
    for name, text in built.pages.items():
        if name == "404.html":
            continue
        listed = re.findall(r'<li><a href="(?:\.\./)*([^"#]+)"', text.split("<main")[0])
        assert listed == [target for _, _, target in MENU if target in built.files], name
        footer = re.findall(r'<li><a href="(?:\.\./)*([^"]+)"', text.rsplit("<footer", 1)[1])
        assert footer == [target for _, target in FOOTER if target in built.files], name
        assert ("application/atom+xml" in text) == ("changes/feed.xml" in built.files)


def test_the_current_entry_of_the_menu_is_marked(built: Built) -> None:
    for name, label, mark in (
        ("ue/index.html", "Unlearnable examples", "page"),
        ("ue/ue-tiny-v1/index.html", "Unlearnable examples", "true"),
        ("ue/ue-tiny-v1/defenses/index.html", "Unlearnable examples", "true"),
        ("metrics/ud/index.html", "Metrics", "true"),
    ):
        marked = re.findall(r'aria-current="(\w+)">([^<]+)</a></li>', built.text(name).split("<main")[0])
        assert marked == [(mark, label)], name


def test_a_site_without_a_track_has_one_side(tmp_path: Path) -> None:
    protocol = make_protocol()
    text = words(build_files(tmp_path, protocols={protocol.id: protocol})["index.html"].decode())
    assert text.count("Who leads:") == 1
    assert "A network was trained on data that it should not have seen." not in text
    assert "No run is recorded yet." in text
