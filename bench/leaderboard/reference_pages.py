"""Reference pages: the overview, protocols, metrics and guides.

Imports the records and the catalog; never torch.
"""

from bench.leaderboard.board import test_images
from bench.leaderboard.contexts import (
    Fact,
    MetricContext,
    ProtocolContext,
)
from bench.leaderboard.figures import DataTable
from bench.leaderboard.page_contexts import MetricLine, MetricsContext, ProtocolsContext
from bench.leaderboard.sources import Sources
from bench.leaderboard.wording import (
    condition_words,
    direction_words,
    list_words,
    number,
    probe_short_words,
    unit_words,
)
from bench.metrics.catalog import METRICS, Metric
from bench.protocol import Protocol, Recipe, Split
from bench.unlearning_protocol import AnyProtocol, UnlearningProtocol


def protocol_contexts(sources: Sources, protocol: Protocol) -> list[ProtocolContext]:  # noqa: ARG001 - as every page
    """Gather the page of a protocol."""
    return [
        ProtocolContext(
            path=f"protocols/{protocol.id}/index.html",
            title=f"Protocol {protocol.id}",
            description=f"Every setting of the protocol {protocol.id}: {protocol.title}.",
            section="overview",
            id=protocol.id,
            summary=protocol.summary,
            notes=protocol.notes,
            groups=_settings(protocol),
            conditions=_conditions(protocol),
        )
    ]


def protocols_contexts(sources: Sources) -> list[ProtocolsContext]:
    """Gather the list of all protocols."""
    columns = ("protocol", "what it is about", "training images", "conditions", "seeds, full tier", "results shown")
    groups = (
        (_TRACKS["ue"], [_protocol_row(sources, item, _ue_scope(item)) for item in sources.protocols.values()]),
        (
            _TRACKS["unlearning"],
            [_protocol_row(sources, item, _probe_scope(item)) for item in sources.unlearning_protocols.values()],
        ),
    )
    return [
        ProtocolsContext(
            path="protocols/index.html",
            title="All protocols",
            description="Every protocol of the benchmark: what is measured on what, and how often.",
            section="",
            groups=tuple(
                (heading, DataTable(f"Protocols of the track: {heading.lower()}", columns, tuple(rows)))
                for heading, rows in groups
                if rows
            ),
        )
    ]


def _protocol_row(sources: Sources, protocol: AnyProtocol, scope: tuple[str, str]) -> tuple[str, ...]:
    shown = sum(entry.shown(protocol) is not None for entry in sources.naming(protocol))
    return (
        protocol.id,
        protocol.title,
        _split_words(protocol.dataset.train),
        *scope,
        str(shown) if shown else "none yet",
    )


def _ue_scope(protocol: Protocol) -> tuple[str, str]:
    """Return networks and defenses of a protocol, and its seeds, in words."""
    models = dict.fromkeys(condition.model for condition in protocol.conditions)
    defenses = {condition.defense for condition in protocol.conditions} - {"none"}
    words = f"{list_words(models)}; {len(defenses) or 'no'} {'defense' if len(defenses) == 1 else 'defenses'}"
    seeds = sorted({condition.seeds.full for condition in protocol.conditions if not condition.primary})
    others = f", {' or '.join(map(str, seeds))} under the others" if seeds else ""
    return words, f"{protocol.primary.seeds.full} under the primary condition{others}"


def _probe_scope(protocol: UnlearningProtocol) -> tuple[str, str]:
    """Return network and probes of a protocol, and its seeds, in words."""
    probes = list_words(dict.fromkeys(probe_short_words(item.probe) for item in protocol.probes))
    seeds = sorted({item.seeds.full for item in protocol.probes})
    return f"{protocol.model}; {probes}", f"{' or '.join(map(str, seeds))} a probe"


def metric_contexts(sources: Sources) -> list[MetricContext]:  # noqa: ARG001 - every page takes the sources
    """Gather the page of every metric."""
    return [
        MetricContext(
            path=f"metrics/{metric.key}/index.html",
            title=metric.label,
            description=f"{metric.label}: definition, formula, source and pitfalls.",
            section="metrics",
            metric=metric,
            direction=direction_words(metric),
            unit=unit_words(metric),
            bounds=_bounds(metric),
        )
        for metric in METRICS.values()
    ]


def metrics_contexts(sources: Sources) -> list[MetricsContext]:  # noqa: ARG001 - every page takes the sources
    """Gather the list of metrics."""
    return [
        MetricsContext(
            path="metrics/index.html",
            title="Metrics",
            description="Every metric of the benchmark with its definition.",
            section="metrics",
            groups=tuple((heading, _listed(track)) for track, heading in _TRACKS.items()),
        )
    ]


def _listed(track: str) -> tuple[tuple[str, tuple[MetricLine, ...]], ...]:
    """Return the metrics of a track: those of the boards in their order, then the others."""
    first = [METRICS[key] for key in _ON_BOARDS[track]]
    others = [metric for metric in METRICS.values() if metric.track == track and metric not in first]
    return tuple(
        (heading, tuple(MetricLine(item, direction_words(item), unit_words(item), _first(item)) for item in metrics))
        for heading, metrics in (("On the boards", first), ("On the pages of submissions and in the files", others))
    )


def _first(metric: Metric) -> str:
    """Return the first sentence of a definition."""
    return metric.definition.partition(". ")[0].removesuffix(".") + "."


_ON_BOARDS = {
    "ue": ("test_accuracy", "worst_test_accuracy", "accuracy_drop", "ud", "ud_matched", "ud_official", "peak_accuracy"),
    "unlearning": (
        "retrain_distance",
        "removal",
        "gus",
        "gus_tpr_01",
        "checkpoint_test_accuracy",
        "accuracy_gap",
        "tow",
        "mia_gap",
        "compute_share",
    ),
}
"""Metrics that a board shows, in the order of its columns."""

_TRACKS = {"ue": "Unlearnable examples", "unlearning": "Machine unlearning"}


def _settings(protocol: Protocol) -> tuple[tuple[str, tuple[Fact, ...]], ...]:
    return (
        ("Data", data_facts(protocol)),
        ("Budgets", _budget_facts(protocol)),
        ("Training recipe", recipe_facts(protocol.recipe)),
        *((f"Training recipe of {model}", recipe_facts(recipe)) for model, recipe in protocol.recipes.items()),
        ("Sharpness-Aware Learnability", _sal_facts(protocol)),
        ("Identity", (Fact("Digest of all settings", protocol.sha256, code=True),)),
    )


def data_facts(protocol: AnyProtocol) -> tuple[Fact, ...]:
    """Return what data a protocol of either track uses."""
    data = protocol.dataset
    return (
        Fact("Data set", data.name),
        Fact("Image", f"{data.channels} channel(s), {data.height} by {data.width} pixels, values 0 to 255"),
        Fact("Classes", f"{data.classes}: {list_words(data.class_names)}"),
        Fact("Training images", _split_words(data.train)),
        _digest_fact("Training digest", data.train),
        Fact("Test images", f"{_split_words(data.test)}; {test_images(protocol):,} at most are used"),
        _digest_fact("Test digest", data.test),
    )


def _digest_fact(label: str, split: Split) -> Fact:
    if split.sha256 is None:
        return Fact(label, "not pinned; measured when something is evaluated, and stored with each result")
    return Fact(label, split.sha256, code=True)


def _split_words(split: Split) -> str:
    words = f"{split.images:,}"
    if split.select.per_class:
        words += f", of which the first {split.select.per_class:,} of each class are used"
    if split.select.first:
        words += f", among the first {split.select.first:,}"
    if split.select.exclude:
        words += f", {len(split.select.exclude):,} left out by index"
    return words


def _budget_facts(protocol: Protocol) -> tuple[Fact, ...]:
    budgets = protocol.budgets
    none = "not allowed under this norm"
    return (
        Fact("L-infinity", f"{budgets.linf}/255 for every channel value" if budgets.linf else none),
        Fact("L0", f"{budgets.l0} changed pixel(s) of an image" if budgets.l0 else none),
        Fact("L2", f"{budgets.l2:g}, in units of a 0-to-1 image" if budgets.l2 else none),
        Fact("Unbounded", "allowed, a class of its own" if budgets.unbounded else "not allowed"),
    )


def recipe_facts(recipe: Recipe) -> tuple[Fact, ...]:
    """Return a training recipe, a fact each."""
    schedule = recipe.schedule
    if schedule == "step":
        schedule_words = f"times {recipe.decay:g} after epochs {list_words(map(str, recipe.milestones))}"
    else:
        schedule_words = {"constant": "constant", "cosine": "cosine, down to 0 at the end"}[schedule]
    crops = recipe.augmentation.crop_padding
    augmentation = [
        *([f"random crops after {crops} pixels of zero padding"] if crops else []),
        *(["horizontal flips"] if recipe.augmentation.flip else []),
    ]
    momentum = f"{'Nesterov ' if recipe.nesterov else ''}momentum {recipe.momentum:g}"
    return (
        Fact(
            "Optimizer",
            f"SGD with {momentum}" if recipe.optimizer == "sgd" else f"Adam, first decay {recipe.momentum:g}",
        ),
        Fact("Epochs", str(recipe.epochs)),
        Fact("Batch size", str(recipe.batch_size)),
        Fact("Learning rate", f"{recipe.learning_rate:g}, {schedule_words}"),
        Fact("Weight decay", f"{recipe.weight_decay:g}"),
        Fact("Augmentation", list_words(augmentation)),
    )


_PROBES = {"exact": "the same for every seed", "converged": "drawn by their loss, anew for each seed and epoch"}
"""How an estimator of SAL chooses its images."""


def _sal_facts(protocol: Protocol) -> tuple[Fact, ...]:
    sal = protocol.sal
    searched = sal.official
    official = (
        f"seeds {list_words(map(str, searched.seeds))} of the primary condition, after epochs "
        f"{list_words(map(str, searched.epochs))}: {searched.passes} passes of plain SGD, batches of "
        f"{searched.batch_size}, step {searched.learning_rate:g}"
        if searched
        else "not run"
    )
    return (
        Fact("Estimator", sal.estimator),
        Fact("Radius", f"{sal.epsilon:g} times the norm of a layer's weights"),
        Fact("Measured after epochs", list_words(map(str, sal.epochs))),
        Fact("Probe set", f"{sal.probe_images:,} training images, not augmented, {_PROBES[sal.estimator]}"),
        Fact("Search", f"at most {sal.max_steps} steps, until a step gains less than {sal.tolerance:g} of the value"),
        Fact("Published search", official),
    )


def _conditions(protocol: Protocol) -> DataTable:
    return DataTable(
        "Conditions: what every submission is measured under",
        ("condition", "role", "seeds, quick tier", "seeds, full tier"),
        tuple(
            (
                condition_words(condition.label),
                "primary: ranks the board" if condition.primary else "shown beside",
                str(condition.seeds.quick),
                str(condition.seeds.full),
            )
            for condition in protocol.conditions
        ),
    )


def _bounds(metric: Metric) -> str:
    low, high = metric.bounds
    start = "no lower bound" if low is None else f"from {number(metric, low)}"
    return f"{start}, no upper bound" if high is None else f"{start} to {number(metric, high)}"
