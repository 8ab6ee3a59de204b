"""Whether a result document has the form that everything behind it relies on, beyond its types.

May import bench.records, bench.results and the catalog of metrics. A document can have every type right and still hold
curves without a point, numbers that no sum survives, or text that acts on a terminal.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from bench.metrics.catalog import METRICS
from bench.problems import visible
from bench.results import AnyCell, CellResult, CheckpointResult, OfficialCurve, Result, Run, SalCurve
from bench.seals import flat_leaves

TEXT_LIMIT = 4000
POINTER_LIMIT = 400
COUNT_LIMIT = 2**53 - 1
NUMBER_LIMIT = 1e12
"""Largest magnitude of a number; beyond it sums and squares overflow."""

MEAN_TOLERANCE = 2e-6
"""Scores and their mean are rounded to 6 decimals, each by itself."""

FOUND_LIMIT = 20
"""Problems of one document that are named."""

Finding = tuple[str, str]
"""(JSON pointer, what is wrong there)."""


def value_findings(document: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield each value of a JSON document that is no plain text or no number that JSON keeps."""
    for pointer, value in flat_leaves(document):
        if len(pointer) > POINTER_LIMIT or not pointer.isprintable():
            yield visible(pointer, POINTER_LIMIT), "has a name that is too long or does not print"
        elif isinstance(value, str) and (len(value) > TEXT_LIMIT or not value.isprintable()):
            yield pointer, f"is {visible(repr(value), 80)}, expected at most {TEXT_LIMIT} characters that print"
        elif type(value) is int and abs(value) > COUNT_LIMIT:
            yield pointer, f"is beyond {COUNT_LIMIT}, the largest whole number that JSON keeps"
        elif isinstance(value, float) and abs(value) > NUMBER_LIMIT:
            yield pointer, f"is {value:g}, at most {NUMBER_LIMIT:g} is a measurement"


def form_findings(result: Result) -> Iterator[Finding]:
    """Yield where the parts of a result do not fit each other: curves, seeds, metrics and conditions."""
    labels = {condition.label for condition in result.subject.conditions}
    for index, found in enumerate(result.outcome.measurements):
        at = f"/outcome/measurements/{index}"
        if found.metric not in METRICS:
            yield f"{at}/metric", "is no metric of the catalog"
        # A tier leaves conditions of its protocol out, and says so of each metric.
        if found.condition not in labels and found.status != "not_run":
            yield f"{at}/condition", "is none of the subject's conditions"
        if found.per_seed == ():
            yield f"{at}/per_seed", "is empty"
    seen: set[tuple[str, int]] = set()
    for index, cell in enumerate(result.outcome.cells):
        at = f"/outcome/cells/{index}"
        if (cell.condition, cell.seed) in seen:
            yield at, "is a second cell of one condition and seed"
        seen.add((cell.condition, cell.seed))
        for pointer, text in _cell_findings(cell):
            yield f"{at}{pointer}", text


def run_findings(run: Run) -> Iterator[Finding]:
    """Yield what is wrong with the values of a recorded run."""
    yield from value_findings(run.model_dump(mode="json"))


def _cell_findings(cell: AnyCell) -> Iterator[Finding]:
    if not isinstance(cell, CellResult):
        if "checkpoint_test_accuracy" not in cell.values:
            yield "/values", "has no checkpoint_test_accuracy"
        yield from _checkpoint_findings(cell)
        return
    epochs = len(cell.test_accuracy)
    if epochs == 0 or len(cell.train_loss) != epochs or len(cell.train_accuracy) != epochs:
        yield "/test_accuracy", "and the other curves of training have no value, or another number of values"
    for name, value in (("train_accuracy", cell.train_accuracy), ("test_accuracy", cell.test_accuracy)):
        if any(not 0 <= accuracy <= 1 for accuracy in value):
            yield f"/{name}", "holds a value that is no share from 0 to 1"
    sal, official = cell.sal, cell.official
    yield from _grid_findings("/sal", sal, (sal.values,), (sal.loss,))
    if official is not None:
        yield from _grid_findings(
            "/official", official, (official.highest, official.lowest), (official.running_loss, official.start_loss)
        )


def _checkpoint_findings(cell: CheckpointResult) -> Iterator[Finding]:
    """Yield values that nobody measures, and means that are not those of their scores; no score, no mean."""
    yield from ((f"/values/{name}", "is no metric of the catalog") for name in cell.values if name not in METRICS)
    curve = cell.gaussian
    if curve is None:
        return
    if curve.skipped < 0:
        yield "/gaussian/skipped", "is below 0"
    for name, scores in (("gus", curve.forget), ("gus_kept", curve.kept), ("gus_never", curve.never)):
        stated = cell.values.get(name)
        mean = math.fsum(scores) / len(scores) if scores else None
        if (stated is None) != (mean is None) or abs((stated or 0.0) - (mean or 0.0)) > MEAN_TOLERANCE:
            yield f"/values/{name}", "is not the mean of the scores"


def _grid_findings(
    at: str, curve: SalCurve | OfficialCurve, grids: tuple[tuple[tuple[float, ...], ...], ...], lines: tuple[Any, ...]
) -> Iterator[Finding]:
    """Yield where a curve by epoch and layer is empty or ragged."""
    epochs, layers = len(curve.epochs), len(curve.layers)
    whole = all(len(grid) == epochs and all(len(row) == layers for row in grid) for grid in grids)
    if not (epochs and layers and whole and all(len(line) == epochs for line in (*lines, curve.gradients))):
        yield at, "does not have one value for each of its epochs and layers"
