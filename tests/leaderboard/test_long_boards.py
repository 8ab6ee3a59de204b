"""Pages of long boards: each number once, and the script right behind the table."""

import re
from pathlib import Path

import pytest
from leaderboard.both import build_undrawn, write_both

from bench.leaderboard import contexts, unlearning_contexts

CHART = re.compile(r'<figure class="figure" id="tradeoff">(.*?)</figure>', re.DOTALL)
SCRIPT = re.compile(r'<script src="[^"]*/site\.[0-9a-f]+\.js"[^>]*>')


@pytest.fixture(params=[100, 0], ids=["short", "long"])
def pages(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[bool, list[str]]:
    """Whether the boards count as long, and the pages of one of each track."""
    for module in (contexts, unlearning_contexts):
        monkeypatch.setattr(module, "LONG_BOARD", request.param)
    files = build_undrawn(tmp_path, write_both(tmp_path))
    board = re.compile(r"(ue|unlearning)/[^/]+/index\.html")
    return request.param == 0, [content.decode() for name, content in files.items() if board.fullmatch(name)]


def test_a_long_board_says_the_numbers_of_its_chart_once(pages: tuple[bool, list[str]]) -> None:
    long, texts = pages
    assert len(texts) > 1
    for text in texts:
        chart = CHART.search(text)
        assert chart is not None
        assert ("<details>" in chart[1]) == (not long)
        assert ("The table above holds its numbers." in chart[1]) == long
        assert ("the table above has all" in chart[1]) == long


def test_the_script_of_a_long_board_stands_right_behind_its_table(pages: tuple[bool, list[str]]) -> None:
    long, texts = pages
    for text in texts:
        (script,) = SCRIPT.findall(text)
        assert ("defer" in script) == (not long)
        table = text.index("</table>", text.index('<table id="board"'))
        assert (text.index(script) > table) == long
        assert text.index(script) < text.index('id="charts"')
        assert ("long" in text[text.index('<table id="board"') :].partition(">")[0]) == long
