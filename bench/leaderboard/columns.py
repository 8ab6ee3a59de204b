"""Columns: what each column of a board is called and which stored measurement its numbers are.

Imports the records and the metric catalog only.
"""

from dataclasses import dataclass
from typing import Literal

from bench.leaderboard.wording import scale
from bench.metrics.catalog import METRICS
from bench.protocol import Protocol
from bench.unlearning_protocol import UnlearningProtocol


@dataclass(frozen=True)
class Column:
    """One column of a board's table. key: names it in addresses, searches and exports; short: in choosers.

    sort: how its cells are compared. metric: of the stored measurement that is shown, empty where a column shows none.
    conditions: of that measurement, joined by spaces. worst: `highest` or `lowest` where each seed counts with that
    value over several conditions. scale: from stored values to those shown.
    """

    key: str
    label: str
    short: str
    sort: Literal["number", "text"] = "number"
    metric: str = ""
    conditions: str = ""
    worst: Literal["", "highest", "lowest"] = ""

    @property
    def scale(self) -> int:
        """The factor from the stored value to the value shown."""
        return int(scale(METRICS[self.metric])) if self.metric else 1

    @property
    def unit(self) -> str:
        """The unit of the stored value, empty for columns without a metric."""
        return METRICS[self.metric].unit if self.metric else ""


RANK = Column("rank", "Rank", "Rank")
METHOD = Column("name", "Method", "Method", "text")
SEEDS = Column("seeds", "Seeds", "Seeds")


def ue_columns(protocol: Protocol, reference: str, *, defended: bool, searched: bool) -> tuple[Column, ...]:
    """Return the columns of a board of unlearnable examples. reference: name of what drops are taken against."""
    label = protocol.primary.label
    found = (
        RANK,
        METHOD,
        Column("accuracy", "Clean test accuracy, %", "Accuracy", metric="test_accuracy", conditions=label),
        Column("worst", "Worst case over defenses, %", "Worst case", metric="worst_test_accuracy", conditions=label),
        Column("drop", f"Drop against {reference}", "Drop", metric="accuracy_drop", conditions=label),
        Column("ud", "Unlearnable Distance", "UD", metric="ud", conditions=label),
        Column("official", "UD, published search", "UD, published search", metric="ud_official", conditions=label),
        Column("peak", "Peak accuracy, %", "Peak accuracy", metric="peak_accuracy", conditions=label),
        SEEDS,
        Column("tier", "Tier", "Tier", "text"),
    )
    absent = {name for name, there in (("worst", defended), ("official", searched)) if not there}
    return tuple(column for column in found if column.key not in absent)


def unlearning_columns(protocol: UnlearningProtocol, gaussian: str | None) -> tuple[Column, ...]:
    """Return the columns of a board of the unlearning track. gaussian: label of the Gaussian probe, None without it."""
    label = protocol.primary.label
    every = " ".join(condition.label for condition in protocol.probes)
    distance, gap = "retrain_distance", "accuracy_gap"
    accuracy = "checkpoint_test_accuracy"
    noise = (
        Column("gus", "Poison left: GUS", "GUS", metric="gus", conditions=gaussian or ""),
        Column("tpr", "TPR at FPR 0.01", "TPR at FPR 0.01", metric="gus_tpr_01", conditions=gaussian or ""),
    )
    lost, cost = "Accuracy against retraining, worst probe", "Compute, share of training, as reported"
    return (
        RANK,
        METHOD,
        Column("distance", "Distance to retraining, worst probe", "Distance", "number", distance, every, "highest"),
        *(noise if gaussian else ()),
        Column("accuracy", "Test accuracy", "Test accuracy", metric=accuracy, conditions=label),
        Column("gap", lost, "Against retraining", "number", gap, every, "lowest"),
        Column("tow", "ToW", "ToW", metric="tow", conditions=label),
        Column("mia", "MIA gap", "MIA gap", metric="mia_gap", conditions=label),
        Column("cost", cost, "Compute", metric="compute_share", conditions=label),
        SEEDS,
    )
