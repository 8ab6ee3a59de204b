"""The plain way to rank, pair by pair and pattern by pattern: what the fast way is held against."""

import itertools
from collections.abc import Sequence

import numpy as np
from scipy.stats import t as student

LEVEL = 0.05
LEAST_SEEDS = 6  # 2 of 2^6 sign patterns are 3 %, 2 of 2^5 are 6 %


def squared_t(differences: Sequence[float], resolution: float) -> float:
    count = len(differences)
    mean = sum(differences) / count
    variance = sum((item - mean) ** 2 for item in differences) / (count - 1)
    return mean**2 * count / max(variance, resolution**2)


def p_value(differences: Sequence[float], resolution: float) -> float:
    return float(2 * student.sf(np.sqrt(squared_t(differences, resolution)), len(differences) - 1))


def differences_of(values: np.ndarray) -> dict[tuple[int, int], dict[int, float]]:
    """Differences by pair and seed, of pairs that share enough seeds."""
    found = {
        (i, j): {s: values[s, i] - values[s, j] for s in range(len(values)) if np.isfinite(values[s, [i, j]]).all()}
        for i, j in itertools.combinations(range(values.shape[1]), 2)
    }
    return {pair: item for pair, item in found.items() if len(item) >= LEAST_SEEDS}


def holm(p_values: dict[tuple[int, int], float], level: float = LEVEL) -> set[tuple[int, int]]:
    rejected: set[tuple[int, int]] = set()
    for step, pair in enumerate(sorted(p_values, key=lambda pair: p_values[pair])):
        if p_values[pair] > level / (len(p_values) - step):
            break
        rejected.add(pair)
    return rejected


def flips(differences: dict[tuple[int, int], dict[int, float]], seeds: int, resolution: float) -> set[tuple[int, int]]:
    """Pairs whose squared t is reached by the largest of the board under at most LEVEL of all sign patterns."""
    largest = []
    for signs in itertools.product((1, -1), repeat=seeds):
        mirrored = ([signs[s] * value for s, value in item.items()] for item in differences.values())
        largest.append(max(squared_t(item, resolution) for item in mirrored))
    return {
        pair
        for pair, item in differences.items()
        if np.mean([other >= squared_t(list(item.values()), resolution) * (1 - 1e-9) for other in largest]) <= LEVEL
    }


def apart(values: np.ndarray, *, resolution: float) -> set[tuple[int, int]]:
    """Pairs of columns that both tests separate."""
    found = differences_of(values)
    if not found:
        return set()
    p_values = {pair: p_value(list(item.values()), resolution) for pair, item in found.items()}
    return holm(p_values) & flips(found, len(values), resolution)
