"""Controls whose outcome is known beforehand: in their band, out of it, and undecided; one out stops publication."""

import pytest
from factories import Found, make_result, make_run, write_board, write_submission
from protocol_factory import HEX
from unlearning_factory import (
    METHODS,
    Left,
    make_checkpoint_result,
    make_unlearning_protocol,
    write_unlearner,
    write_unlearning_board,
)

from bench.cli import main
from bench.leaderboard.canaries import canaries, mean_canary, out_of_band, summary, uncontrolled
from bench.leaderboard.sources import Sources, read_sources
from bench.results import Measurement, build_result


@pytest.fixture
def root(tmp_path):
    return tmp_path


def sources_of(root, *protocols) -> Sources:
    return read_sources(root, protocols={protocol.id: protocol for protocol in protocols})


def write_noise(root, protocol, *accuracy: float) -> None:
    """Write the control of the board of tests; clean training reaches 0.96, 0.97 and 0.965."""
    found = [(make_result(protocol, Found(accuracy), digest=HEX), make_run())]
    write_submission(root, "random", name="Random noise", family="control", protocols=(protocol.id,), results=found)


def test_random_noise_that_changes_nothing_is_within_its_band(root):
    protocol = write_board(root)
    write_noise(root, protocol, 0.961, 0.971, 0.966)
    found = [canary for canary in canaries(sources_of(root, protocol)) if canary.control == "random"]
    assert {canary.state for canary in found} == {"within"}
    assert [canary.what for canary in found] == [
        "loss of test accuracy (resnet-narrow, no defense)",
        "loss of test accuracy (resnet-narrow, JPEG, quality 10)",
    ]


def rewritten(root, protocol, *accuracy: float) -> list[str]:
    for path in (root / "submissions" / "random" / "results").rglob("*.json*"):
        path.unlink()
    write_noise(root, protocol, *accuracy)
    return out_of_band(sources_of(root, protocol))


def test_random_noise_that_costs_ten_points_is_out_of_band_in_words(root):
    protocol = write_board(root)
    line = rewritten(root, protocol, 0.861, 0.869, 0.866)[0]
    assert line == (
        f"canary out of band: {protocol.id}: random: loss of test accuracy (resnet-narrow, no defense) is "
        "9.97 points (95\u202f% interval 9.68 to 10.25, 3 seeds), band \u22123 to 3 points"
    )


@pytest.mark.parametrize(
    ("interval", "state"),
    [
        ((-0.02, 0.01), "within"),
        ((-0.03, 0.03), "within"),
        ((-0.04, 0.01), "undecided"),
        ((0.02, 0.31), "undecided"),
        ((-0.5, 0.5), "undecided"),
        ((0.031, 0.05), "out"),
        ((-0.05, -0.031), "out"),
    ],
)
def test_a_mean_is_out_of_band_where_its_whole_interval_is_on_either_side(interval, state):
    drop = Measurement(metric="accuracy_drop", condition="m/none", status="ok", mean=sum(interval) / 2, ci95=interval)
    (canary,) = mean_canary("board", "random", "loss", drop, (-0.03, 0.03), scale=100)
    assert canary.state == state


def test_seeds_that_cannot_tell_leave_a_canary_undecided_and_publication_free(root):
    protocol = write_board(root)
    assert rewritten(root, protocol, 0.70, 0.99, 0.90) == []
    states = {canary.state for canary in canaries(sources_of(root, protocol)) if canary.control == "random"}
    assert states == {"undecided"}
    assert "2 undecided" in summary(sources_of(root, protocol))


def test_a_board_with_entries_and_no_control_is_named(root):
    protocol = write_board(root)
    assert uncontrolled(sources_of(root, protocol)) == []
    (root / "submissions" / "random" / "submission.toml").unlink()
    assert uncontrolled(sources_of(root, protocol)) == [f"no canary: {protocol.id}: random noise has not been measured"]


def test_a_second_retraining_like_the_first_is_within_its_band(root):
    board = write_unlearning_board(root)
    found = canaries(sources_of(root, board))
    assert [canary for canary in found if canary.state == "out"] == []
    looks = {(canary.control, canary.what.split(" (")[0]) for canary in found}
    assert ("retrain-second", "distance to retraining") in looks
    assert ("retrain-second", "accuracy against retraining") in looks
    assert ("ga-tiny", "score of noise that nobody trained on") in looks


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (Left(gus=0.0, patch=0.1, accuracy=0.90, share=1.0), "accuracy against retraining (Gaussian noise)"),
        (Left(gus=0.0, patch=0.8, share=1.0), "distance to retraining (patch (backdoor))"),
        (Left(gus=0.5, patch=0.1, share=1.0), "score of noise to forget, which retraining never saw,"),
    ],
)
def test_a_second_retraining_that_is_not_like_the_first_is_out_of_band(root, left, said):
    board = write_unlearning_board(root)
    folder = root / "submissions" / "retrain-second" / "results"
    for path in folder.rglob("*.json*"):
        path.unlink()
    write_unlearner(root, "retrain-second", left, protocol=board)
    (line,) = [line for line in out_of_band(sources_of(root, board)) if said in line]
    assert line.startswith(f"canary out of band: {board.id}: retrain-second: {said} is ")


def test_a_checkpoint_that_remembers_what_nobody_trained_on_is_out_of_band(root):
    board = write_unlearning_board(root)
    result = make_checkpoint_result(METHODS["gd-tiny"], "gd-tiny", protocol=board)
    cells = tuple(
        cell.model_copy(
            update={
                "values": cell.values | {"gus_never": cell.values["gus_never"] + 0.5},
                "gaussian": cell.gaussian.model_copy(
                    update={"never": tuple(value + 0.5 for value in cell.gaussian.never)}
                ),
            }
        )
        if cell.gaussian
        else cell
        for cell in result.checkpoint_cells
    )
    changed = build_result(result.subject, result.outcome.model_copy(update={"cells": cells}))
    for path in (root / "submissions" / "gd-tiny" / "results").rglob("*.json*"):
        path.unlink()
    write_unlearner(root, "gd-tiny", protocol=board, results=[changed])
    (line,) = out_of_band(sources_of(root, board))
    assert "gd-tiny: score of noise that nobody trained on is 0.50 over 360 items" in line


def test_publication_is_blocked_in_words_unless_it_is_allowed(root, monkeypatch, capsys):
    protocol = write_board(root)
    rewritten(root, protocol, 0.861, 0.869, 0.866)
    sources = sources_of(root, protocol)
    monkeypatch.setattr("bench.leaderboard.building.read_sources", lambda _root, **_: sources)
    monkeypatch.setattr("bench.leaderboard.drawing.Painter.svg", lambda *_: "<svg></svg>")
    monkeypatch.setattr("bench.leaderboard.drawing.bundle", bytes)
    for arguments in (["render"], ["render", "--check"]):
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--root", str(root)])
        assert ended.value.code == 1
        said = capsys.readouterr().err
        assert f"canary out of band: {protocol.id}: random" in said
        assert "--allow-canary publishes anyway" in said
        assert not list((root / "site").rglob("*.html"))
    with pytest.raises(SystemExit) as ended:
        main(["render", "--allow-canary", "--root", str(root)])
    assert ended.value.code == 0
    assert "canary out of band" in capsys.readouterr().err
    assert "Unlearnability Bench" in (root / "site" / "index.html").read_text(encoding="utf-8")


def test_an_unlearning_board_without_a_second_retraining_is_named(root):
    board = make_unlearning_protocol()
    write_unlearner(root, "gd-tiny", protocol=board)
    assert uncontrolled(sources_of(root, board)) == [
        f"no canary: {board.id}: a second retraining has not been measured"
    ]
