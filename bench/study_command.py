"""`bench study`: its options, and what it prints. Heavy imports live inside the command, as in bench.cli."""

from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated

import typer

from bench.errors import UnknownName
from bench.studies import STUDIES

if TYPE_CHECKING:
    from bench.studies.record import AnyStudy, SearchedRun

Name = Annotated[str, typer.Argument(metavar="STUDY", help=f"one of {', '.join(STUDIES)}")]
Out = Annotated[Path, typer.Option("--out", help="folder for the JSON file and the charts")]
Datasets = Annotated[
    list[str] | None, typer.Option("--dataset", help="digits or cifar10; may be repeated", show_default="both")
]


def study(name: Name, out: Out = Path("docs/studies"), dataset: Datasets = None) -> None:
    """Run a study and draw its charts; minutes on two cores. See docs/studies."""
    from bench.files import write_and_sweep
    from bench.records import canonical_bytes
    from bench.registry import resolve
    from bench.studies.study import Study, StudyInput

    asked: Study = resolve("study", name, STUDIES)
    chosen = tuple(dict.fromkeys(dataset or asked.datasets))
    for item in chosen:
        if item not in asked.datasets:
            raise UnknownName("data set of the study", item, asked.datasets)
    record = asked.run(StudyInput(chosen, lambda line: typer.echo(line, err=True)))

    # Only now: what draws charts is not needed while the study runs.
    from bench.leaderboard.study_charts import draw_study

    files = {f"{name}.json": canonical_bytes(record.model_dump(mode="json", by_alias=True)), **draw_study(record)}
    for file, content in files.items():
        write_and_sweep(out / file, content)
    for line in (*_findings(record), *(str(out / file) for file in files)):
        typer.echo(line)


def _findings(record: "AnyStudy") -> list[str]:
    """Say the main numbers of a study, one line each."""
    from bench.studies.record import MemorizationStudy, SalStudy

    if isinstance(record, MemorizationStudy):
        scores = f"memorization of relabeled images {record.relabeled:.3f}, of the others {record.others:.3f}"
        proxies = [f"{item.proxy}: rank correlation {item.spearman:.3f}" for item in record.agreements]
        return [scores, *proxies]
    if isinstance(record, SalStudy):
        return [
            f"{run.attack}, epoch {run.epoch}: the published search reaches {_reached(run):.3f} of the converged one"
            for run in record.whole
        ]
    lines = []
    for shift in record.poison_shifts:
        for group in ("poisons", "random", "unpoisoned"):
            last = [item.l1 for item in shift.removals if item.group == group and item.share == 1]
            lines.append(f"{shift.dataset}: {shift.poisons} {group} removed, L1 shift {sum(last) / len(last):.4g}")
    for run in record.linear_shift.runs:
        found = "undefined" if run.cosine is None else f"{run.cosine:.4f}"
        lines.append(
            f"linear, {run.coordinates} coordinates, {run.begin} start {run.initialization}: cosine {found}, "
            f"shift {run.shift:.3f}"
        )
    return lines


def _reached(run: "SearchedRun") -> float:
    """Return the median over layers of what the published search found, as a share of the converged one's."""
    pairs = zip(run.values["official"], run.values["converged"], strict=True)
    return median(old / new if new > 0 else 1.0 for old, new in pairs)
