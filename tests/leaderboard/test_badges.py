import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from factories import make_result, make_run, write_submission
from leaderboard.both import HOSTILE, read_both
from markdown_it import MarkdownIt
from protocol_factory import make_protocol

from bench.leaderboard.exports.badges import INK, LEFT, RIGHT, badge, badge_markdown, board_badges
from bench.leaderboard.exports.table import board_table
from bench.leaderboard.sources import read_sources

SVG = "{http://www.w3.org/2000/svg}"


def texts(content: bytes) -> list[str]:
    return [node.text or "" for node in ET.fromstring(content).iter(f"{SVG}text")]


def luminance(color: str) -> float:
    """Relative luminance of WCAG 2.2."""
    parts = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_badges_say_in_words_where_a_submission_stands(tmp_path: Path) -> None:
    sources = read_both(tmp_path)
    found = {}
    for protocol in (*sources.protocols.values(), *sources.unlearning_protocols.values()):
        for path, content in board_badges(board_table(sources, protocol)).items():
            found[path.removeprefix("submissions/")] = texts(content)[1]
    assert found["fog/badge-ue-tiny-v1.svg"] == "rank 1 to 3 of 3, test acc. 10.5 %, measured"
    assert found["haze/badge-ue-tiny-v1.svg"].startswith("rank 1 to 3 of 3, test acc. 61.0 %")
    assert found["clean/badge-ue-tiny-v1.svg"].startswith("reference, test acc. 96.5 %")
    assert found["random/badge-ue-tiny-v1.svg"].startswith("control, ")
    assert found["rime/badge-ue-tiny-v1.svg"] == "not measured yet"
    assert found["gd-tiny/badge-unlearning-tiny-v1.svg"].startswith("rank 1 of 2, ")


def test_white_text_can_be_read_on_every_background() -> None:
    for background in (LEFT, *RIGHT.values()):
        assert (luminance(INK) + 0.05) / (luminance(background) + 0.05) >= 4.5


@pytest.mark.parametrize("name", HOSTILE)
def test_a_badge_is_one_picture_with_a_title_whatever_the_name_is(tmp_path: Path, name: str) -> None:
    protocol = make_protocol()
    write_submission(tmp_path, "fog", name=name, results=[(make_result(protocol), make_run())])
    table = board_table(read_sources(tmp_path, protocols={protocol.id: protocol}), protocol)
    content = badge(table, table.rows[0])
    picture = ET.fromstring(content)
    assert {node.tag.removeprefix(SVG) for node in picture.iter()} == {"svg", "title", "rect", "g", "text"}
    assert picture.findtext(f"{SVG}title", "").startswith(name[:90])
    assert not re.search(r"\son\w+=|<script|href|style=|url\(", content.decode().replace(name, ""))
    width = int(picture.attrib["width"])
    assert sum(int(node.attrib["width"]) for node in picture.iter(f"{SVG}rect")) == width
    for node in picture.iter(f"{SVG}text"):
        assert int(node.attrib["x"]) + int(node.attrib["textLength"]) <= width


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_of_a_badge_is_a_picture_in_a_link(name: str) -> None:
    text = badge_markdown(name, "fog", "ue-tiny-v1", "ue/ue-tiny-v1/index.html")
    inline = MarkdownIt().parse(text)[1].children or []
    assert [token.type for token in inline] == ["link_open", "image", "link_close"]
    assert inline[0].attrs["href"] == "SITE/ue/ue-tiny-v1/index.html"
    assert inline[1].attrs["src"] == "SITE/submissions/fog/badge-ue-tiny-v1.svg"
