"""`bench import`: its options, and what it prints. Heavy imports live inside the command, as in bench.cli."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bench.importing import FORMATS

if TYPE_CHECKING:
    from bench.importing.report import ImportReport

Format = Annotated[str, typer.Argument(metavar="FORMAT", help=f"one of {', '.join(FORMATS)}")]
File = Annotated[Path, typer.Argument(help="the released file; for png also a folder")]
Slug = Annotated[str, typer.Option("--slug", help="name of the new folder: a-z, 0-9 and -")]
Protocol = Annotated[
    str | None, typer.Option("--protocol", help="id of the protocol", show_default="the one that fits")
]
TrustPickle = Annotated[bool, typer.Option("--trust-pickle", help="read pt and pkl, confined")]
Sign = Annotated[
    Literal["signed", "official"],
    typer.Option("--sign", help="official: drop negative changes, as EM's released loader does"),
]
Rounding = Annotated[
    Literal["nearest", "truncate"] | None,
    typer.Option("--rounding", help="how to round fractions", show_default="nearest; truncate if official"),
]
Scale = Annotated[
    Literal["1", "255"] | None,
    typer.Option("--scale", help="full brightness in the file", show_default="1 for fractions, else 255"),
]
Content = Annotated[Literal["auto", "delta", "images"], typer.Option("--content", help="what rows are")]
Order = Annotated[
    Literal["auto", "index", "class", "match"], typer.Option("--order", help="which image a row belongs to")
]
Labels = Annotated[Path | None, typer.Option("--labels", help="npy: file with the label of each row")]
Clean = Annotated[Path | None, typer.Option("--clean", help="npy: the clean images, row by row")]
Tolerance = Annotated[
    int | None,
    typer.Option("--tolerance", min=0, max=255, help="match: largest distance, in 1/255", show_default="2 budgets"),
]
Missing = Annotated[
    Literal["refuse", "zero"], typer.Option("--missing", help="zero: images that have no row stay as they are")
]
Norm = Annotated[
    Literal["linf", "l2", "l0"] | None,
    typer.Option("--norm", help="budget to claim", show_default="the first that is kept"),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="draws from a bank of class perturbations")]
Name = Annotated[str | None, typer.Option("--name", help="the method's name")]
Authors = Annotated[list[str] | None, typer.Option("--author", help="an author; may be repeated")]
Paper = Annotated[str | None, typer.Option("--paper", help="https link to the paper")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for machines.")]
Root = Annotated[Path, typer.Option("--root", help="Folder that holds submissions/ and site/.", show_default="here")]


def import_released(
    format_name: Format,
    file: File,
    slug: Slug,
    protocol: Protocol = None,
    trust_pickle: TrustPickle = False,
    sign: Sign = "signed",
    rounding: Rounding = None,
    scale: Scale = None,
    content: Content = "auto",
    order: Order = "auto",
    labels: Labels = None,
    clean: Clean = None,
    tolerance: Tolerance = None,
    missing: Missing = "refuse",
    norm: Norm = None,
    seed: Seed = 0,
    name: Name = None,
    author: Authors = None,
    paper: Paper = None,
    as_json: Json = False,
    root: Root = Path(),
) -> None:
    """Convert released perturbations into a submission; see docs/importing.md."""
    from bench.importing.conversion import import_file
    from bench.importing.report import format_report
    from bench.importing.request import Credits, ImportRequest

    request = ImportRequest(
        format=format_name,
        file=file,
        slug=slug,
        protocol=protocol,
        labels=labels,
        clean=clean,
        content=content,
        order=order,
        sign=sign,
        rounding=rounding,
        scale=int(scale) if scale else None,
        missing=missing,
        tolerance=tolerance,
        norm=norm,
        seed=seed,
        trust_pickle=trust_pickle,
        credits=Credits(name, tuple(author or ()), paper),
    )
    report = import_file(root, request)
    typer.echo(report.model_dump_json(by_alias=True, indent=2) if as_json else format_report(report))
    _close(root / "submissions" / slug, report)


def _close(folder: Path, report: "ImportReport") -> None:
    if report.norm is None:
        typer.echo(f"error: keeps no budget of {report.protocol} that it may claim; nothing was written", err=True)
        raise typer.Exit(3)
    typer.echo(f"{folder}: written; replace every FILL-IN in its manifest, then `bench validate {folder}`", err=True)
