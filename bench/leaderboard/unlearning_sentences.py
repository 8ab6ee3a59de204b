"""Sentences: what a board of the unlearning track says in words, made from its rows and from nothing else.

Imports contexts and wording; never torch.
"""

from collections.abc import Mapping, Sequence

from bench.leaderboard.families import Family
from bench.leaderboard.limits import detectable_sentence, too_few_sentence
from bench.leaderboard.unlearning_contexts import UnlearningRow, VerdictKind
from bench.leaderboard.unlearning_order import Place, tolerance_words
from bench.leaderboard.wording import list_words

MOST_NAMES = 5

_VERDICT_SENTENCES: dict[VerdictKind, str] = {
    "gone": "gone for",
    "left": "left by",
    "over": "over-unlearned by",
    "open": "undecided for",
}


def leader_sentences(ranked: Sequence[UnlearningRow], places: Mapping[str, Place], gaussian: bool) -> tuple[str, ...]:
    """Say who leads, who cannot be told apart from the leaders, who pays with accuracy, and what is certain."""
    if not ranked:
        return ("No ranked submission yet, so nothing leads.",)
    keeping = [row for row in ranked if row.keeps]
    losing = [row for row in ranked if not row.keeps]
    found = [_first(keeping, places)]
    if losing:
        found.append(
            f"{_count(len(losing), 'method costs', 'methods cost')} more than {tolerance_words()} of test accuracy "
            f"against retraining and so {'comes' if len(losing) == 1 else 'come'} after the others: {_names(losing)}."
        )
    return (*found, _gaussian_sentence(ranked)) if gaussian else tuple(found)


def _first(keeping: Sequence[UnlearningRow], places: Mapping[str, Place]) -> str:
    if not keeping:
        return f"No ranked method keeps the test accuracy of retraining within {tolerance_words()}."
    leader = keeping[0]
    sentence = (
        f"Closest to retraining, among methods within {tolerance_words()} of its accuracy: {leader.name}, "
        f"at a distance of {leader.worst.text} on its worst probe, {leader.worst_probe} ({leader.worst.interval})."
    )
    tied = [row for row in keeping[1:] if places[row.slug].standing.best == 1]
    if tied:
        sentence += f" The seeds cannot tell it apart from {_names(tied)}."
    return f"{sentence} For comparison, doing nothing is at a distance of 1."


def _gaussian_sentence(ranked: Sequence[UnlearningRow]) -> str:
    parts = []
    for kind, words in _VERDICT_SENTENCES.items():
        rows = [row for row in ranked if row.verdict.kind == kind]
        if rows:
            parts.append(f"{words} {_names(rows)}")
    if not parts:
        return "No ranked method has Gaussian scores."
    return f"Gaussian noise: {'; '.join(parts)}."


def anchor_sentences(anchors: Sequence[UnlearningRow], gaussian: bool) -> tuple[str, ...]:
    """Say where the two ends of the scale lie, and how close a second retraining comes to the first."""
    by_anchor = {row.anchor: row for row in anchors if row.anchor}
    found = []
    for anchor, words in (
        ("original", "The original, which has forgotten nothing,"),
        ("retrained", "Retraining without the forget set, which is exact unlearning,"),
    ):
        row = by_anchor.get(anchor)
        if row is None:
            found.append(f"{words} has not been measured yet.")
            continue
        score = f" and scores GUS {row.gus.text} ({row.gus.interval})" if gaussian and row.gus.measured else ""
        found.append(f"{words} reaches {row.accuracy.text} test accuracy{score}.")
    second = by_anchor.get("retrained again")
    if second is not None and second.worst.measured:
        found.append(
            f"A second retraining with other random draws lies {second.worst.text} from the first on its worst probe "
            f"({second.worst.interval}): no method can be expected to come closer."
        )
    return tuple(found)


def ties_sentence(ranked: Sequence[UnlearningRow], families: Sequence[Family]) -> str:
    """Say how ranks are told apart, how large a difference that takes, or why nothing can be.

    families: the pairs of each group that is ranked by itself.
    """
    if len(ranked) < 2:
        return "With fewer than two ranked methods there is nothing to compare."
    if not families:
        return "Each group has one ranked method, so seeds decide nothing."
    if not any(family.pairs for family in families):
        seeds = min(int(family.count.min()) for family in families)
        return too_few_sentence(seeds, "the methods of a group")
    largest = max(families, key=lambda family: family.pairs)
    return (
        "Two methods get different ranks only if the paired difference of their worst cases, seed by seed, is "
        "significant over their group, by the t-test after Holm's correction and by the exact sign-flip test; "
        f"otherwise they tie. {detectable_sentence(largest, '{:.2f}'.format)}"
    )


def _names(rows: Sequence[UnlearningRow]) -> str:
    if len(rows) <= MOST_NAMES:
        return list_words(row.name for row in rows)
    return f"{', '.join(row.name for row in rows[:MOST_NAMES])} and {len(rows) - MOST_NAMES} more"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
