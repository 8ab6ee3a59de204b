"""Learnable threshold, learnable layers (#LP) and Unlearnable Distance (UD) from SAL matrices.

Pure functions of nested sequences of floats; imports numpy and bench.errors only.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.errors import UndefinedMetric

SalMatrix = Sequence[Sequence[float]]
"""SAL of one run: one row an epoch, one column a layer, nats, all >= 0."""


def two_means(values: Sequence[float]) -> tuple[float, float]:
    """Return the two centers, lower first, of the best split of a line of values into two clusters.

    values: at least two finite numbers. Equal values give equal centers.
    The optimum is found exactly by trying every split of the sorted values, so no start and no seed matter.
    Raises UndefinedMetric for fewer than two values or values that are not finite.
    """
    line = np.sort(np.asarray(values, dtype=np.float64))
    if line.size < 2 or not np.isfinite(line).all():
        raise UndefinedMetric(f"two-means needs at least two finite values, got {list(values)}")
    if line[0] == line[-1]:
        # Exactly, or rounding in the two means would put a constant line above its own midpoint.
        return float(line[0]), float(line[0])
    size = np.arange(1, line.size)
    lower_sum, total = np.cumsum(line)[:-1], line.sum()
    # The within-cluster sum of squares is smallest where the between-cluster part is largest.
    between = lower_sum**2 / size + (total - lower_sum) ** 2 / (line.size - size)
    split = int(np.argmax(between)) + 1
    return float(line[:split].mean()), float(line[split:].mean())


def learnable_threshold(clean: SalMatrix) -> float:
    """Return beta: the mean over epochs of the midpoint between the two centers of a clean run's SAL values.

    Source: arXiv:2509.08058, Eq. 4. Unit: that of SAL. Raises UndefinedMetric for an empty matrix.
    """
    rows = _matrix(clean)
    return float(np.mean([sum(two_means(row.tolist())) / 2 for row in rows]))


def learnable_counts(sal: SalMatrix, beta: float) -> list[int]:
    """Return for each epoch how many layers have SAL strictly above beta (lambda in the paper)."""
    return [int(count) for count in (_matrix(sal) > beta).sum(axis=1)]


def learnable_layers(sal: SalMatrix, beta: float) -> float:
    """Return #LP, the mean over epochs of the number of layers with SAL strictly above beta; range 0 to layers.

    Source: arXiv:2509.08058, Eq. 5. Raises UndefinedMetric for an empty matrix.
    """
    return float(np.mean(learnable_counts(sal, beta)))


def unlearnable_distance(sal: SalMatrix, clean: SalMatrix, beta: float | None = None) -> float:
    """Return UD = #LP(run) / #LP(clean run); 1 means like clean, smaller means fewer learnable layers.

    beta: the threshold to count with; by default that of `clean` alone.
    Source: arXiv:2509.08058, Eq. 5. Raises UndefinedMetric where no layer of the clean run is learnable.
    """
    threshold = learnable_threshold(clean) if beta is None else beta
    denominator = learnable_layers(clean, threshold)
    if denominator == 0:
        raise UndefinedMetric("UD: the clean run has no learnable layer, so the ratio has no denominator")
    return learnable_layers(sal, threshold) / denominator


def official_sal(highest: SalMatrix, lowest: SalMatrix, origins: Sequence[float]) -> list[list[float]]:
    """Return SAL from the extreme losses that the published search met, measured from one origin an epoch.

    max(highest - origin, origin - lowest, 0): the search starts at the origin, so neither side is negative.
    Source: published code of arXiv:2509.08058, whose origin is the running training loss.
    """
    return [
        [max(high - origin, origin - low, 0.0) for high, low in zip(tops, bottoms, strict=True)]
        for tops, bottoms, origin in zip(highest, lowest, origins, strict=True)
    ]


def _matrix(sal: SalMatrix) -> NDArray[np.float64]:
    rows = np.asarray(sal, dtype=np.float64)
    if rows.ndim != 2 or rows.size == 0 or not np.isfinite(rows).all():
        raise UndefinedMetric(f"a SAL matrix must be epochs x layers of finite numbers, got shape {rows.shape}")
    return rows
