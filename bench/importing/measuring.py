"""Measures a perturbation before it is handed in: norms against budgets, kind, and the share of negative changes.

May import numpy, bench.errors, bench.budgets and bench.data.
"""

from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from bench.artifacts import Integers
from bench.budgets import Change, Kind, Norm, allowed_norms, find_excess, measure_change, measure_kind
from bench.data.perturbed import apply_perturbation
from bench.errors import UsageProblem
from bench.importing.report import NormFit
from bench.protocol import Budgets

_FAR = 128


@dataclass(frozen=True)
class Measured:
    """What a perturbation measures; norm: the first that the protocol allows and that is kept, None where none is."""

    kind: Kind
    norms: tuple[NormFit, ...]
    norm: Norm | None
    unchanged_images: int
    constant_images: int
    hints: tuple[str, ...]


def measure(
    delta: Integers, images: NDArray[np.uint8], labels: NDArray[np.int64], budgets: Budgets, wanted: Norm | None
) -> Measured:
    """Measure a perturbation of images, both (N, C, H, W). Raises UsageProblem for a norm that is not allowed."""
    allowed = allowed_norms(budgets)
    if wanted is not None and wanted not in allowed:
        raise UsageProblem(f"the protocol has no {wanted} budget; norms it allows: {', '.join(allowed)}")
    change = measure_change(delta, images)
    norms = tuple(_norm_fit(norm, change, delta, budgets) for norm in get_args(Norm))
    kept = {fit.norm: fit.norm for fit in norms if fit.fits and wanted in (None, fit.norm)}
    perturbed = apply_perturbation(images, delta)
    constant = int((perturbed == perturbed[:, :, :1, :1]).all(axis=(1, 2, 3)).sum())
    return Measured(
        kind=measure_kind(delta, labels),
        norms=norms,
        norm=next((kept[norm] for norm in get_args(Norm) if norm in kept), None),
        unchanged_images=int((change.pixels == 0).sum()),
        constant_images=constant,
        hints=_hints(change, constant, images),
    )


def negative_share(delta: Integers) -> float:
    """Return how many of the changed values are darkened, as a fraction; 0 where nothing is changed."""
    changed = int((delta != 0).sum())
    return int((delta < 0).sum()) / changed if changed else 0.0


def _norm_fit(norm: Norm, change: Change, delta: Integers, budgets: Budgets) -> NormFit:
    sizes = {"linf": change.peaks, "l0": change.pixels, "l2": np.sqrt(change.squares) / 255}[norm]
    limit: float | None = getattr(budgets, norm)
    excess = None if limit is None else find_excess(change, delta, norm, limit)
    detail = "" if excess is None else f"{excess.count} times, first image {excess.first[0]}: {excess.found}"
    if norm == "linf" and delta.dtype != np.int8:
        detail = detail or "values beyond int8"
    fits = limit is not None and excess is None and not detail
    return NormFit(
        norm=norm, largest=float(sizes.max()), mean=float(sizes.mean()), limit=limit, fits=fits, detail=detail
    )


def _hints(change: Change, constant: int, images: NDArray[np.uint8]) -> tuple[str, ...]:
    hints = []
    if change.changed == 0:
        hints.append("nothing is changed: every image stays as it is")
    clean_constant = int((images == images[:, :, :1, :1]).all(axis=(1, 2, 3)).sum())
    if constant > clean_constant:
        hints.append(f"{constant} images are of one color: the release may have failed for them")
    if np.median(change.peaks) > _FAR:
        hints.append("rows hardly resemble their images: they may be in another order, see --order match")
    return tuple(hints)
