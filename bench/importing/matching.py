"""Finds out which training image each row of a file belongs to, where the file does not say.

May import numpy and bench.errors.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.errors import InvalidSubmission

NOBODY = -1
_CHUNK_ROWS = 64
_SHOWN = 5


@dataclass(frozen=True)
class Matching:
    """row_of: (M,) the row of each training image, NOBODY where there is none.

    duplicates: images that equal another one, told apart by order alone. unused: rows that belong to no image.
    """

    row_of: NDArray[np.int64]
    duplicates: int = 0
    unused: int = 0


def match_by_index(index: NDArray[np.int64], images: int) -> Matching:
    """Match rows by the number in their name. Raises InvalidSubmission for a number beyond the training set."""
    if index.min() < 0 or index.max() >= images:
        raise InvalidSubmission(f"file: image number {int(index.max())}, the training set has 0 to {images - 1}")
    row_of = np.full(images, NOBODY, np.int64)
    row_of[index] = np.arange(len(index))
    return Matching(row_of)


def match_within_classes(
    row_labels: NDArray[np.int64], rank: NDArray[np.int64] | None, labels: NDArray[np.int64]
) -> Matching:
    """Match the j-th row of a class with its j-th image; rank: j of each row, by default its place among the rows."""
    row_of = np.full(len(labels), NOBODY, np.int64)
    unused = int((~np.isin(row_labels, labels)).sum())
    for label in np.unique(labels):
        members, rows = np.flatnonzero(labels == label), np.flatnonzero(row_labels == label)
        ranks = np.arange(len(rows)) if rank is None else rank[rows]
        known = ranks < len(members)
        row_of[members[ranks[known]]] = rows[known]
        unused += int((~known).sum())
    return Matching(row_of, unused=unused)


def match_exactly(rows: NDArray[np.uint8], images: NDArray[np.uint8]) -> Matching:
    """Match rows with the images that equal them; equal images in order. Raises InvalidSubmission."""
    waiting: dict[bytes, list[int]] = {}
    for position in range(len(images) - 1, -1, -1):
        waiting.setdefault(images[position].tobytes(), []).append(position)
    duplicates = sum(len(group) for group in waiting.values() if len(group) > 1)
    row_of = np.full(len(images), NOBODY, np.int64)
    lost = []
    for row, image in enumerate(rows):
        group = waiting.get(image.tobytes())
        if group:
            row_of[group.pop()] = row
        else:
            lost.append(row)
    if lost:
        raise InvalidSubmission(f"clean file: {_rows(lost)} equal no training image that is left; is it this data set?")
    return Matching(row_of, duplicates)


def match_nearest(
    rows: NDArray[np.uint8],
    row_labels: NDArray[np.int64] | None,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    tolerance: int,
) -> Matching:
    """Match each row with the nearest image of its class in L-infinity distance.

    rows, images: uint8 (.., C, H, W). A match is within `tolerance` (1/255 units), and every image with other pixels is
    half as far again; equal images are taken in order. Raises InvalidSubmission with the rows for which that fails.
    """
    groups, sizes = _groups(images, labels)
    far: list[int] = []
    ambiguous: list[int] = []
    group_of_row = np.full(len(rows), NOBODY, np.int64)
    for row, candidates, distances in _near(rows, row_labels, images, labels, tolerance + (tolerance + 1) // 2):
        if len(candidates) == 0 or distances.min() > tolerance:
            far.append(row)
            continue
        nearest = groups[candidates[distances.argmin()]]
        others = distances[groups[candidates] != nearest]
        if len(others) and 2 * others.min() < max(3 * distances.min(), 1):
            ambiguous.append(row)
        group_of_row[row] = nearest
    problems = []
    if far:
        problems.append(f"{_rows(far)} are farther than {tolerance}/255 from every image of their class")
    if ambiguous:
        problems.append(f"{_rows(ambiguous)} are about as near to two different images")
    if problems:
        raise InvalidSubmission(f"file: the order cannot be recovered: {'; '.join(problems)}")
    return Matching(_in_order(group_of_row, groups), int(sizes[sizes > 1].sum()))


def _groups(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the number of each image's group of equal images of one class, and the sizes of the groups."""
    numbers: dict[tuple[int, bytes], int] = {}
    found = [
        numbers.setdefault((int(label), image.tobytes()), len(numbers))
        for image, label in zip(images, labels, strict=True)
    ]
    groups = np.array(found, dtype=np.int64)
    return groups, np.bincount(groups)


def _in_order(group_of_row: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    row_of = np.full(len(groups), NOBODY, np.int64)
    rows, members = np.argsort(group_of_row, kind="stable"), np.argsort(groups, kind="stable")
    taken = group_of_row[rows]
    # The rank of a row among the rows of its group, and where its group begins among the images.
    rank = np.arange(len(rows)) - np.searchsorted(taken, taken)
    begin = np.searchsorted(groups[members], taken)
    at = begin + rank
    surplus = rows[(at >= len(members)) | (groups[members[np.minimum(at, len(members) - 1)]] != taken)]
    if len(surplus):
        raise InvalidSubmission(
            f"file: the order cannot be recovered: {_rows(sorted(surplus.tolist()))} belong to images "
            "that other rows took"
        )
    row_of[members[at]] = rows
    return row_of


def _near(
    rows: NDArray[np.uint8],
    row_labels: NDArray[np.int64] | None,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    radius: int,
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """Yield each row, the images of its class within `radius` of it, and their distances.

    Means over blocks of pixels differ at most as much as pixels do, so they exclude most images at little cost.
    """
    for label in np.unique(row_labels) if row_labels is not None else [None]:
        own = np.arange(len(rows)) if label is None else np.flatnonzero(row_labels == label)
        members = np.arange(len(images)) if label is None else np.flatnonzero(labels == label)
        image_means, row_means = _block_means(images[members]), _block_means(rows[own])
        for start in range(0, len(own), _CHUNK_ROWS):
            part = row_means[start : start + _CHUNK_ROWS]
            gaps = np.zeros((len(part), len(members)), np.float32)
            for column in range(part.shape[1]):
                np.maximum(gaps, np.abs(part[:, column, None] - image_means[None, :, column]), out=gaps)
            for row, gap in zip(own[start : start + _CHUNK_ROWS], gaps, strict=True):
                candidates = members[gap <= radius + 0.01]
                apart = np.abs(images[candidates].astype(np.int16) - rows[row])
                distances = apart.max(axis=(1, 2, 3), initial=0)
                close = distances <= radius
                yield int(row), candidates[close], distances[close].astype(np.int64)


def _block_means(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the means of each channel's four quarters, (N, 4 C)."""
    middle_row, middle_column = images.shape[2] // 2 or 1, images.shape[3] // 2 or 1
    blocks = [
        images[:, :, rows, columns].mean(axis=(2, 3), dtype=np.float32)
        for rows in (slice(None, middle_row), slice(middle_row - 1, None))
        for columns in (slice(None, middle_column), slice(middle_column - 1, None))
    ]
    return np.concatenate(blocks, axis=1)


def _rows(rows: list[int]) -> str:
    shown = ", ".join(str(row) for row in rows[:_SHOWN])
    return f"{len(rows)} row{'s' * (len(rows) != 1)} (first: {shown})"
