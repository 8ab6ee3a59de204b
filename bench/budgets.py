"""What a perturbation does to the images, counted exactly in integers, and whether that keeps within a budget.

May import numpy, bench.artifacts and bench.protocol; no torch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import floor, sqrt
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bench.artifacts import Integers
from bench.data.perturbed import apply_perturbation
from bench.protocol import Budgets, Norm

Kind = Literal["class-wise", "sample-wise"]

_CHUNK_IMAGES = 1024


@dataclass(frozen=True)
class Change:
    """What changes, image by image and in total, in 1/255 units.

    peaks: (N,) largest |value| as submitted. pixels: (N,) changed pixels, in any channel. squares: (N,) sum of squares.
    values, changed, negative, total, strongest: over all images: channel values, changed ones, darkened ones, sum and
    largest of |change|.
    All but `peaks` count on the image that is trained on, where images are known.
    """

    peaks: NDArray[np.int64]
    pixels: NDArray[np.int64]
    squares: NDArray[np.int64]
    values: int
    changed: int
    negative: int
    total: int
    strongest: int


@dataclass(frozen=True)
class Excess:
    """A broken budget: how many images (linf: channel values) break it, and the first, by its indices."""

    count: int
    first: tuple[int, ...]
    found: str


def measure_change(values: Integers, images: NDArray[np.uint8] | None) -> Change:
    """Measure a perturbation (N, C, H, W), N > 0, int8 or int16; images: uint8, same shape, None where not at hand."""
    sums = np.zeros(3, dtype=np.int64)
    columns, strongest = [], 0
    for start in range(0, len(values), _CHUNK_IMAGES):
        part = slice(start, start + _CHUNK_IMAGES)
        effect = values[part].astype(np.int32)
        peaks = np.abs(effect).max(axis=(1, 2, 3))
        if images is not None:
            effect = apply_perturbation(images[part], values[part]).astype(np.int32) - images[part]
        changed = effect != 0
        squares = np.square(effect, dtype=np.int64).sum(axis=(1, 2, 3))
        columns.append((peaks, changed.any(axis=1).sum(axis=(1, 2)), squares))
        sums += (changed.sum(), (effect < 0).sum(), np.abs(effect).sum())
        strongest = max(strongest, int(np.abs(effect).max()))
    peaks, pixels, squares = (np.concatenate(column).astype(np.int64) for column in zip(*columns, strict=True))
    changed_values, negative, total = (int(value) for value in sums)
    return Change(peaks, pixels, squares, values.size, changed_values, negative, total, strongest)


def budget_limit(budgets: Budgets, norm: Norm) -> int | float | None:
    """Return the protocol's limit under a norm that it allows; None under `unbounded`, which has none."""
    if not allows_norm(budgets, norm):
        raise ValueError(f"the protocol has no {norm} budget")
    limit: int | float | None = None if norm == "unbounded" else getattr(budgets, norm)
    return limit


def allows_norm(budgets: Budgets, norm: Norm) -> bool:
    """Say whether a protocol admits perturbations under a norm."""
    return budgets.unbounded if norm == "unbounded" else getattr(budgets, norm) is not None


def allowed_norms(budgets: Budgets) -> list[Norm]:
    """Return the norms that a protocol allows, in a fixed order."""
    return [norm for norm in get_args(Norm) if allows_norm(budgets, norm)]


def largest(change: Change, norm: Norm) -> str:
    """Return the largest change of an image under a norm, as text without unit; of a channel value if unbounded."""
    if norm == "unbounded":
        return str(change.strongest)
    if norm == "l2":
        return f"{sqrt(int(change.squares.max())) / 255:.6f}"
    return str(int((change.peaks if norm == "linf" else change.pixels).max()))


def find_excess(change: Change, values: Integers, norm: Norm, limit: float | None) -> Excess | None:
    """Return how a perturbation breaks a budget, None where it keeps within, as it must where no limit is given.

    linf: first is (image, channel, row, column). l0, l2: first is (image,).
    """
    if limit is None:
        return None
    if norm == "l2":
        # Exact: sqrt(squares) / 255 <= limit, both sides squared, limit as it is written.
        bound = floor((Fraction(repr(float(limit))) * 255) ** 2)
        return _image_excess(change.squares, bound, lambda squares: f"l2 {sqrt(squares) / 255:.6f}")
    if norm == "l0":
        return _image_excess(change.pixels, int(limit), lambda pixels: f"{pixels} changed pixels")
    over = np.flatnonzero(change.peaks > limit)
    if len(over) == 0:
        return None
    count = sum(
        int(_beyond(values[part], limit).sum()) for part in np.array_split(over, len(over) // _CHUNK_IMAGES + 1)
    )
    channel, row, column = np.argwhere(_beyond(values[over[0]], limit))[0].tolist()
    first = (int(over[0]), channel, row, column)
    return Excess(count, first, f"{int(values[first]):+d}")


def _beyond(values: Integers, limit: float) -> NDArray[np.bool_]:
    # Not abs(): the smallest integer of a dtype has no positive counterpart.
    return np.asarray((values > limit) | (values < -limit))


def measure_kind(values: Integers, labels: NDArray[np.int64]) -> Kind:
    """Return `class-wise` if all perturbations of a class are equal, for every class; else `sample-wise`.

    labels: (N,). A class of one image decides nothing; where no class has two images, the answer is `sample-wise`.
    """
    compared = False
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        compared = compared or len(members) > 1
        for start in range(1, len(members), _CHUNK_IMAGES):
            if not (values[members[start : start + _CHUNK_IMAGES]] == values[members[0]]).all():
                return "sample-wise"
    return "class-wise" if compared else "sample-wise"


def _image_excess(measured: NDArray[np.int64], limit: int, words: Callable[[int], str]) -> Excess | None:
    over = np.flatnonzero(measured > limit)
    if len(over) == 0:
        return None
    return Excess(len(over), (int(over[0]),), words(int(measured[over[0]])))
