"""Guides: commands that exist, numbers that follow, the same words as the command line."""

import math
import re

import pytest
import typer
from factories import make_result, make_run, write_submission
from leaderboard.conftest import Built
from leaderboard.test_pages import words
from protocol_factory import make_protocol
from scipy import stats

from bench import explain
from bench.cli import app
from bench.leaderboard.certainty import again_commands, certainty_sentence
from bench.leaderboard.guides import power_factor, submit_contexts
from bench.leaderboard.sources import Sources, read_sources
from bench.metrics.catalog import METRICS
from bench.results import Run


def commands_of(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line]


def shown_commands() -> list[list[str]]:
    page = submit_contexts(Sources({}, ()))[0]
    steps = [step for _, _, steps in page.tracks for step in steps]
    return [
        *(line for step in steps for line in commands_of(step.commands)),
        *commands_of(again_commands("fog", "p", "full")),
    ]


@pytest.mark.parametrize("command", shown_commands(), ids=" ".join)
def test_a_command_on_the_site_exists_with_its_options(command: list[str]) -> None:
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    program, verb, *arguments = command
    assert program == "bench"
    options = {name for parameter in known[verb].params for name in parameter.opts}
    assert {item for item in arguments if item.startswith("--")} <= options


def test_both_tracks_have_their_steps_and_every_protocol_is_linked(built: Built) -> None:
    text = built.text("submit/index.html")
    assert "bench new ue my-method" in text
    assert "bench challenge unlearning-digits-v1" in text
    assert "protocols/ue-tiny-v1/index.html" in text


@pytest.mark.parametrize(("seeds", "comparisons"), [(6, 91), (8, 91), (5, 10)])
def test_the_power_of_few_seeds_is_that_of_the_t_test(seeds: int, comparisons: int) -> None:
    factor = power_factor(seeds, comparisons)
    # Differences with this mean and a standard deviation of 1 lie exactly on the border of significance.
    p_value = 2 * stats.t.sf(factor * math.sqrt(seeds), seeds - 1)
    assert p_value == pytest.approx(0.05 / comparisons, rel=1e-9)


def test_the_guide_for_readers_states_that_power(built: Built) -> None:
    assert "about 3 times its own spread with 6 seeds, and about 2 times its own spread with 8 seeds." in words(
        built.text("read/index.html")
    )


@pytest.mark.parametrize("key", METRICS)
def test_a_metric_page_has_the_words_of_the_command_line(built: Built, key: str) -> None:
    page = re.sub(r"\s+", " ", words(built.text(f"metrics/{key}/index.html")))
    metric = METRICS[key]
    printed = explain.explain(key)
    for part in (metric.definition, metric.formula, metric.source, metric.pitfalls):
        assert part in printed
        assert escaped(part) in page


def escaped(text: str) -> str:
    found = (
        text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("'", "&#39;").replace('"', "&#34;")
    )
    return re.sub(r"\s+", " ", found)


def whole_run(machine: str, **changes: object) -> Run:
    return make_run(id=f"run {machine} {changes}", hardware={"cpu": machine, "cores": 2}, **changes)


@pytest.mark.parametrize(
    ("runs", "start"),
    [
        ([whole_run("A")], "Measured, not verified yet"),
        ([whole_run("A"), whole_run("A", ended="2026-02-02T00:00:00Z")], "Measured: 2 complete runs on one machine"),
        ([whole_run("A"), whole_run("B")], "Verified: 2 complete runs on 2 machines"),
        ([whole_run("A"), whole_run("B", cells_trained=2, cells_reused=4)], "Measured, not verified yet"),
    ],
)
def test_verified_needs_two_complete_runs_on_two_machines(tmp_path, runs: list[Run], start: str) -> None:  # type: ignore[no-untyped-def]
    protocol = make_protocol()
    result = make_result(protocol)
    assert len(result.outcome.cells) == 6
    write_submission(tmp_path, "fog", results=[(result, run) for run in runs])
    entry = read_sources(tmp_path, protocols={protocol.id: protocol}).entries[0]
    assert certainty_sentence(entry.results, entry.results[0]).startswith(start)


def test_the_list_of_protocols_has_each_with_its_results(built: Built) -> None:
    text = words(built.text("protocols/index.html"))
    assert (
        "ue-tiny-v1 Tiny digits 1,400 resnet-narrow; 1 defense 3 under the primary condition, 3 under the others 5"
        in text
    )


def test_every_number_of_a_submission_names_its_file(built: Built) -> None:
    text = built.text("submissions/fog/index.html")
    raw = re.search(r'class="origin">From <a href="([^"]+)"', text)
    assert raw is not None
    assert f"submissions/fog/{raw[1]}" in built.files
    section = text.split('class="result"')[1]
    assert section.count('class="origin"') >= 3
