"""What is read from designs.json is what Altair builds."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_painting import CASES

from bench.leaderboard import charting, charts, designs, history_figure, unlearning_charts
from bench.leaderboard.charting import Row, Spec, data_name, filled, plain

FILE = Path(designs.__file__).with_name(charting.DESIGNS_FILE)
HOSTILE = "{name} </script> {top} {"


def test_the_stored_designs_are_those_that_altair_builds(request: pytest.FixtureRequest) -> None:
    text = json.dumps(designs.with_holes(), sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    if request.config.getoption("--update-golden"):
        FILE.write_text(text, encoding="utf-8")
    assert text == FILE.read_text(encoding="utf-8"), "a design has changed: pytest --update-golden, then review"


@pytest.mark.parametrize("name", CASES)
def test_a_filled_design_is_what_altair_builds_from_the_same_parts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(design: str, parts: dict[str, Any], **rows: list[Row]) -> Spec:
        names = {part: data_name(part) for part in rows}
        spec = designs.built(design, **parts, **names)
        return {**spec, "datasets": {names[part]: found for part, found in rows.items()}}

    stored = CASES[name]()
    for module in (charts, history_figure, unlearning_charts):
        monkeypatch.setattr(module, "filled", build)
    built = CASES[name]()
    assert built is not stored
    assert json.dumps(built, sort_keys=True) == json.dumps(stored, sort_keys=True)


def test_words_that_look_like_holes_stay_as_they_are() -> None:
    spec = filled(
        "seed",
        {"name": "n", "title": HOSTILE, "description": HOSTILE, "order": [HOSTILE], "width": 1, "height": 2},
        data=[],
    )
    assert spec["description"] == HOSTILE
    assert spec["layer"][1]["encoding"]["x"]["title"] == HOSTILE
    assert spec["layer"][0]["name"] == "n_pairs"


@pytest.mark.parametrize("name", CASES)
def test_every_name_of_data_in_a_chart_has_its_rows(name: str) -> None:
    spec = CASES[name]()
    sources = [part.get("data", spec.get("data")) for part in spec["layer"]]
    assert {source["name"] for source in sources if "name" in source} == set(spec["datasets"])


def test_a_missing_number_is_none_in_a_chart() -> None:
    assert plain([{"name": "b", "low": float("nan"), "high": 0.5}]) == [{"name": "b", "low": None, "high": 0.5}]


def test_rendering_waits_neither_for_altair_nor_for_the_library_that_draws() -> None:
    script = "import sys, bench.leaderboard.pages; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"altair", "vl_convert"} & set(run.stdout.split())
