"""The command line: parse, call one function, print, exit. Heavy imports live inside the commands.

Results go to stdout, progress and problems to stderr. Exit codes: 0 ok, 1 difference or failed check, 2 usage,
3 invalid submission, 4 refused as unsafe, 5 environment, 130 interrupted.
"""

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench import __version__, compare_command, import_command, record_commands, study_command, unlearning_command
from bench.errors import Interrupted
from bench.exits import run_app
from bench.problems import printable

if TYPE_CHECKING:
    from bench.evaluation import Evaluated
    from bench.planning import Plan
    from bench.results import Measurement

app = typer.Typer(
    help="Measure data that must not be learned, and publish what was found.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    # Help as plain text: drawing it in boxes takes longer than everything else that `bench --help` does.
    rich_markup_mode=None,
)


class Track(StrEnum):
    """What a submission is about."""

    ue = "ue"
    unlearning = "unlearning"


class Tier(StrEnum):
    """How much of a protocol is run."""

    quick = "quick"
    full = "full"


class Device(StrEnum):
    """Where cells are computed."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class CraftDevice(StrEnum):
    """Where a perturbation is crafted; part of its recipe, so there is no `auto`."""

    cpu = "cpu"
    cuda = "cuda"


class ProblemStyle(StrEnum):
    """How findings are printed."""

    text = "text"
    json = "json"
    github = "github"


Root = Annotated[Path, typer.Option("--root", help="Folder that holds submissions/ and site/.", show_default="here")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for machines.")]
Slug = Annotated[
    str | None,
    typer.Option("--slug", help="Name of the submission folder.", show_default="the attack and the data set"),
]


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a BenchError becomes its text on stderr and its exit code."""
    run_app(app, arguments)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Measure data that must not be learned, and publish what was found."""


@app.command()
def new(
    track: Annotated[Track, typer.Argument(help="unlearnable examples, or unlearning")],
    slug: Annotated[str, typer.Argument(help="name of the new folder: a-z, 0-9 and -")],
    root: Root = Path(),
) -> None:
    """Write a manifest to fill in."""
    from bench.scaffold import create_submission

    for path in create_submission(root, track.value, slug):
        typer.echo(path)


@app.command()
def craft(
    attack: Annotated[str, typer.Argument(help="name of an attack, see `bench list attacks`")],
    protocol: Annotated[str, typer.Option("--protocol", help="id of the protocol it is made for")],
    slug: Slug = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="seed of the attack's own draws")] = 0,
    device: Annotated[CraftDevice, typer.Option("--device", help="where the surrogate computes")] = CraftDevice.cpu,
    root: Root = Path(),
) -> None:
    """Make a reference submission, or make its artifact again."""
    from bench.crafting import craft_submission
    from bench.protocol import load_protocol

    made_for = load_protocol(protocol)
    named = slug or f"{attack}-{made_for.dataset.name}"
    crafted = craft_submission(root, attack, made_for, slug=named, seed=seed, device=device.value)
    word = "made again, as its manifest says" if crafted.recreated else "made"
    typer.echo(f"{crafted.folder}: {word}; sha256 {crafted.sha256}, {crafted.size} bytes")


import_released = app.command(name="import")(import_command.import_released)
challenge = app.command()(unlearning_command.challenge)
unlearn = app.command()(unlearning_command.unlearn)
study = app.command()(study_command.study)
compare = app.command()(compare_command.compare)


@app.command()
def validate(
    paths: Annotated[list[Path] | None, typer.Argument(help="submission folders")] = None,
    style: Annotated[ProblemStyle, typer.Option("--format", help="how to print findings")] = ProblemStyle.text,
    changed_since: Annotated[
        str | None, typer.Option("--changed-since", help="also those that changed since this git commit or folder")
    ] = None,
    root: Root = Path(),
) -> None:
    """Report every problem of submissions at once; measures nothing."""
    from bench.errors import UsageProblem
    from bench.problems import exit_code, format_problems
    from bench.similarity import similarity_problems
    from bench.validation import validate_folder

    if not paths and changed_since is None:
        raise UsageProblem("name a submission folder, such as submissions/SLUG, or --changed-since COMMIT")
    problems = []
    for path in [*(paths or []), *record_commands.changed_folders(root, changed_since)]:
        found = validate_folder(path)
        problems += found if exit_code(found) else [*found, *similarity_problems(path)]
    typer.echo(format_problems(problems, style.value))
    raise typer.Exit(exit_code(problems))


@app.command()
def evaluate(
    paths: Annotated[list[Path], typer.Argument(help="submission folders")],
    protocol: Annotated[list[str] | None, typer.Option("--protocol", help="protocol id; may be repeated")] = None,
    tier: Annotated[Tier, typer.Option("--tier", help="how much to run")] = Tier.full,
    device: Annotated[Device, typer.Option("--device", help="where to compute")] = Device.auto,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="worker processes", show_default="cores")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="measure again what is stored, and compare")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print the cells and stop")] = False,
    as_json: Json = False,
    root: Root = Path(),
) -> None:
    """Measure submissions and store the results; finished cells are not measured again."""
    from bench import evaluation
    from bench.execution.cache import CellCache
    from bench.execution.progress import show_progress

    options = evaluation.Options(tier=tier.value, device=device.value, jobs=jobs, fresh=fresh)
    try:
        plans = evaluation.plan_evaluation(root, paths, protocol or [], options)
        submissions = tuple(plan.submission for plan in plans)
        known = evaluation.KnownCells(root, CellCache(root / evaluation.CACHE_FOLDER), submissions)
        missing = evaluation.missing_jobs(plans, known, options)
        if dry_run:
            _print_plan(plans, {job.key for job in missing}, as_json=as_json)
            return
        workers = evaluation.worker_count(options)
        if missing:
            typer.echo(f"{_cells(len(missing))} to measure, {min(workers, len(missing))} at a time", err=True)
        with show_progress(len(missing)) as listener:
            done = evaluation.run_plans(plans, known, missing, options, listener)
    except KeyboardInterrupt:
        raise Interrupted("finished cells are kept, run the same command to go on") from None
    _print_evaluated(done, as_json=as_json)


verify = app.command()(record_commands.verify)
annotate = app.command()(record_commands.annotate)
ledger = app.command()(record_commands.ledger)
review = app.command()(record_commands.review)


@app.command()
def render(
    out: Annotated[Path | None, typer.Option("--out", help="where to write the site", show_default="site/")] = None,
    check: Annotated[bool, typer.Option("--check", help="write nothing; exit 1 if the site is stale")] = False,
    allow_canary: Annotated[bool, typer.Option("--allow-canary", help="publish with a control out of band")] = False,
    root: Root = Path(),
) -> None:
    """Build the static site from the stored results."""
    from bench.errors import UsageProblem
    from bench.leaderboard.building import render_site, stale_files

    folder = out or root / "site"
    submissions = (root / "submissions").resolve()
    if submissions in (folder.resolve(), *folder.resolve().parents):
        raise UsageProblem(f"{folder} is where submissions lie; choose another folder for the site")
    if check:
        stale = stale_files(root, folder, allow_canary=allow_canary)
        for name in stale:
            typer.echo(name)
        typer.echo(f"{folder}: {len(stale)} files differ" if stale else f"{folder}: up to date")
        raise typer.Exit(1 if stale else 0)
    rendered = render_site(root, folder, allow_canary=allow_canary)
    for line in (*rendered.canaries, *rendered.left_out):
        typer.echo(printable(line), err=True)
    typer.echo(f"{len(rendered.names)} files in {folder}; open {folder / 'index.html'} or run `bench serve`")


@app.command()
def serve(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="port on this machine")] = 8000,
    out: Annotated[Path | None, typer.Option("--out", help="where the site is", show_default="site/")] = None,
    root: Root = Path(),
) -> None:
    """Preview the site on this machine; end with Ctrl-C."""
    from bench.leaderboard.serve import serve as serve_site

    try:
        serve_site(out or root / "site", port)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@app.command(name="list")
def list_kind(
    kind: Annotated[str, typer.Argument(help="protocols, datasets, models, attacks, defenses or metrics")],
    as_json: Json = False,
) -> None:
    """List what the benchmark has of a kind."""
    from bench.explain import list_names

    names = list_names(kind)
    if as_json:
        typer.echo(json.dumps(names, indent=2))
        return
    width = max(map(len, names), default=0)
    for name, line in names.items():
        typer.echo(f"{name:<{width}}  {line}")


@app.command()
def explain(
    name: Annotated[str, typer.Argument(help="a metric, protocol, attack, defense, model or data set")],
) -> None:
    """Explain a metric, or anything that `bench list` names."""
    from bench.explain import explain as explain_name

    typer.echo(explain_name(name))


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check this machine: packages, devices, data sets, disk."""
    from bench.doctor import run_checks

    findings = run_checks()
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            typer.echo(f"{finding.status:<8}{finding.name}: {finding.detail}")
    raise typer.Exit(5 if any(finding.status == "broken" for finding in findings) else 0)


def _print_plan(plans: "list[Plan]", missing: set[str], *, as_json: bool) -> None:
    cells = [
        {
            "submission": plan.label,
            "cell": job.cell.label,
            "key": job.key,
            "state": "to measure" if job.key in missing else "finished",
        }
        for plan in plans
        for job in plan.own
    ]
    if as_json:
        typer.echo(json.dumps({"schema": "bench.plan/1", "cells": cells}, indent=2))
        return
    for cell in cells:
        typer.echo(f"{cell['state']:<11} {cell['submission']}  {cell['cell']}")
    extra = len(missing - {cell["key"] for cell in cells})
    of_them = f", {extra} of them references to compare with" if extra else ""
    typer.echo(f"{_cells(len(missing))} to measure{of_them}")


def _cells(count: int) -> str:
    return f"{count} cell{'s' * (count != 1)}"


def _print_evaluated(done: "list[Evaluated]", *, as_json: bool) -> None:
    if as_json:
        typer.echo(
            json.dumps({"schema": "bench.evaluated/1", "results": [_evaluated_record(item) for item in done]}, indent=2)
        )
        return
    for item in done:
        _print_one(item)


def _evaluated_record(item: "Evaluated") -> dict[str, Any]:
    return {
        "slug": item.plan.submission.slug,
        "protocol": item.plan.protocol.id,
        "tier": item.plan.tier,
        "id": item.result.id,
        "key": item.result.key,
        "path": str(item.path),
        "cells_trained": item.trained,
        "replications": [asdict(replication) for replication in item.replications],
        "measurements": [
            found.model_dump(mode="json", exclude_none=True) for found in item.result.outcome.measurements
        ],
    }


_SAID = {
    "ue": ("test_accuracy", "accuracy_drop", "ud"),
    "unlearning": ("gus", "gus_bound", "removal", "checkpoint_test_accuracy", "accuracy_gap"),
}
"""The metrics that an evaluation prints, by track."""


def _print_one(item: "Evaluated") -> None:
    own = len(item.result.outcome.cells)
    work = f"{item.trained} of {own} cells measured" if item.trained else f"all {own} cells are stored, no training"
    typer.echo(f"{item.plan.label}, tier {item.plan.tier}: {work}")
    for condition in item.result.subject.conditions:
        for key in _SAID[item.plan.protocol.track]:
            found = item.result.measurement(key, condition.label)
            if found is not None:
                typer.echo(f"  {condition.label:<22} {key:<14} {_in_words(found)}")
    for replication in item.replications:
        same = "identical to the stored result"
        off = f"differs from the stored result, test accuracy by {100 * replication.accuracy_difference:+.1f} points"
        typer.echo(f"  {replication.label:<22} {same if replication.identical else off}")
    typer.echo(f"  {item.path}")


def _in_words(found: "Measurement") -> str:
    from bench.metrics.catalog import METRICS

    metric = METRICS[found.metric]
    if found.pooled is not None:
        return f"{found.pooled:.{metric.decimals}f}, all seeds together"
    if found.mean is None or found.per_seed is None:
        return f"{found.status}: {found.reason}"
    scale, unit = {"fraction": (100, " %"), "points": (100, " points")}.get(metric.unit, (1, ""))
    mean = f"{scale * found.mean:.{metric.decimals}f}{unit}"
    if found.ci95 is None:
        return f"{mean} (one seed, no interval)"
    low, high = (f"{scale * bound:.{metric.decimals}f}" for bound in found.ci95)
    return f"{mean}, 95 % interval {low} to {high}, {len(found.per_seed)} seeds"
