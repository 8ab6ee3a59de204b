"""check_perturbation: whether a perturbation is what its manifest says and keeps its budget, and what it measures.

May import numpy, bench.errors, records, bench.artifacts and bench.budgets; no torch. Opens no file.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.artifacts import Perturbation
from bench.budgets import (
    Change,
    Excess,
    Kind,
    allows_norm,
    budget_limit,
    find_excess,
    largest,
    measure_change,
    measure_kind,
)
from bench.problems import Problem
from bench.protocol import Norm, Protocol
from bench.submission import Artifact
from bench.toml_lines import pointer_to

if TYPE_CHECKING:
    from bench.results import Check

UNITS: dict[Norm, str] = {"linf": "in 1/255", "l0": "changed pixels", "l2": "of a 0-to-1 image"}


def check_perturbation(
    perturbation: Perturbation,
    artifact: Artifact,
    protocol: Protocol,
    images: NDArray[np.uint8] | None,
    labels: NDArray[np.int64] | None,
) -> tuple[list[Problem], list["Check"]]:
    """Return what is wrong with a perturbation, and what was measured of it where it has the right shape.

    images: the protocol's training images, uint8 (N, C, H, W); labels: (N,). Both None where the data set is not at
    hand: budgets are then checked on the perturbation itself. Problems name the artifact's path as their file.
    """
    problems, measured = _examine(perturbation, artifact, protocol, images, labels)
    return problems, [] if measured is None else _checks(perturbation, artifact, protocol, *measured)


def perturbation_problems(
    perturbation: Perturbation,
    artifact: Artifact,
    protocol: Protocol,
    images: NDArray[np.uint8] | None,
    labels: NDArray[np.int64] | None,
) -> list[Problem]:
    """Return the problems of `check_perturbation` alone, without loading what results need."""
    return _examine(perturbation, artifact, protocol, images, labels)[0]


def _examine(
    perturbation: Perturbation,
    artifact: Artifact,
    protocol: Protocol,
    images: NDArray[np.uint8] | None,
    labels: NDArray[np.int64] | None,
) -> tuple[list[Problem], tuple[Change, Kind | None] | None]:
    problems = [*identity_problems(perturbation, artifact), *_form_problems(perturbation, artifact, protocol)]
    if perturbation.values.shape != expected_shape(protocol):
        return problems, None
    change = measure_change(perturbation.values, images)
    if allows_norm(protocol.budgets, artifact.norm):
        problems += _budget_problems(perturbation, artifact, protocol, change)
    kind = None if labels is None else measure_kind(perturbation.values, labels)
    if kind is not None and kind != artifact.kind:
        problems.append(_kind_problem(artifact, kind))
    return problems, (change, kind)


def expected_shape(protocol: Protocol) -> tuple[int, int, int, int]:
    """Return the shape of a protocol's perturbations: (training images, channels, height, width)."""
    dataset = protocol.dataset
    return (dataset.train.images, dataset.channels, dataset.height, dataset.width)


def identity_problems(perturbation: Perturbation, artifact: Artifact) -> list[Problem]:
    """Return where size and digest of a file differ from what the manifest says."""
    problems = []
    if perturbation.size != artifact.bytes:
        message = (
            f"size of {artifact.path!r} is not the one given: expected {artifact.bytes} bytes, got {perturbation.size}"
        )
        problems.append(Problem(artifact.path, "", "size", message, "replace the file or correct the number"))
    if perturbation.sha256 != artifact.sha256:
        message = f"digest of {artifact.path!r} does not match: expected {artifact.sha256}, got {perturbation.sha256}"
        problems.append(Problem(artifact.path, "", "digest", message, "replace the file or correct the digest"))
    return problems


def _form_problems(perturbation: Perturbation, artifact: Artifact, protocol: Protocol) -> list[Problem]:
    problems, pointer = [], pointer_to(artifact.tensor)
    found, expected = perturbation.values.shape, expected_shape(protocol)
    if found != expected:
        message = f"shape is {_by(found)}, expected {_by(expected)} (training images, channels, height, width)"
        remedy = f"row i changes training image i of {protocol.id}"
        problems.append(Problem(artifact.path, pointer, "shape", message, remedy))
    if artifact.norm == "linf" and perturbation.values.dtype != np.int8:
        message = f"dtype is {perturbation.values.dtype}, expected int8 under linf"
        problems.append(Problem(artifact.path, pointer, "dtype", message, "store it as int8, in 1/255 units"))
    return problems


def _budget_problems(
    perturbation: Perturbation, artifact: Artifact, protocol: Protocol, change: Change
) -> list[Problem]:
    limit = budget_limit(protocol.budgets, artifact.norm)
    excess = find_excess(change, perturbation.values, artifact.norm, limit)
    if excess is None:
        return []
    pointer = pointer_to(artifact.tensor, *excess.first)
    message = f"{_place(excess)}: {excess.found}, limit {limit} ({UNITS[artifact.norm]}); {_count(excess)}"
    remedy = f"keep every change within the {artifact.norm} budget of {protocol.id}, rounding included"
    return [Problem(artifact.path, pointer, "budget", message, remedy)]


def _kind_problem(artifact: Artifact, kind: Kind) -> Problem:
    message = f"kind is declared {artifact.kind}, measured {kind}"
    remedy = f'write kind = "{kind}"; results show both'
    return Problem(artifact.path, "", "kind", message, remedy, severity="warning")


def _checks(
    perturbation: Perturbation, artifact: Artifact, protocol: Protocol, change: Change, kind: Kind | None
) -> list["Check"]:
    from bench.results import Check  # noqa: PLC0415 (brings scipy, which a check without a result does not need)

    values = perturbation.values
    shape = f"{_by(values.shape)} {values.dtype}"
    checks = [Check(id="shape", status="pass", measured=shape, detail="as the protocol asks, row i for image i")]
    if allows_norm(protocol.budgets, artifact.norm):
        limit = budget_limit(protocol.budgets, artifact.norm)
        if find_excess(change, values, artifact.norm, limit) is None:
            measured, detail = _budget_words(artifact.norm, change, limit)
            checks.append(Check(id="budget", status="pass", measured=measured, detail=detail))
    if kind is not None:
        agrees = kind == artifact.kind
        checks.append(
            Check(id="kind", status="pass" if agrees else "warn", measured=kind, detail=f"declared {artifact.kind}")
        )
    return [*checks, Check(id="change", status="pass", measured=_extent(change), detail=_CHANGE_DETAIL)]


def _budget_words(norm: Norm, change: Change, limit: float | None) -> tuple[str, str]:
    if limit is None:
        return f"linf {largest(change, norm)}", "no limit: a class of its own"
    return f"{norm} {largest(change, norm)} of {limit}", f"largest change of an image, {UNITS[norm]}"


_CHANGE_DETAIL = "channel values of the images that are trained on: changed, mean |change| of all in 1/255, darkened"


def _extent(change: Change) -> str:
    changed, negative, mean = (part / change.values for part in (change.changed, change.negative, change.total))
    return f"{changed:.1%} changed, mean {mean:.1f}, {negative:.1%} darker"


def _place(excess: Excess) -> str:
    names = ("image", "channel", "row", "column")
    return ", ".join(f"{name} {index}" for name, index in zip(names, excess.first, strict=False))


def _count(excess: Excess) -> str:
    what = "channel value" if len(excess.first) > 1 else "image"
    return f"{excess.count} {what}{'s' if excess.count > 1 else ''} over budget"


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single number"
