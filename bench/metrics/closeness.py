"""How close an unlearned model is to a retrained one: accuracies, membership, probabilities, confusion.

Pure functions of floats and arrays of probabilities; imports numpy and bench.errors only.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.errors import UndefinedMetric

Values = NDArray[np.float64]
Norm = Literal["l1", "l2"]


class Pair(NamedTuple):
    """A share, 0 to 1, of the unlearned model and of the model retrained with the same seed."""

    unlearned: float
    retrained: float


def signed_differences(**pairs: Pair) -> Mapping[str, float]:
    """Return unlearned minus retrained by name, -1 to 1: the direction that ToW hides.

    Raises UndefinedMetric for a value outside 0 to 1.
    """
    return {name: _checked(pair).unlearned - pair.retrained for name, pair in pairs.items()}


def absolute_gap(pair: Pair) -> float:
    """Return |unlearned - retrained|, 0 to 1, 0 is best. Raises UndefinedMetric for a value outside 0 to 1."""
    return abs(_checked(pair).unlearned - pair.retrained)


def tow(forget: Pair, retain: Pair, test: Pair) -> float:
    """Return ToW = (1 - |da(S)|) (1 - |da(R)|) (1 - |da(test)|) of accuracies, 0 to 1, higher is better.

    1 exactly where all three accuracies agree; a second retrained model stays below, by its noise.
    Source: arXiv:2406.01257. Raises UndefinedMetric for a value outside 0 to 1, such as a percentage.
    """
    return (1 - absolute_gap(forget)) * (1 - absolute_gap(retain)) * (1 - absolute_gap(test))


def tow_mia(mia: Pair, retain: Pair, test: Pair) -> float:
    """Return ToW with the membership attack's share TN_S / |S| in place of the forget accuracy.

    Source, range and errors as in tow.
    """
    return tow(mia, retain, test)


def indiscernibility(accuracy: float) -> float:
    """Return 1 - |accuracy - 0.5| / 0.5 of an attack, 0 to 1, 1 is best. Raises UndefinedMetric outside 0 to 1."""
    if not 0 <= accuracy <= 1:
        raise UndefinedMetric(f"the accuracy of an attack is 0 to 1, got {accuracy}")
    return 1 - abs(accuracy - 0.5) / 0.5


def removal(effect: float, *, original: float, retrained: float) -> float:
    """Return the share of a poison's effect that is gone: 0 as in the original, 1 as in the retrained model.

    Not limited: below 0 the effect grew, above 1 it is further from the original than the retrained model is.
    Raises UndefinedMetric where original and retrained model do not differ: the probe says nothing then.
    """
    return (original - effect) / _power(original, retrained)


def retrain_distance(effect: float, *, original: float, retrained: float) -> float:
    """Return |effect - retrained| / |original - retrained|, 0 or more, 0 is best: over-unlearning counts too.

    Raises UndefinedMetric as removal does.
    """
    return abs(effect - retrained) / abs(_power(original, retrained))


def activation_distance(unlearned: ArrayLike, retrained: ArrayLike, *, norm: Norm) -> float:
    """Return the mean over examples of the distance of softmax outputs (N, C), 0 is best.

    norm: `l1`, at most 2, as in the SCRUB line of work, or `l2`, at most sqrt 2, as in the bad-teacher line.
    Raises UndefinedMetric for rows that are no distributions.
    """
    p, q = _distributions(unlearned, retrained)
    return float(np.linalg.norm(p - q, ord=1 if norm == "l1" else 2, axis=1).mean())


def js_divergences(first: ArrayLike, second: ArrayLike) -> Values:
    """Return the Jensen-Shannon divergence of each row, float64 (N,), base 2, 0 to 1. Rows are distributions (N, C)."""
    p, q = _distributions(first, second)
    middle = (p + q) / 2
    divergences: Values = (_kl_rows(p, middle) + _kl_rows(q, middle)) / (2 * np.log(2))
    # Rounding may leave -1e-17 where both rows agree.
    return np.clip(divergences, 0.0, 1.0)


def zero_retrain_forgetting(unlearned: ArrayLike, untrained: ArrayLike) -> float:
    """Return ZRF = 1 - mean JS(unlearned, untrained) on the forget set, 0 to 1; compare with the retrained model's.

    untrained: softmax outputs (N, C) of a network with random weights. The divergence sums over classes, base 2.
    Source: arXiv:2205.08096; its code also averages over classes, which moves every value near 1.
    """
    return 1.0 - float(js_divergences(unlearned, untrained).mean())


def kl_divergence(first: ArrayLike, second: ArrayLike) -> float:
    """Return the mean over rows of KL(first || second), nats, 0 or more. Rows are distributions (N, C).

    Raises UndefinedMetric where `second` is 0 and `first` is not: the divergence is infinite.
    """
    p, q = _distributions(first, second)
    if bool(((q == 0) & (p > 0)).any()):
        raise UndefinedMetric("KL divergence: a class has probability 0 in the second and not in the first")
    return max(0.0, float(_kl_rows(p, q).mean()))


def interclass_error(predictions: ArrayLike, labels: ArrayLike, first: int, second: int) -> float:
    """Return IC-ERR: the share of examples of two classes that get any wrong class, 0 to 1; retraining is the ideal.

    predictions, labels: int (N,), true labels. Source: arXiv:2201.06640.
    Raises UndefinedMetric where no example is of either class.
    """
    found, true = _of_two(predictions, labels, first, second)
    return float(np.mean(found != true))


def interclass_confusion(predictions: ArrayLike, labels: ArrayLike, first: int, second: int) -> float:
    """Return FGT-ERR: the share of examples of two classes that get the other of the two, 0 to 1.

    At most interclass_error. Arguments, source and errors as there.
    """
    found, true = _of_two(predictions, labels, first, second)
    return float(np.mean(found == np.where(true == first, second, first)))


def _checked(pair: Pair) -> Pair:
    if not all(0 <= value <= 1 for value in pair):
        raise UndefinedMetric(
            f"shares are 0 to 1, got {pair.unlearned} and {pair.retrained}; percentages divide by 100"
        )
    return pair


def _power(original: float, retrained: float) -> float:
    if original == retrained:
        raise UndefinedMetric(f"original and retrained model both show an effect of {original}: the probe has no power")
    return original - retrained


def _distributions(first: ArrayLike, second: ArrayLike) -> tuple[Values, Values]:
    p, q = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if p.shape != q.shape or p.ndim != 2 or p.size == 0:
        raise UndefinedMetric(f"two arrays (N, C) of one shape are needed, got {p.shape} and {q.shape}")
    for rows in (p, q):
        # float32 softmax sums to 1 within a few 1e-7 times the number of classes.
        if not (rows >= 0).all() or not np.allclose(rows.sum(axis=1), 1, atol=1e-4):
            raise UndefinedMetric("each row must be a distribution: no negative value, sum 1; are these logits?")
    return p, q


def _kl_rows(p: Values, q: Values) -> Values:
    """Return sum_j p_j log(p_j / q_j) of each row, nats, with 0 log 0 = 0; where only q is 0 the class is left out."""
    # Half of the smallest float is 0, so that the middle of two distributions can be 0 where one of them is not.
    present = (p > 0) & (q > 0)
    ratio = np.log(np.where(present, p, 1.0)) - np.log(np.where(present, q, 1.0))
    divergence: Values = (p * ratio).sum(axis=1)
    return divergence


def _of_two(
    predictions: ArrayLike, labels: ArrayLike, first: int, second: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    found, true = np.asarray(predictions, dtype=np.int64), np.asarray(labels, dtype=np.int64)
    chosen = (true == first) | (true == second)
    if first == second or not chosen.any():
        raise UndefinedMetric(f"interclass confusion: classes {first} and {second} need examples and must differ")
    return found[chosen], true[chosen]


def relearn_ratio(unlearned: int, retrained: int, *, limit: int) -> float:
    """Return AIN, the relearn time of the unlearned model over that of the retrained one; 1 is best.

    Below 1 the unlearned model remembers. Where the unlearned model stays above `limit` epochs the value is a lower
    bound. Source: arXiv:2201.05629.
    Raises UndefinedMetric where the retrained model needs no epoch or more than `limit`.
    """
    if not 1 <= retrained <= limit:
        raise UndefinedMetric(f"AIN: the retrained model relearns in {retrained} epochs, 1 to {limit} are needed")
    return unlearned / retrained
