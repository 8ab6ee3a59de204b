"""What a run prints while it goes on."""

import pytest

from bench.execution.events import CellFinished, CellProgress, CellRetried
from bench.execution.progress import show_progress


def test_away_from_a_terminal_each_cell_is_one_plain_line_on_stderr(capsys):
    with show_progress(2) as listener:
        listener(CellProgress("fog m/none/0", 1, 3))
        listener(CellFinished("fog m/none/0", 1.25))
        listener(CellRetried("fog m/none/1", "worker process ended with exit code -9"))
        listener(CellFinished("fog m/none/1", 2.0))
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert lines[0].startswith("1/2 fog m/none/0: 1.2 s, about ")
    assert lines[1] == "fog m/none/1: worker process ended with exit code -9; measuring it again"
    assert lines[2] == "2/2 fog m/none/1: 2.0 s, about 0 s left"
    assert "\x1b" not in err


@pytest.mark.parametrize("forced", ["1"])
def test_on_a_terminal_there_are_bars_that_end_cleanly(monkeypatch, capsys, forced):
    monkeypatch.setenv("FORCE_COLOR", forced)
    monkeypatch.setenv("TERM", "xterm")
    with show_progress(1) as listener:
        for done in (1, 2, 3):
            listener(CellProgress("fog m/none/0", done, 3))
        listener(CellRetried("fog m/none/0", "worker lost"))
        listener(CellFinished("fog m/none/0", 1.0))
    assert "1 cells, epochs" in capsys.readouterr().err


def test_nothing_to_do_prints_nothing(capsys):
    with show_progress(0) as listener:
        listener(CellFinished("x", 1.0))
    assert capsys.readouterr() == ("", "")
