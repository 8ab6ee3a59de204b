"""Order: which unlearners come first, from what was measured. Worst cases, the accuracy rule, verdicts and ranks.

Imports the ranking, the records and plain statistics; never torch.
"""

from dataclasses import dataclass
from functools import lru_cache

from bench.leaderboard.families import Family, all_pairs
from bench.leaderboard.frame import seeds_of
from bench.leaderboard.ranking import SeedTable, Standing, letter, rank
from bench.leaderboard.sources import Sources, UnlearningEntry, remembered
from bench.leaderboard.unlearning_contexts import Verdict
from bench.leaderboard.wording import MINUS, STATUS_WORDS, probe_words
from bench.results import Measurement, Result, summarize
from bench.unlearning_protocol import UnlearningProtocol

ACCURACY_TOLERANCE = 0.01
"""Largest loss of test accuracy against retraining that still counts as keeping it: one percentage point."""

SIGNIFICANCE = 0.05
RESOLUTION = 0.001
"""Smallest spread of distances that is taken at its word; see `ranking.rank`."""

GAUSSIAN = "gaussian"


@dataclass(frozen=True)
class WorstCase:
    """A metric where it is worst over probes. probe: where its mean is; reason: why there is none."""

    measurement: Measurement | None
    probe: str
    reason: str = ""


@dataclass(frozen=True)
class Place:
    """Where an entry stands: its standing among those of its group, and how many entries are before that group.

    ties: letters of its tie groups, no letter being used by both groups of the board.
    """

    standing: Standing
    before: int
    keeps: bool
    ties: str

    @property
    def best(self) -> int:
        """The best rank that the evidence leaves open, on the whole board."""
        return self.standing.best + self.before

    @property
    def worst(self) -> int:
        """The worst rank that the evidence leaves open, on the whole board."""
        return self.standing.worst + self.before

    @property
    def text(self) -> str:
        """The rank as `3` or `2 to 5`."""
        return str(self.best) if self.best == self.worst else f"{self.best} to {self.worst}"


def worst_distance(result: Result, protocol: UnlearningProtocol) -> WorstCase:
    """Return the largest distance to retraining over probes, seed by seed; none unless every probe has one."""
    return _worst(result, protocol, "retrain_distance", sign=1.0)


def worst_gap(result: Result, protocol: UnlearningProtocol) -> WorstCase:
    """Return the largest loss of accuracy against retraining over probes, seed by seed, as a (negative) gap."""
    return _worst(result, protocol, "accuracy_gap", sign=-1.0)


def _worst(result: Result, protocol: UnlearningProtocol, key: str, *, sign: float) -> WorstCase:
    found: dict[str, tuple[float, ...]] = {}
    for condition in protocol.probes:
        measurement = result.measurement(key, condition.label)
        if measurement is None or measurement.per_seed is None:
            status = "absent" if measurement is None else measurement.status
            reason = "" if measurement is None or not measurement.reason else f": {measurement.reason}"
            return WorstCase(None, "", f"{probe_words(condition.probe)}: {STATUS_WORDS[status]}{reason}")
        found[condition.label] = measurement.per_seed
    # Kits of one seed are the same for every submission, so that the worst case can be compared seed by seed.
    values = [sign * max(sign * value for value in row) for row in zip(*found.values(), strict=False)]
    probe = max(found, key=lambda label: sign * sum(found[label]) / len(found[label]))
    return WorstCase(_summary(key, tuple(values)), probe)


@lru_cache(maxsize=4096)
def _summary(key: str, values: tuple[float, ...]) -> Measurement:
    """Sum values up once: a board asks for the worst case of each of its results several times."""
    return summarize(key, "worst", values)


def keeps_accuracy(result: Result, protocol: UnlearningProtocol) -> bool | None:
    """Say whether test accuracy stays within ACCURACY_TOLERANCE of retraining on every probe, by its means."""
    gaps = [result.measurement("accuracy_gap", condition.label) for condition in protocol.probes]
    means = [gap.mean for gap in gaps if gap is not None and gap.mean is not None]
    # Rounded as results are, so that a loss of exactly one point is within one point.
    return min(means) >= -ACCURACY_TOLERANCE if len(means) == len(gaps) else None


@remembered
def standings(sources: Sources, protocol: UnlearningProtocol) -> dict[str, Place]:
    """Rank the entries of a protocol by slug, best first: those that keep the accuracy of retraining, then the others.

    Ranked are results of the full tier with a distance to retraining on every probe.
    """
    places: dict[str, Place] = {}
    used = 0
    for keeps, table in ranked_values(sources, protocol).items():
        before, ranked = len(places), rank(table, lower_is_better=True, resolution=RESOLUTION)
        letters = list(dict.fromkeys(name for standing in ranked for name in standing.groups.split()))
        renamed = {name: letter(used + position) for position, name in enumerate(letters)}
        for standing in ranked:
            ties = " ".join(renamed[name] for name in standing.groups.split())
            places[standing.slug] = Place(standing, before, keeps, ties)
        used += len(letters)
    return places


def ranked_values(sources: Sources, protocol: UnlearningProtocol) -> dict[bool, SeedTable]:
    """Return what each group is ranked by, entries by slug; first those that keep accuracy (True)."""
    return sources.memory.at_hand(f"ranked {protocol.id}", lambda: _ranked_values(sources, protocol))


def _ranked_values(sources: Sources, protocol: UnlearningProtocol) -> dict[bool, SeedTable]:
    groups: dict[bool, dict[str, Measurement]] = {True: {}, False: {}}
    for entry in sources.unlearning_naming(protocol):
        found = ranked_distance(entry, protocol)
        stored = entry.shown(protocol)
        if found is not None and stored is not None:
            groups[bool(keeps_accuracy(stored.result, protocol))][entry.slug] = found
    return {
        keeps: SeedTable.of({slug: dict(enumerate(item.per_seed or ())) for slug, item in sorted(found.items())})
        for keeps, found in groups.items()
    }


def families(sources: Sources, protocol: UnlearningProtocol) -> list[Family]:
    """Test the pairs of each group that has two entries or more; pairs of different groups are told apart by rule."""
    found = ranked_values(sources, protocol).values()
    return [all_pairs(table.values, resolution=RESOLUTION) for table in found if len(table.names) > 1]


def ranked_distance(entry: UnlearningEntry, protocol: UnlearningProtocol) -> Measurement | None:
    """Return what an entry is ranked by; None where it is not ranked."""
    stored = entry.shown(protocol)
    if entry.role != "entry" or stored is None or stored.result.subject.tier != "full":
        return None
    return worst_distance(stored.result, protocol).measurement


def gaussian_label(protocol: UnlearningProtocol) -> str | None:
    """Return the label of the Gaussian probe, None where a protocol does not have it."""
    return next((condition.label for condition in protocol.probes if condition.probe == GAUSSIAN), None)


def verdict(result: Result | None, protocol: UnlearningProtocol) -> Verdict:
    """Say whether the Gaussian noise is gone.

    Gone is an equivalence claim: the largest |GUS| that the scores leave open is below the protocol's margin. Left and
    over-unlearned reject independence from the noise, on either side. What does neither stays open.
    """
    label = gaussian_label(protocol)
    if label is None or result is None:
        return Verdict("none", STATUS_WORDS["absent"], "")
    gus, bound, p_value = (result.measurement(key, label) for key in ("gus", "gus_bound", "gus_p"))
    missing = [item for item in (gus, bound, p_value) if item is None or item.status != "ok"]
    if missing:
        first = missing[0]
        return Verdict("none", STATUS_WORDS["absent" if first is None else first.status], "")
    assert gus is not None and gus.mean is not None  # noqa: PT018 - one condition: measured
    assert bound is not None and bound.pooled is not None  # noqa: PT018
    assert p_value is not None and p_value.pooled is not None  # noqa: PT018
    limit = f"|GUS| at most {bound.pooled:.2f}"
    chance = f"p {p_words(p_value.pooled)}"
    if bound.pooled < protocol.metrics.equivalence_margin:
        return Verdict("gone", f"gone within {margin_words(protocol)}", limit)
    if p_value.pooled < SIGNIFICANCE:
        return Verdict("left", "left", chance) if gus.mean > 0 else Verdict("over", "over-unlearned", chance)
    return Verdict("open", "cannot tell", limit)


def margin_words(protocol: UnlearningProtocol) -> str:
    """Return the margin within which a trace counts as gone: `±0.1`."""
    return f"\u00b1{protocol.metrics.equivalence_margin:g}"


def tolerance_words() -> str:
    """Return how much accuracy may be lost: `1 percentage point`."""
    return f"{ACCURACY_TOLERANCE * 100:g} percentage point"


def p_words(value: float) -> str:
    """Return a p-value as `= 0.04` or `< 0.0001`."""
    return f"= {value:.2g}" if value >= 0.0001 else "< 0.0001"


def signed(value: float, decimals: int = 2) -> str:
    """Return a number with its sign, a true minus sign and no minus zero."""
    text = f"{value:.{decimals}f}"
    if float(text) == 0:
        return text.removeprefix("-")
    return text.replace("-", MINUS)


def shared_seeds(result: Result, protocol: UnlearningProtocol) -> int:
    """Return how many seeds every probe of a protocol has in a result."""
    return min(len(seeds_of(result, condition.label)) for condition in protocol.probes)
