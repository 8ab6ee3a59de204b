"""Distributions over models: KLoM, U-LiRA and the score of the NeurIPS 2023 unlearning challenge.

Pure functions of arrays (models, examples); may import numpy, scipy and bench.errors, torch for its generator.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from bench.errors import UndefinedMetric

Values = NDArray[np.float64]

KLOM_MODELS = 20
"""Fewest models of either kind for KLoM: one a bin. The published value takes 100, and noise falls with the number."""

ULIRA_MODELS = 8
"""Fewest models of either kind for U-LiRA: with less a standard deviation says little. Published: 64."""

NEURIPS_MODELS = 32
"""Fewest models of either kind for the NeurIPS score: rates below 1/32 cannot be seen. Published: 512."""

KLOM_BINS = 20
KLOM_FLOOR = 1e-5
KLOM_CLIP = 100.0
KLOM_LARGEST = math.log((1 + KLOM_BINS * KLOM_FLOOR) / KLOM_FLOOR)

STD_FLOOR = 1e-3

DELTA = 1e-5
EPSILON_CAP = 50.0
THRESHOLDS_PER_UNIT = 100
DOUBLE_MARGIN = 2.0
DEGENERATE_RATIO = 0.01
EPSILON_BIN = 0.5


@dataclass(frozen=True)
class KlomSummary:
    """KLoM over examples, nats: mean, the official 95th and the 5th percentile."""

    mean: float
    p95: float
    p5: float


@dataclass(frozen=True)
class Ulira:
    """How well U-LiRA tells unlearned from retrained models.

    accuracy: mean over examples of the balanced accuracy, 0 to 1, ideal 0.5. per_example: (N,).
    scores_unlearned, scores_retrained: log likelihood ratios (models, N), positive speaks for unlearned.
    """

    accuracy: float
    per_example: Values
    scores_unlearned: Values
    scores_retrained: Values

    def tpr(self, false_positives: float) -> float:
        """Return the share of pairs of unlearned model and example above a threshold that few retrained ones exceed.

        All examples share the threshold. Raises UndefinedMetric where there are too few pairs for the rate asked for.
        """
        null = np.sort(self.scores_retrained, axis=None)[::-1]
        place = int(false_positives * null.size + 1e-9)
        if not 1 <= place < null.size:
            raise UndefinedMetric(
                f"a false positive rate of {false_positives} has no threshold among {null.size} pairs"
            )
        return float(np.mean(self.scores_unlearned > null[place]))


def log_odds(logits: ArrayLike, labels: ArrayLike) -> Values:
    """Return m = z_y - logsumexp_{j != y} z_j = log(p_y / (1 - p_y)), float64 (..., N), for logits (..., N, C).

    labels: (N,). Exact where p_y is 0 or 1 in float64.
    """
    scores, classes = np.asarray(logits, dtype=np.float64).copy(), np.asarray(labels, dtype=np.int64)
    rows = np.arange(len(classes))
    own = scores[..., rows, classes].copy()
    scores[..., rows, classes] = -np.inf
    margins: Values = own - logsumexp(scores, axis=-1)
    return margins


def klom(unlearned: ArrayLike, retrained: ArrayLike) -> Values:
    """Return KLoM of each example: KL(unlearned || retrained) of histograms of margins, float64 (N,), nats.

    unlearned, retrained: margins (models, N), as many models of each, at least KLOM_MODELS; clipped to -100..100.
    20 equal bins over the joint range of an example, the last one closed. Where the unlearned share of a bin is
    positive, the retrained one is at least 1e-5, and the retrained shares are then scaled to sum 1.
    Range 0 to KLOM_LARGEST, about 11.51; lower is better, but two sets of retrained models are not at 0.
    Source: arXiv:2410.23232, appendix E.1, and its code, whose half-open last bin drops the largest margin.
    Raises UndefinedMetric for too few models.
    """
    p, q = _two(unlearned, retrained, KLOM_MODELS, "KLoM")
    p, q = np.clip(p, -KLOM_CLIP, KLOM_CLIP), np.clip(q, -KLOM_CLIP, KLOM_CLIP)
    low, high = np.minimum(p.min(axis=0), q.min(axis=0)), np.maximum(p.max(axis=0), q.max(axis=0))
    edges = np.linspace(low, np.where(high > low, high, low + 1), KLOM_BINS + 1)  # (bins + 1, N)
    unlearned_share, retrained_share = _histograms(p, edges), _histograms(q, edges)
    present = unlearned_share > 0
    floored = np.where(present, np.maximum(retrained_share, KLOM_FLOOR), retrained_share)
    floored /= floored.sum(axis=0)
    logs = np.log(np.where(present, unlearned_share, 1.0)) - np.log(np.where(present, floored, 1.0))
    # Rounding may leave -1e-16 where both histograms agree.
    divergence: Values = np.maximum((unlearned_share * logs).sum(axis=0), 0.0)
    return divergence


def klom_summary(values: ArrayLike) -> KlomSummary:
    """Return mean and percentiles of KLoM over examples."""
    line = np.asarray(values, dtype=np.float64)
    return KlomSummary(float(line.mean()), float(np.percentile(line, 95)), float(np.percentile(line, 5)))


def ulira(unlearned: ArrayLike, retrained: ArrayLike) -> Ulira:
    """Return how well a Gaussian likelihood ratio of confidences tells unlearned from retrained models.

    unlearned, retrained: log(p_y / (1 - p_y)), (models, N), see log_odds; at least ULIRA_MODELS of each.
    For each example a normal law is fitted to the models of either kind, without the model that is judged; standard
    deviations are at least 1e-3. A ratio of exactly 1 counts one half.
    Source: arXiv:2403.01218, with leave-one-out fits. Raises UndefinedMetric for too few models.
    """
    u, r = _two(unlearned, retrained, ULIRA_MODELS, "U-LiRA")
    of_unlearned = _log_normal(u, *_leave_one_out(u)) - _log_normal(u, *_fit(r))
    of_retrained = _log_normal(r, *_fit(u)) - _log_normal(r, *_leave_one_out(r))
    right = (1 + np.sign(of_unlearned)) / 2, (1 - np.sign(of_retrained)) / 2
    per_example: Values = (right[0].mean(axis=0) + right[1].mean(axis=0)) / 2
    return Ulira(float(per_example.mean()), per_example, of_unlearned, of_retrained)


def forget_epsilons(unlearned: ArrayLike, retrained: ArrayLike) -> Values:
    """Return the privacy degree epsilon of each example, float64 (N,), 0 to 50, lower is better.

    unlearned, retrained: log(p_y / (1 - p_y)), (models, N), as many of each, at least NEURIPS_MODELS.
    The largest epsilon of any decision rule counts: one threshold on a grid of 100 a unit or at a value, where what is
    above belongs to the law with the larger median, or two thresholds, where what lies between belongs to the law with
    the smaller range. A rule with only one of its two error rates at 0 does not count, one with both is infinite.
    Where one range is below 1 % of the other, or both are 0, there is no randomness to compare: epsilon is 50.
    Source: code of the NeurIPS 2023 machine unlearning challenge, which has no thresholds at the values.
    Raises UndefinedMetric for too few models.
    """
    u, r = _two(unlearned, retrained, NEURIPS_MODELS, "the NeurIPS score")
    return np.array([_example_epsilon(u[:, column], r[:, column]) for column in range(u.shape[1])])


def largest_epsilon(models: int) -> int:
    """Return ceil(ln(models - 1)): from this epsilon on an example scores 0."""
    return math.ceil(math.log(models - 1))


def epsilon_points(epsilons: ArrayLike, models: int) -> Values:
    """Return H(epsilon): 2^-k for k/2 <= epsilon < (k + 1)/2, and 0 from largest_epsilon(models) on."""
    values = np.asarray(epsilons, dtype=np.float64)
    points: Values = np.where(values < largest_epsilon(models), 2.0 ** -np.floor(values / EPSILON_BIN), 0.0)
    return points


def forgetting_quality(unlearned: ArrayLike, retrained: ArrayLike) -> float:
    """Return F = mean over examples of H(epsilon), 0 to 1, higher is better; arguments as in forget_epsilons.

    Perfect unlearning does not reach 1: it scores what two sets of retrained models do, see quality_ceiling.
    """
    epsilons = forget_epsilons(unlearned, retrained)
    return float(epsilon_points(epsilons, len(np.asarray(unlearned))).mean())


def neurips_score(quality: float, *, retain: tuple[float, float], test: tuple[float, float]) -> float:
    """Return F * (retain accuracy ratio) * (test accuracy ratio), each pair (unlearned, retrained), mean over models.

    Ratios may exceed 1. Raises UndefinedMetric where a retrained model is never right.
    """
    if retain[1] <= 0 or test[1] <= 0:
        raise UndefinedMetric("the NeurIPS score divides by the accuracy of retrained models, which is 0")
    return quality * (retain[0] / retain[1]) * (test[0] / test[1])


def between_halves(
    metric: Callable[[Values, Values], float], retrained: ArrayLike, *, splits: int, generator: torch.Generator
) -> Sequence[float]:
    """Return a metric of one half of the retrained models against the other, for some random splits.

    This is what perfect unlearning scores with half as many models: a ceiling or a noise floor. Compare it with the
    metric of as many models; an odd model is left out. generator: CPU.
    """
    values = np.asarray(retrained, dtype=np.float64)
    half = len(values) // 2
    found = []
    for _ in range(splits):
        order = torch.randperm(len(values), generator=generator).numpy()
        found.append(metric(values[order[:half]], values[order[half : 2 * half]]))
    return found


def quality_ceiling(retrained: ArrayLike, *, splits: int, generator: torch.Generator) -> float:
    """Return F(retrained against retrained), mean over random splits into halves; see between_halves.

    Raises UndefinedMetric with fewer than 2 NEURIPS_MODELS models.
    """
    return float(np.mean(between_halves(forgetting_quality, retrained, splits=splits, generator=generator)))


def klom_floor(retrained: ArrayLike, *, splits: int, generator: torch.Generator) -> float:
    """Return the 95th percentile of KLoM of retrained against retrained, mean over splits; see between_halves.

    Raises UndefinedMetric with fewer than 2 KLOM_MODELS models.
    """
    floors = between_halves(
        lambda first, second: klom_summary(klom(first, second)).p95, retrained, splits=splits, generator=generator
    )
    return float(np.mean(floors))


def _two(unlearned: ArrayLike, retrained: ArrayLike, fewest: int, name: str) -> tuple[Values, Values]:
    u, r = np.asarray(unlearned, dtype=np.float64), np.asarray(retrained, dtype=np.float64)
    if u.shape != r.shape or u.ndim != 2 or u.shape[1] == 0:
        raise UndefinedMetric(f"{name} needs two arrays (models, examples) of one shape, got {u.shape} and {r.shape}")
    if len(u) < fewest:
        raise UndefinedMetric(f"{name} needs at least {fewest} models of either kind, got {len(u)}")
    if not (np.isfinite(u).all() and np.isfinite(r).all()):
        raise UndefinedMetric(f"{name} needs finite values")
    return u, r


def _histograms(values: Values, edges: Values) -> Values:
    """Return the share of values (models, N) in each bin (bins, N); edges (bins + 1, N), the last bin closed."""
    bins = len(edges) - 1
    inside = (values[None] >= edges[:-1, None]) & (values[None] < edges[1:, None])  # (bins, models, N)
    inside[bins - 1] |= values == edges[-1]
    shares: Values = inside.mean(axis=1)
    return shares


def _fit(values: Values) -> tuple[Values, Values]:
    """Return mean and floored standard deviation (divisor n - 1) over models, (1, N) each."""
    return values.mean(axis=0, keepdims=True), np.maximum(values.std(axis=0, ddof=1, keepdims=True), STD_FLOOR)


def _leave_one_out(values: Values) -> tuple[Values, Values]:
    """Return for each model mean and floored standard deviation of the others, (models, N) each."""
    count = len(values)
    center = values.mean(axis=0, keepdims=True)
    apart = values - center
    squares = (apart**2).sum(axis=0, keepdims=True) - apart**2 * count / (count - 1)
    spread = np.sqrt(np.maximum(squares, 0.0) / (count - 2))
    return center - apart / (count - 1), np.maximum(spread, STD_FLOOR)


def _log_normal(values: Values, mean: Values, spread: Values) -> Values:
    """Return the log density of a normal law without its constant."""
    density: Values = -np.log(spread) - ((values - mean) / spread) ** 2 / 2
    return density


def _example_epsilon(unlearned: Values, retrained: Values) -> float:
    ranges = np.ptp(unlearned), np.ptp(retrained)
    if min(ranges) < DEGENERATE_RATIO * max(ranges) or max(ranges) == 0:
        return EPSILON_CAP
    u, r = np.sort(unlearned), np.sort(retrained)
    upper, lower = (r, u) if np.median(r) > np.median(u) else (u, r)
    # A grid of 1/100 sees nothing of laws that are narrower; the values themselves are the finest grid.
    exact = _rates_at(upper, lower, np.unique(np.concatenate([u, r])))
    rates = np.concatenate([_single_rates(upper, lower), _double_rates(upper, lower), exact], axis=1)
    return min(_largest(rates), EPSILON_CAP)


def _rates_at(upper: Values, lower: Values, thresholds: Values) -> Values:
    """Return false positive and false negative rates (2, thresholds) of `at or above belongs to upper`; sorted laws."""
    false_negatives = np.searchsorted(upper, thresholds, side="left") / len(upper)
    false_positives = 1 - np.searchsorted(lower, thresholds, side="left") / len(lower)
    return np.stack([false_positives, false_negatives])


def _single_rates(upper: Values, lower: Values) -> Values:
    low, high = min(upper[0], lower[0]), max(upper[-1], lower[-1])
    return _rates_at(upper, lower, np.linspace(low, high, math.ceil((high - low) * THRESHOLDS_PER_UNIT)))


def _double_rates(upper: Values, lower: Values) -> Values:
    """Return false positive and false negative rates (2, rules) of `between two thresholds belongs to the narrow law`.

    The upper threshold runs 2 units around the end of the narrow law, and the lower one 2 units around the point one
    width below the upper one.
    """
    narrow, wide = (lower, upper) if np.ptp(upper) >= np.ptp(lower) else (upper, lower)
    width = narrow[-1] - narrow[0]
    count = math.ceil(2 * DOUBLE_MARGIN * THRESHOLDS_PER_UNIT)
    right = np.linspace(narrow[-1] - DOUBLE_MARGIN, narrow[-1] + DOUBLE_MARGIN, count)[:, None]
    left = right - width + np.linspace(-DOUBLE_MARGIN, DOUBLE_MARGIN, count)  # (right, left)

    def between(law: Values) -> Values:
        inside = np.searchsorted(law, right, side="right") - np.searchsorted(law, left, side="left")
        # Where the left threshold is above the right one nothing lies between.
        shares: Values = np.maximum(inside, 0) / len(law)
        return shares

    return np.stack([between(wide).ravel(), 1 - between(narrow).ravel()])


def _largest(rates: Values) -> float:
    """Return the largest epsilon of rules, infinite where one of them never errs."""
    false_positives, false_negatives = rates
    if bool(((false_positives == 0) & (false_negatives == 0)).any()):
        return math.inf
    # One rate of exactly 0 is more likely to come from too few models than from the laws.
    usable = rates[:, (false_positives > 0) & (false_negatives > 0)]
    room = 1 - DELTA - usable
    # Without room the bound says nothing, and no epsilon is below 0.
    gains = np.where(room > 0, np.log(np.maximum(room, DELTA)) - np.log(usable[::-1]), 0.0)
    return float(gains.max(initial=0.0))
