"""`bench compare`: its options, and what it prints. Heavy imports live inside the command, as in bench.cli."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ReportStyle(StrEnum):
    """How a comparison is printed."""

    text = "text"
    md = "md"
    json = "json"


Names = Annotated[list[str], typer.Argument(metavar="A B...", help="2 to 6 submissions: slugs or folders; A is first")]
Only = Annotated[
    str | None, typer.Option("--protocol", help="compare in this one", show_default="every protocol that all have")
]
Style = Annotated[ReportStyle, typer.Option("--format", help="how to print")]
Metrics = Annotated[
    list[str] | None, typer.Option("--metric", help="compare this one; may be repeated", show_default="the main ones")
]
Fail = Annotated[
    bool, typer.Option("--fail-on-regression", help="exit 1 if another is significantly worse than A where it ranks")
]
Root = Annotated[Path, typer.Option("--root", help="Folder that holds submissions/ and site/.", show_default="here")]


def compare(
    names: Names,
    protocol: Only = None,
    style: Style = ReportStyle.text,
    metric: Metrics = None,
    fail_on_regression: Fail = False,
    root: Root = Path(),
) -> None:
    """Compare stored results of submissions with those of the first, seed by seed; measures nothing."""
    from bench.leaderboard.comparison_report import json_report, markdown_report, regressions, text_report
    from bench.leaderboard.comparison_sources import compare_named

    found = compare_named(root, names, protocol=protocol, metrics=metric or ())
    if style is ReportStyle.json:
        sys.stdout.write(json_report(found).decode())
    else:
        sys.stdout.write(markdown_report(found) if style is ReportStyle.md else text_report(found))
    worse = regressions(found)
    for where, label in worse:
        typer.echo(f"{where}: {label} is significantly worse than {names[0]} in the metric that ranks", err=True)
    raise typer.Exit(1 if worse and fail_on_regression else 0)
