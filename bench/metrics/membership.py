"""Membership inference: how well an attack tells forgotten examples from examples that were never trained on.

Pure functions of logits and losses; may import numpy, scipy, scikit-learn and bench.errors, torch for its generator.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score
from sklearn.svm import SVC

from bench.errors import UndefinedMetric

Values = NDArray[np.float64]

FEATURES = ("correctness", "confidence", "entropy", "modified_entropy", "probabilities")
"""What an attack looks at. The value reported as MIA in the literature is that of `confidence`."""

SINGLE_FEATURES = FEATURES[:-1]
"""Features that are one number an example."""

SVC_COST = 3.0
SPLITS = 10
STARTING_KIT_MINIMUM = 10


@dataclass(frozen=True)
class Cut:
    """A threshold on one number: members are on the side `members_above` says, at the threshold counts as above.

    accuracy: of the two sides it was chosen on, each weighing one half; 0.5 means that no cut tells them apart.
    """

    threshold: float
    members_above: bool
    accuracy: float


@dataclass(frozen=True)
class LowRate:
    """True positives at a low rate of false ones.

    rate: share of the forget set that is called trained on; `low` and `high` are its exact 95 % limits for a threshold
    that is given. false_positives: the rate that was really met on the held-out losses, at most the one asked for.
    """

    rate: float
    low: float
    high: float
    false_positives: float


def membership_features(logits: ArrayLike, labels: ArrayLike) -> dict[str, Values]:
    """Return what attacks look at, by name, float64 (N, 1), and for `probabilities` (N, C).

    logits: (N, C), C >= 2, finite. labels: (N,), 0 to C - 1.
    correctness: 1 where the largest logit is the label's, the first among equals. confidence: softmax probability of
    the label. entropy: -sum_j p_j log p_j. modified_entropy: -(1 - p_y) log p_y - sum_{j != y} p_j log(1 - p_j); nats.
    Every logarithm is taken before it can become that of 0, so all values are finite.
    Source: arXiv:2003.10595 for the modified entropy. Raises UndefinedMetric for other shapes or infinite logits.
    """
    scores, classes = _checked(logits, labels)
    rows = np.arange(len(classes))
    log_p = scores - logsumexp(scores, axis=1, keepdims=True)  # (N, C)
    p = np.exp(log_p)
    log_rest = _log_complement(scores, log_p, p)
    others = p * log_rest
    others[rows, classes] = 0.0
    modified = -np.exp(log_rest[rows, classes]) * log_p[rows, classes] - others.sum(axis=1)
    return {
        "correctness": (scores.argmax(axis=1) == classes).astype(np.float64)[:, None],
        "confidence": p[rows, classes][:, None],
        "entropy": -(p * log_p).sum(axis=1)[:, None],
        "modified_entropy": modified[:, None],
        "probabilities": p,
    }


def true_label_losses(logits: ArrayLike, labels: ArrayLike) -> Values:
    """Return the cross-entropy (nats) of each example, float64 (N,); arguments as in membership_features."""
    scores, classes = _checked(logits, labels)
    losses: Values = logsumexp(scores, axis=1) - scores[np.arange(len(classes)), classes]
    return losses


def svc_membership(
    member_logits: ArrayLike,
    member_labels: ArrayLike,
    nonmember_logits: ArrayLike,
    nonmember_labels: ArrayLike,
    forget_logits: ArrayLike,
    forget_labels: ArrayLike,
    *,
    limit: int,
    features: Sequence[str] = FEATURES,
) -> dict[str, float]:
    """Return for each feature the share TN_S / |S| of the forget set that an attack calls never trained on, 0 to 1.

    members: retained examples without augmentation. nonmembers: test examples. As many of each as the smaller side
    has, at most `limit`, from the front. The attack is a support vector classifier with an RBF kernel, C = 3 and
    gamma = 1 / (number of columns). Higher is not better: the value of the retrained model is.
    Source: arXiv:2406.01257 and its code. Raises UndefinedMetric where a side or the forget set is empty.
    """
    sides = _sides(member_logits, member_labels, nonmember_logits, nonmember_labels, limit)
    forget = membership_features(forget_logits, forget_labels)
    found = {}
    for name in features:
        members, nonmembers = sides[0][name], sides[1][name]
        attack = SVC(C=SVC_COST, kernel="rbf", gamma="auto")
        attack.fit(np.concatenate([members, nonmembers]), np.repeat([1, 0], [len(members), len(nonmembers)]))
        found[name] = float(np.mean(attack.predict(forget[name]) == 0))
    return found


def threshold_membership(
    member_logits: ArrayLike,
    member_labels: ArrayLike,
    nonmember_logits: ArrayLike,
    nonmember_labels: ArrayLike,
    forget_logits: ArrayLike,
    forget_labels: ArrayLike,
    *,
    limit: int,
    features: Sequence[str] = SINGLE_FEATURES,
) -> dict[str, float]:
    """Return what svc_membership does with the best single threshold instead of a support vector classifier.

    Exact and fast, for features of one number. Arguments, range and errors as there.
    """
    sides = _sides(member_logits, member_labels, nonmember_logits, nonmember_labels, limit)
    forget = membership_features(forget_logits, forget_labels)
    found = {}
    for name in features:
        cut = best_cut(sides[0][name][:, 0], sides[1][name][:, 0])
        found[name] = called_nonmembers(cut, forget[name][:, 0])
    return found


def best_cut(members: ArrayLike, nonmembers: ArrayLike) -> Cut:
    """Return the threshold, and its side, with the largest mean of true positive and true negative rate.

    members, nonmembers: finite numbers, one each, at least one. Every threshold between two different values is tried;
    among equally good ones the lowest is returned.
    Raises UndefinedMetric for an empty side.
    """
    inside, outside = np.sort(_line(members, "members")), np.sort(_line(nonmembers, "non-members"))
    values = np.unique(np.concatenate([inside, outside]))
    if len(values) == 1:
        return Cut(float(values[0]), members_above=True, accuracy=0.5)
    middles = values[:-1] + (values[1:] - values[:-1]) / 2
    # Where two values are neighbors in float64, the middle may be the lower one.
    cuts = np.where(middles > values[:-1], middles, values[1:])
    lead = (np.searchsorted(outside, cuts) / len(outside) - np.searchsorted(inside, cuts) / len(inside)) / 2
    # Rounded, because ties between thresholds are ties of counts, which the divisions may break.
    best = int(np.argmax(np.round(np.abs(lead), 12)))
    return Cut(float(cuts[best]), members_above=bool(lead[best] >= 0), accuracy=float(0.5 + abs(lead[best])))


def called_nonmembers(cut: Cut, values: ArrayLike) -> float:
    """Return the share of values that a cut calls non-members, 0 to 1.

    A cut that is right half of the time knows nothing, and neither side is to be preferred: each value counts one half.
    """
    line = _line(values, "forget set")
    if cut.accuracy == 0.5:
        return 0.5
    above = line >= cut.threshold
    return float(np.mean(~above if cut.members_above else above))


def starting_kit_accuracy(forget_losses: ArrayLike, heldout_losses: ArrayLike, *, generator: torch.Generator) -> float:
    """Return the accuracy with which the loss tells the forget set from held-out examples, mean over 10 splits, 0 to 1.

    Logistic regression, fitted on nine tenths and tested on one tenth of equally many examples of both, drawn without
    replacement. 0.5 is what chance reaches, and values below are noise; compare with the retrained model.
    generator: CPU; decides which examples are drawn and how they are split.
    Source: starting kit of the NeurIPS 2023 machine unlearning challenge.
    Raises UndefinedMetric with fewer than 10 examples of either.
    """
    forget, heldout = _line(forget_losses, "forget losses"), _line(heldout_losses, "held-out losses")
    size = min(len(forget), len(heldout))
    if size < STARTING_KIT_MINIMUM:
        raise UndefinedMetric(f"the loss attack needs {STARTING_KIT_MINIMUM} examples of both kinds, got {size}")
    columns = np.concatenate([_draw(forget, size, generator), _draw(heldout, size, generator)])[:, None]
    state = int(torch.randint(2**31 - 1, (1,), generator=generator))
    splits = StratifiedShuffleSplit(n_splits=SPLITS, test_size=0.1, random_state=state)
    accuracies = cross_val_score(
        LogisticRegression(), columns, np.repeat([1, 0], size), cv=splits, scoring="accuracy", error_score="raise"
    )
    return float(np.mean(accuracies))


def loss_rates(
    forget_losses: ArrayLike, heldout_losses: ArrayLike, false_positives: Sequence[float] = (0.01, 0.05, 0.1)
) -> Mapping[float, LowRate]:
    """Return the share of the forget set with a loss below a low quantile of the held-out losses, by rate asked for.

    For a rate a of m held-out losses the threshold is the loss at place floor(a m) + 1 from below; what lies strictly
    below it is called trained on, so that at most a m held-out examples are. Perfect unlearning: about a.
    The limits are those of Clopper and Pearson at 95 % and do not count the noise of the threshold itself.
    Raises UndefinedMetric for an empty forget set or fewer than 1 / a held-out losses.
    """
    forget, heldout = _line(forget_losses, "forget losses"), np.sort(_line(heldout_losses, "held-out losses"))
    found = {}
    for asked in false_positives:
        # A decimal fraction: 0.29 of 100 must not become 28 by rounding.
        place = int(asked * len(heldout) + 1e-9)
        if not 1 <= place < len(heldout):
            raise UndefinedMetric(f"a false positive rate of {asked} has no threshold among {len(heldout)} losses")
        threshold = heldout[place]
        hits = int((forget < threshold).sum())
        limits = binomtest(hits, len(forget)).proportion_ci(confidence_level=0.95, method="exact")
        met = float(np.mean(heldout < threshold))
        found[asked] = LowRate(hits / len(forget), float(limits.low), float(limits.high), met)
    return found


def _log_complement(scores: Values, log_p: Values, p: Values) -> Values:
    """Return log(1 - p), (N, C), exact also where p is 1 in float64."""
    rows, top = np.arange(len(p)), scores.argmax(axis=1)
    # Only the largest probability can exceed one half, where 1 - p loses digits; its rest is summed instead.
    safe = p.copy()
    safe[rows, top] = 0.0
    complement: Values = np.log1p(-safe)
    rest = log_p.copy()
    rest[rows, top] = -np.inf
    complement[rows, top] = logsumexp(rest, axis=1)
    return complement


def _sides(
    member_logits: ArrayLike,
    member_labels: ArrayLike,
    nonmember_logits: ArrayLike,
    nonmember_labels: ArrayLike,
    limit: int,
) -> tuple[dict[str, Values], dict[str, Values]]:
    members = membership_features(member_logits, member_labels)
    nonmembers = membership_features(nonmember_logits, nonmember_labels)
    size = min(limit, len(members["confidence"]), len(nonmembers["confidence"]))
    if size < 1:
        raise UndefinedMetric(f"an attack needs examples of both kinds, got a limit of {limit}")
    return (
        {name: values[:size] for name, values in members.items()},
        {name: values[:size] for name, values in nonmembers.items()},
    )


def _checked(logits: ArrayLike, labels: ArrayLike) -> tuple[Values, NDArray[np.int64]]:
    scores, classes = np.asarray(logits, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    if scores.ndim != 2 or scores.shape[1] < 2 or len(scores) == 0 or classes.shape != scores.shape[:1]:
        raise UndefinedMetric(f"logits must be (N, C) and labels (N,), got {scores.shape} and {classes.shape}")
    if not np.isfinite(scores).all():
        raise UndefinedMetric("logits must be finite")
    if classes.min() < 0 or classes.max() >= scores.shape[1]:
        raise UndefinedMetric(f"labels must be 0 to {scores.shape[1] - 1}, got {classes.min()} to {classes.max()}")
    return scores, classes


def _line(values: ArrayLike, name: str) -> Values:
    line = np.asarray(values, dtype=np.float64)
    if line.ndim != 1 or line.size == 0 or not np.isfinite(line).all():
        raise UndefinedMetric(f"{name}: a line of finite numbers is needed, got shape {line.shape}")
    return line


def _draw(values: Values, size: int, generator: torch.Generator) -> Values:
    drawn: Values = values[torch.randperm(len(values), generator=generator).numpy()[:size]]
    return drawn
