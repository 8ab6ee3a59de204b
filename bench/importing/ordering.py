"""Which training image each row belongs to: as the file says, as its labels prove, or recovered.

May import numpy, bench.errors and bench.importing.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.errors import InvalidSubmission, UsageProblem
from bench.importing.formats import Content
from bench.importing.matching import (
    NOBODY,
    Matching,
    match_by_index,
    match_exactly,
    match_nearest,
    match_within_classes,
)
from bench.importing.quantizing import channels_first, check_range, to_pixels
from bench.importing.request import ImportRequest
from bench.importing.target import Target, image_shape, load_target
from bench.protocol import Protocol

Order = Literal["index", "class", "match", "clean"]
Form = Literal["a row an image", "a row a class", "a bank of classes"]

USUAL_BUDGET = 8


@dataclass(frozen=True)
class Rows:
    """Rows with channels first, (.., C, H, W); images: whether they are changed images or else changes."""

    values: NDArray[Any]
    content: Content
    images: bool
    form: Form


@dataclass(frozen=True)
class Assigned:
    """row_of: (N,) the row of each of the protocol's images, NOBODY where there is none."""

    target: Target
    order: Order
    row_of: NDArray[np.int64]
    duplicates: int

    @property
    def there(self) -> NDArray[np.bool_]:
        """Which of the protocol's images have a row, (N,)."""
        return np.asarray(self.row_of != NOBODY)


def assign_rows(rows: Rows, clean: Content | None, protocol: Protocol, request: ImportRequest) -> Assigned:
    """Find the row of each image of a protocol.

    clean: the images that the rows were made from, row by row, where the release has them.
    Raises UsageProblem, InvalidSubmission, DatasetMissing, DataMismatch.
    """
    asked = _asked_order(rows, clean, request)
    target = load_target(protocol, whole=_needs_whole(rows, protocol, asked))
    order = _proven_order(rows, target) if asked == "auto" else asked
    matching = _match(order, rows, clean, target, protocol, request)
    return Assigned(target, order, matching.row_of[target.positions], matching.duplicates)


def _asked_order(rows: Rows, clean: Content | None, request: ImportRequest) -> Literal["auto"] | Order:
    """Return the order that the user or the format names; `auto` where labels decide."""
    if request.order == "match" and not rows.images:
        raise UsageProblem("--order match needs images; changes alone do not show which image they belong to")
    if request.order == "class" and rows.content.labels is None:
        raise UsageProblem("--order class needs labels; give them with --labels")
    if rows.form != "a row an image":
        return "index"
    if request.order != "auto":
        return request.order
    if clean is not None:
        return "clean"
    if rows.content.within_class:
        return "class"
    return "index" if rows.content.labels is None or rows.content.index is not None else "auto"


def _needs_whole(rows: Rows, protocol: Protocol, order: str) -> bool:
    """Return whether rows belong to the whole training set, not just to the images that the protocol chose."""
    if rows.form != "a row an image":
        return False
    count, index = protocol.dataset.train.images, rows.content.index
    if index is not None and not rows.content.within_class:
        return not np.array_equal(np.sort(index), np.arange(count))
    return order == "clean" or len(rows.values) != count


def _proven_order(rows: Rows, target: Target) -> Order:
    """Return the order that labels show: those of the training set, all of them, prove that it is kept."""
    labels = rows.content.labels
    if labels is not None and np.array_equal(labels, target.labels):
        return "index"
    if rows.images:
        return "match"
    raise InvalidSubmission(
        "file: its labels are not those of the training set in order; if the j-th row of a class is meant for the "
        "j-th image of that class, as for LSP, add --order class"
    )


def _match(
    order: Order, rows: Rows, clean: Content | None, target: Target, protocol: Protocol, request: ImportRequest
) -> Matching:
    labels, index = rows.content.labels, rows.content.index
    if rows.form != "a row an image":
        return Matching(_class_rows(rows, target, request.seed))
    if order == "class" and labels is not None:
        return match_within_classes(labels, index if rows.content.within_class else None, target.labels)
    if order == "clean" and clean is not None:
        return match_exactly(_clean_pixels(clean, rows, protocol, request), target.images)
    if order == "match":
        usual = 2 * (protocol.budgets.linf or USUAL_BUDGET)
        tolerance = usual if request.tolerance is None else request.tolerance
        pixels = to_pixels(rows.values, request.scale, request.exact_rounding)
        return match_nearest(pixels, labels, target.images, target.labels, tolerance)
    if index is not None:
        return match_by_index(index, len(target.labels))
    if len(rows.values) != len(target.labels):
        raise InvalidSubmission(
            f"file: {len(rows.values)} rows; expected {len(target.positions)} (those of {protocol.id}) or "
            f"{len(target.labels)} (the whole training set); if rows are in another order, use --order match or --clean"
        )
    return Matching(np.arange(len(target.labels)))


def _class_rows(rows: Rows, target: Target, seed: int) -> NDArray[np.int64]:
    """Return the row of each image's class; in a bank, that of a member drawn for each image."""
    if rows.form == "a row a class":
        return target.labels
    bank, classes = rows.values.shape[:2]
    members = np.random.default_rng(seed).integers(bank, size=len(target.labels))
    return np.asarray(members * classes + target.labels, dtype=np.int64)


def _clean_pixels(clean: Content, rows: Rows, protocol: Protocol, request: ImportRequest) -> NDArray[np.uint8]:
    """Return the clean image of each row; releases drop the last rows, but never the first."""
    values = channels_first(clean.values, image_shape(protocol))
    if values.ndim != 4 or len(values) < len(rows.values):
        raise InvalidSubmission(f"clean file: {len(values)} rows for {len(rows.values)}; it must cover the file")
    values = values[: len(rows.values)]
    check_range(values, request.scale)
    return to_pixels(values, request.scale, "nearest")
