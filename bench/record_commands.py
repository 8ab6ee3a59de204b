"""`bench verify`, `annotate`, `ledger` and `review`: options, and what they print. Heavy imports live inside."""

import json
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.problems import printable

if TYPE_CHECKING:
    from bench.ledger import Action, AnnotationLine, EvaluationLine, Ledger

Root = Annotated[Path, typer.Option("--root", help="Folder that holds submissions/ and site/.", show_default="here")]
Paths = Annotated[list[Path] | None, typer.Argument(help="submission folders or result files")]
Folders = Annotated[list[Path], typer.Argument(help="submission folders")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for machines.")]
Against = Annotated[
    str | None,
    typer.Option("--against", help="folder or git commit: what was stored there must still be there, unchanged"),
]


class Form(StrEnum):
    """How a review is printed."""

    md = "md"
    json = "json"


def changed_folders(root: Path, since: str | None) -> list[Path]:
    """Return the submission folders that are not as they were, none where nobody asks. since: a commit or a folder."""
    if since is None:
        return []
    from bench.base import open_base
    from bench.integrity import changed_submissions

    with open_base(root, since) as base:
        folders = [root / "submissions" / slug for slug in changed_submissions(root, base)]
    return [folder for folder in folders if folder.is_dir()]


def verify(paths: Paths = None, against: Against = None, as_json: Json = False, root: Root = Path()) -> None:
    """Check stored results: digests, seals, ledgers, and that every number follows from its cells."""
    from bench.base import open_base
    from bench.integrity import base_problems, submission_folders, withdrawn_results
    from bench.verification import verify as verify_results

    chosen = paths or [root / "submissions"]
    count, problems = verify_results(root, chosen)
    with open_base(root, against) if against else nullcontext() as base:
        problems += base_problems(root, base) if base else []
    withdrawn = [item for path in chosen for folder in submission_folders(path) for item in withdrawn_results(folder)]
    if as_json:
        found = {"results": count, "problems": problems, "withdrawn": [item.text for item in withdrawn]}
        typer.echo(json.dumps({"schema": "bench.verification/1", **found}, indent=2))
    else:
        for line in (*problems, *(item.text for item in withdrawn)):
            typer.echo(printable(line))
        told = f", {len(withdrawn)} withdrawn" if withdrawn else ""
        typer.echo(f"{count} results checked, {len(problems)} problems{told}")
    if not problems:  # what contradicts itself has no controls to speak of
        _say_canaries(root)
    raise typer.Exit(1 if problems else 0)


def _say_canaries(root: Path) -> None:
    """Print how the controls stand, which are out of band, and which boards have none."""
    from bench.leaderboard.canaries import canaries, out_of_band, summary, uncontrolled
    from bench.leaderboard.sources import read_sources

    sources = read_sources(root)
    told = [*out_of_band(sources), *uncontrolled(sources)]
    for line in [*told, summary(sources)] if canaries(sources) else told:
        typer.echo(line, err=True)


def annotate(
    path: Annotated[Path, typer.Argument(help="a result file, submissions/SLUG/results/PROTOCOL/ID.json")],
    reason: Annotated[str, typer.Option("--reason", help="one line of plain text")],
    withdraw: Annotated[bool, typer.Option("--withdraw", help="rank it no longer; it stays visible")] = False,
    restore: Annotated[bool, typer.Option("--restore", help="take a withdrawal back")] = False,
    by: Annotated[str, typer.Option("--by", help="who says so")] = "maintainer",
) -> None:
    """Say something about a stored result, for good: the line is added to the ledger, the result stays as it is."""
    from bench.attempts import annotate as annotate_result
    from bench.errors import UsageProblem

    if withdraw and restore:
        raise UsageProblem("--withdraw and --restore exclude each other")
    line = annotate_result(path, reason=reason, by=by, action=_action(withdraw=withdraw, restore=restore))
    typer.echo(f"{path}: {_said(line)}")


def ledger(
    paths: Folders,
    enter: Annotated[bool, typer.Option("--import", help="enter runs of stored results that are missing")] = False,
) -> None:
    """Show every evaluation and annotation of submissions, oldest first."""
    from bench.attempts import enter_stored
    from bench.errors import UsageProblem
    from bench.integrity import submission_folders
    from bench.ledger import EvaluationLine, read_ledger

    folders = [folder for path in paths for folder in submission_folders(path)]
    if not folders:
        raise UsageProblem("no submission there; name submissions/SLUG, or submissions for all")
    for folder in folders:
        added = enter_stored(folder) if enter else ()
        found = read_ledger(folder)
        typer.echo(f"{folder}: {len(found.lines)} lines" + (f", {len(added)} of them new" if added else ""))
        for line in found.lines:
            said = _ran(line, found) if isinstance(line, EvaluationLine) else _said(line)
            typer.echo(f"  {line.at or 'time not recorded'}  {line.result[7:23]}  {said}")


def _action(*, withdraw: bool, restore: bool) -> "Action":
    return "withdraw" if withdraw else "restore" if restore else "note"


def _said(line: "AnnotationLine") -> str:
    words = {"note": "note", "withdraw": "withdrawn", "restore": "restored"}
    return f"{words[line.action]} by {line.by}: {line.reason}"


def _ran(line: "EvaluationLine", found: "Ledger") -> str:
    attempt = found.attempt(line.protocol, line.artifacts)
    assert attempt is not None, "a line is of its own ledger"
    value = "not measured" if line.value is None else f"{line.value:g}"
    number = f"attempt {attempt.number} of {attempt.total}"
    return f"{line.protocol}, {line.tier} tier, {number}, {line.metric} {value} ({line.origin})"


def review(
    base: Annotated[str | None, typer.Option("--base", help="git commit to compare with")] = None,
    before: Annotated[Path | None, typer.Option("--before", help="folder to compare with, instead of --base")] = None,
    form: Annotated[Form, typer.Option("--format", help="how to print it")] = Form.md,
    out: Annotated[Path | None, typer.Option("--out", help="file to write", show_default="stdout")] = None,
    root: Root = Path(),
) -> None:
    """Say what changed submissions bring: problems, ranks and ties, claims and measurements, likeness, controls."""
    from bench.base import find_commit, open_base
    from bench.errors import UsageProblem
    from bench.files import write_and_sweep
    from bench.review import make_review
    from bench.review_text import review_json, review_markdown

    if (base is None) == (before is None):
        raise UsageProblem("name one of --base COMMIT and --before FOLDER")
    name = base or str(before)
    with open_base(root, name) as folder:
        found = make_review(root, folder, name=(find_commit(root, name) or name)[:12])
    text = review_markdown(found) if form is Form.md else review_json(found)
    if out is None:
        typer.echo(text)
    else:
        write_and_sweep(out, text.encode())
        typer.echo(f"{out}: {len(found.changed)} submissions changed, {found.problems} problems")
    raise typer.Exit(1 if found.problems else 0)
