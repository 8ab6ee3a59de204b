"""Format and Content: what a reader of released files is, and what it returns.

May import numpy and bench.errors; this is loaded in the confined process too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from bench.errors import InvalidSubmission, RefusedArtifact

DATA_LIMIT_BYTES = 2 * 1024**3
"""Largest array that is read, whatever the file's own size."""

Meaning = Literal["delta", "images", "either"]


@dataclass(frozen=True)
class Content:
    """What a file holds, as stored: rows first, any number type, any layout.

    labels: (rows,) int64. index: (rows,) int64, the number in each row's name; with `within_class`, counted within the
    row's class. meaning: whether rows are changes or changed images, as far as the format says.
    """

    values: NDArray[Any]
    labels: NDArray[np.int64] | None = None
    index: NDArray[np.int64] | None = None
    within_class: bool = False
    meaning: Meaning = "either"


Files = Mapping[str, BinaryIO]
"""Open files by role: `data` always, `labels` and `clean` where the format takes them."""


@dataclass(frozen=True)
class Format:
    """One format. pickled: needs --trust-pickle. roles: the files it takes besides `data`."""

    summary: str
    read: Callable[[Files], dict[str, Content]]
    pickled: bool = False
    roles: tuple[str, ...] = ()
    folder: bool = False


def check_array(shape: tuple[int, ...], dtype: np.dtype[Any], what: str) -> int:
    """Return how many bytes an array takes. Raises before anything of that size is made."""
    if dtype.hasobject or dtype.kind not in "biuf" or dtype.itemsize > 8:
        reason = "holds Python objects, which can run code" if dtype.hasobject else "is no array of numbers"
        raise RefusedArtifact(f"{what}: dtype {dtype.str} {reason}; save it as int8, uint8 or float32")
    size = dtype.itemsize
    for length in shape:
        size *= length
    if len(shape) > 6 or size > DATA_LIMIT_BYTES:
        raise RefusedArtifact(
            f"{what}: declares shape {shape}, {size} bytes, too large; at most {DATA_LIMIT_BYTES} are read"
        )
    if size <= 0:
        raise InvalidSubmission(f"{what}: shape {shape} holds nothing")
    return size


def class_numbers(labels: NDArray[Any], what: str) -> NDArray[np.int64]:
    """Return labels as (rows,) int64, from numbers or one-hot rows. Raises InvalidSubmission."""
    if labels.ndim == 2 and labels.shape[1] > 1:
        if not ((labels != 0).sum(axis=1) == 1).all():
            raise InvalidSubmission(f"{what}: a two-dimensional array that is not one-hot")
        return np.asarray((labels != 0).argmax(axis=1), dtype=np.int64)
    flat = labels.reshape(len(labels), -1)
    if flat.shape[1] != 1 or not np.isfinite(flat).all() or (flat != np.rint(flat)).any():
        raise InvalidSubmission(f"{what}: expected one whole number a row, got shape {labels.shape}")
    return flat[:, 0].astype(np.int64)
