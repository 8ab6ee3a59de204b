"""Limits: what a number of seeds cannot tell, in words.

Imports the statistics of pairs; never pandas, never torch.
"""

from collections.abc import Callable

from bench.leaderboard.families import Family
from bench.leaderboard.paired import LEVEL, least_seeds, smallest_exact_p
from bench.leaderboard.wording import seeds_words


def too_few_words(seeds: int) -> str:
    """Say that a pair has too few seeds: `cannot separate with n = 3 seeds: ...`."""
    if seeds == 0:
        return "cannot separate: no common seed"
    return (
        f"cannot separate with n = {seeds} {'seed' if seeds == 1 else 'seeds'}: "
        f"the exact test cannot go below p = {smallest_exact_p(seeds):.2g}"
    )


def too_few_sentence(seeds: int, whole: str = "all") -> str:
    """Say that there are too few seeds to rank. whole: who ties."""
    return (
        f"With {seeds_words(seeds)} nothing can be told apart: an exact test of paired differences cannot go below "
        f"p = {smallest_exact_p(seeds):.2g}, and {LEVEL:g} is needed, which takes {seeds_words(least_seeds())}. "
        f"So {whole} tie."
    )


def detectable_sentence(family: Family, words: Callable[[float], str]) -> str:
    """Say which differences a board is too noisy to show: the median over its pairs. words: a difference as text."""
    found = family.detectable
    if found is None:
        return ""
    least, most = (int(pick(family.count[family.tested])) for pick in (min, max))
    seeds = seeds_words(most) if least == most else f"{least} to {most} seeds"
    return f"With {seeds}, differences below about {words(found)} cannot be told apart here."
