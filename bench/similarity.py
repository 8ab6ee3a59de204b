"""Similarity: whether a perturbation is another one's copy, scaled or slightly changed. No torch.

May import numpy, bench.errors, records and bench.artifacts.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from bench.artifacts import Integers, read_perturbation
from bench.errors import BenchError
from bench.problems import Problem
from bench.protocol import load_protocol, protocol_ids
from bench.submission import MANIFEST_NAME, Artifact, Manifest, Submission, listed_folders, load_submission

ALIKE = 0.7
"""Cosine from which two perturbations count as alike, on either sign. docs/results.md says what it was chosen by."""

CHUNK_VALUES = 4 * 1024 * 1024
"""How many values are turned into floating-point numbers at a time."""


@dataclass(frozen=True)
class Likeness:
    """How alike an artifact is to another submission's: their cosine, -1 to 1; 1 with equal digests."""

    artifact: Artifact
    slug: str
    path: str
    cosine: float
    equal: bool

    @property
    def alike(self) -> bool:
        """Whether it is close enough to be asked about."""
        return self.equal or abs(self.cosine) >= ALIKE


def cosine(one: Integers, other: Integers) -> float | None:
    """Return the cosine between two perturbations as vectors of all their values; None where one is all zero.

    one, other: int8 or int16, the same shape, any layout. Sums are float64, over chunks of CHUNK_VALUES values.
    Raises ValueError for different shapes.
    """
    if one.shape != other.shape:
        raise ValueError(f"shapes differ: {one.shape} and {other.shape}")
    flat, against = one.reshape(-1), other.reshape(-1)
    product = square = against_square = 0.0
    for start in range(0, flat.size, CHUNK_VALUES):
        left = flat[start : start + CHUNK_VALUES].astype(np.float64)
        right = against[start : start + CHUNK_VALUES].astype(np.float64)
        product += float(left @ right)
        square += float(left @ left)
        against_square += float(right @ right)
    if square == 0 or against_square == 0:
        return None
    return product / float(np.sqrt(square) * np.sqrt(against_square))


def likenesses(submission: Submission, others: Iterable[Submission]) -> list[Likeness]:
    """Compare each stored perturbation with all others of its data set; the most alike first.

    others: any submissions; the same slug is skipped. A file that several protocols of a data set take is compared
    once. Files that are not stored are compared by digest alone. Two files are in memory at a time.
    """
    rivals = [(other, item) for other in others if other.slug != submission.slug for item in _perturbations(other)]
    found: list[Likeness] = []
    for artifact in _perturbations(submission):
        values = _values(submission, artifact)
        for other, item in rivals:
            if _data_set(item.protocol) != _data_set(artifact.protocol):
                continue
            equal = item.sha256 == artifact.sha256
            near = 1.0 if equal else _near(values, other, item)
            if near is not None:
                found.append(Likeness(artifact, other.slug, item.path, near, equal))
    return sorted(found, key=lambda item: (-abs(item.cosine), item.slug, item.path))


def neighbors(folder: Path) -> list[Submission]:
    """Return the other submissions beside a folder whose manifests can be read, by slug."""
    found = []
    for other in listed_folders(folder.absolute().parent):
        if other.name != folder.absolute().name:
            with suppress(BenchError):
                found.append(load_submission(other))
    return found


def similarity_problems(folder: Path) -> list[Problem]:
    """Return a warning for each perturbation of a valid submission that is alike to one beside it."""
    submission, manifest = load_submission(folder), str(folder / MANIFEST_NAME)
    remedy = "say in the summary what it shares with the other one, or hand in your own"
    return [
        Problem(
            manifest,
            "",
            "alike",
            f"{item.artifact.path!r} {'equals' if item.equal else 'is alike to'} {item.slug}/{item.path}: "
            f"cosine {item.cosine:.3f}, alike from {ALIKE}",
            remedy,
            severity="warning",
        )
        for item in likenesses(submission, neighbors(folder))
        if item.alike
    ]


def _perturbations(submission: Submission) -> list[Artifact]:
    """Return the artifacts of a submission; of those that are one file for one data set, the first."""
    if not isinstance(submission.manifest, Manifest):
        return []
    first: dict[tuple[str, str, str], Artifact] = {}
    for item in submission.manifest.artifact:
        first.setdefault((item.path, item.sha256, _data_set(item.protocol)), item)
    return list(first.values())


@cache
def _data_set(protocol: str) -> str:
    """Return the data set of a protocol; protocols of one data set select the same images or fail by shape.

    An unknown protocol is a data set of its own.
    """
    return load_protocol(protocol).dataset.name if protocol in protocol_ids() else protocol


def _near(values: Integers | None, other: Submission, item: Artifact) -> float | None:
    against = None if values is None else _values(other, item)
    if values is None or against is None or values.shape != against.shape:
        return None
    return cosine(values, against)


def _values(submission: Submission, artifact: Artifact) -> Integers | None:
    """Return what a stored file holds; None where it is absent or cannot be read, which `bench validate` tells."""
    try:
        return read_perturbation(submission.folder, artifact).values
    except BenchError:
        return None
