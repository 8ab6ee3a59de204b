"""What follows from Gaussian scores: GUS and its intervals, tests, the ROC curve and bounds, on plain floats.

May import scipy.special and bench.errors; no torch, no numpy and no pandas, so that pages can use it too.
A score is positive where the network remembers the noise. Where it does not depend on the noise, scores are drawn from
N(0, 1) exactly, so thresholds and false positive rates need no sample. Source: arXiv:2406.17216, section 4.3.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from scipy.special import betaincinv, ndtr, ndtri, stdtr, stdtrit

from bench.errors import UndefinedMetric

FALSE_POSITIVE_RATES = (0.001, 0.01, 0.05, 0.1)
"""Where true positive rates are reported; 0.01 is the one that publications print."""

Networks = Sequence[Sequence[float]]
"""Scores of each independently trained network, one for each seed.

Items of one network are independent of each other only where it does not depend on the noise, and networks of one
method may differ by more than their items do. Whatever is said of a method therefore has to hold on two levels: with
items as what chance draws again, and with networks. The wider interval of the two is taken.
"""


@dataclass(frozen=True)
class Interval:
    """A two-sided interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Score:
    """GUS of a method: mean and standard deviation (n - 1) of `count` scores, and the interval of the mean."""

    mean: float
    deviation: float
    count: int
    interval: Interval


@dataclass(frozen=True)
class PooledTest:
    """Test of independence from the noise. z = sqrt(n) GUS is drawn from N(0, 1) under it.

    two_sided: p-value against any dependence; one_sided: against memorization, which makes z positive.
    """

    z: float
    two_sided: float
    one_sided: float


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided t-tests (TOST) of |GUS| < margin, over items and over networks.

    p_value: the largest of all tests. bound: the largest |GUS| that is compatible with the scores at 95 %;
    p_value < 0.05 exactly where bound < margin.
    """

    margin: float
    p_value: float
    bound: float


@dataclass(frozen=True)
class Rate:
    """A share of items, `hits` of `count`, and its interval."""

    value: float
    hits: int
    count: int
    interval: Interval


@dataclass(frozen=True)
class RocPoint:
    """A point of a ROC curve: false and true positive rate, each 0 to 1."""

    false_positive: float
    true_positive: float


def mean(values: Sequence[float]) -> float:
    """Return the mean, correctly rounded sum. Raises UndefinedMetric without values."""
    if not values:
        raise UndefinedMetric("no item has a Gaussian score: every input gradient is zero or not finite")
    return math.fsum(values) / len(values)


def deviation(values: Sequence[float]) -> float:
    """Return the standard deviation with n - 1. Raises UndefinedMetric for fewer than two values."""
    center = mean(values)
    if len(values) == 1:
        raise UndefinedMetric("one Gaussian score has no standard deviation")
    return math.sqrt(math.fsum((value - center) ** 2 for value in values) / (len(values) - 1))


def gaussian_unlearning_score(networks: Networks, *, level: float = 0.95) -> Score:
    """Return GUS, the mean score, with the wider one of its Student-t intervals over items and over networks.

    Any real number; 0 is ideal, positive is memorization, negative the opposite dependence, as after over-unlearning.
    The variance is measured: 1 holds for networks that are independent of the noise only.
    Raises UndefinedMetric for fewer than two values or a network without any.
    """
    levels = _levels(networks)
    found = [_student(values, (1 + level) / 2) for values in levels]
    return Score(mean(levels[0]), deviation(levels[0]), len(levels[0]), _widest(found))


def pooled_test(values: Sequence[float]) -> PooledTest:
    """Test that the network is independent of the noise, by all items at once; exact for any number of them.

    Much sharper than the true positive rate at 0.01. Raises UndefinedMetric without values.
    """
    z = math.sqrt(len(values)) * mean(values)
    return PooledTest(z, two_sided=2 * float(ndtr(-abs(z))), one_sided=float(ndtr(-z)))


def equivalence(networks: Networks, margin: float) -> Equivalence:
    """Test that |GUS| is below a margin, > 0, in units of a standard deviation of the null.

    That a trace is gone is a claim that this test has to support; that `pooled_test` finds none does not. The claim
    must hold over items and over networks, so that its error is at most that of the level on which it is false.
    With one network it speaks of that network alone.
    Raises UndefinedMetric for fewer than two values or a network without any.
    Sources: Schuirmann 1987 (two one-sided tests); Berger 1982 (all of several tests must reject).
    """
    if margin <= 0:
        raise ValueError(f"margin is {margin}; it must be above 0")
    claims = [_claim(values, margin) for values in _levels(networks)]
    return Equivalence(margin, max(claim.p_value for claim in claims), max(claim.bound for claim in claims))


def _claim(values: Sequence[float], margin: float) -> Equivalence:
    """Return both one-sided t-tests of one level; the one on the side of the mean has the larger p-value."""
    freedom = len(values) - 1
    center, error = mean(values), deviation(values) / math.sqrt(len(values))
    reach = float(stdtrit(freedom, 0.95)) * error
    distance = margin - abs(center)
    p_value = float(stdtr(freedom, -distance / error)) if error > 0 else float(distance <= 0)
    return Equivalence(margin, p_value, bound=abs(center) + reach)


def _levels(networks: Networks) -> list[list[float]]:
    """Return all items, and where there are several networks their means. Raises UndefinedMetric."""
    items = [value for values in networks for value in values]
    return [items, [mean(values) for values in networks]] if len(networks) > 1 else [items]


def _student(values: Sequence[float], quantile: float) -> Interval:
    """Return the Student-t interval of a mean whose ends are at a quantile and at its complement."""
    half = float(stdtrit(len(values) - 1, quantile)) * deviation(values) / math.sqrt(len(values))
    return Interval(mean(values) - half, mean(values) + half)


def _widest(intervals: Sequence[Interval]) -> Interval:
    return Interval(min(item.low for item in intervals), max(item.high for item in intervals))


def threshold(false_positive: float) -> float:
    """Return the score that N(0, 1) exceeds with this probability, 0 to 1; infinite at its ends."""
    return -float(ndtri(false_positive))


def tpr_at(networks: Networks, false_positive: float, *, level: float = 0.95) -> Rate:
    """Return the share of scores above the analytic threshold of a false positive rate: the rate itself if unlearned.

    Raises UndefinedMetric without values.
    """
    limit = threshold(false_positive)
    return share([sum(value > limit for value in values) for values in networks], _counts(networks), level=level)


def tpr_two_sided_at(networks: Networks, false_positive: float, *, level: float = 0.95) -> Rate:
    """Return the share of scores whose size is above the threshold: also sees what unlearning turned negative.

    Raises UndefinedMetric without values.
    """
    limit = threshold(false_positive / 2)
    return share([sum(abs(value) > limit for value in values) for values in networks], _counts(networks), level=level)


def _counts(networks: Networks) -> list[int]:
    return [len(values) for values in networks]


def share(hits: Sequence[int], counts: Sequence[int], *, level: float = 0.95) -> Rate:
    """Return the share of hits among all items of all networks, with the wider one of two intervals.

    hits, counts: by network. Over items the interval is Clopper-Pearson's, over several networks Student's t of their
    shares, cut at 0 and 1. Raises UndefinedMetric where a network has no items.
    """
    if not counts or not all(counts):
        raise UndefinedMetric("a share of no items")
    found = [_clopper_pearson(sum(hits), sum(counts), (1 - level) / 2)]
    if len(counts) > 1:
        shares = [hit / count for hit, count in zip(hits, counts, strict=True)]
        over_networks = _student(shares, (1 + level) / 2)
        found.append(Interval(max(0.0, over_networks.low), min(1.0, over_networks.high)))
    return Rate(sum(hits) / sum(counts), sum(hits), sum(counts), _widest(found))


def _clopper_pearson(hits: int, count: int, tail: float) -> Interval:
    low = float(betaincinv(hits, count - hits + 1, tail)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, count - hits, 1 - tail)) if hits < count else 1.0
    return Interval(low, high)


def roc_points(values: Sequence[float]) -> tuple[RocPoint, ...]:
    """Return the corners of the ROC curve of "score > tau", from (0, 0) to (1, 1), against N(0, 1).

    The false positive rate is 1 - Phi(tau), so that the curve is a staircase with a rise at every score; its area is
    `auc`. The diagonal is perfect unlearning. Raises UndefinedMetric without values.
    """
    if not values:
        raise UndefinedMetric("a ROC curve of no items")
    corners, above = [RocPoint(0.0, 0.0)], 0
    for value, ties in groupby(sorted(values, reverse=True)):
        rate = float(ndtr(-value))
        corners.append(RocPoint(rate, above / len(values)))
        above += len(list(ties))
        corners.append(RocPoint(rate, above / len(values)))
    return (*corners, RocPoint(1.0, 1.0))


def auc(values: Sequence[float]) -> float:
    """Return the probability that a score exceeds a draw of N(0, 1), the mean of Phi(I): 0 to 1, 0.5 if unlearned.

    Raises UndefinedMetric without values.
    """
    return mean([float(ndtr(value)) for value in values])


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for testing all of them (Holm), in their order; each is 0 to 1."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
