"""Wording: numbers, intervals, statuses and settings as text. Rounding happens here and nowhere else.

Imports the records and the metric catalog only.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.metrics.catalog import Metric
from bench.results import Measurement

MINUS = "\u2212"
NO_INTERVAL = "one seed, no interval"
NO_ITEM_INTERVAL = "all seeds together, no interval"
NOT_RECORDED = "not recorded"
NOT_REPORTED = "not reported"

CONTROL_MARGIN = 0.03
"""Largest change of clean test accuracy that counts as no effect of a control.

The reason: a milestone of this benchmark asks that random noise of the same budget cost less than 3 points.
"""

STATUS_WORDS = {
    "ok": "measured",
    "not_run": "not run",
    "failed": "failed",
    "not_measurable": "not measurable",
    "refused": "refused",
    "absent": "not measured yet",
}

DIRECTION_WORDS = {
    "lower": "lower protects better",
    "higher": "higher protects better",
    "neither": "describes, does not rank",
}

RETRAIN_DIRECTION_WORDS = {
    "lower": "lower is better",
    "higher": "higher is better",
    "neither": "best as retraining has it",
}
"""Directions of the unlearning track, where retraining is the mark and not an end of the scale."""

PROBE_WORDS = {
    "gaussian": "Gaussian noise",
    "gradient-matching": "targeted (gradient matching)",
    "gradient-canceling": "indiscriminate (gradient canceling)",
    "patch": "patch (backdoor)",
    "interclass": "swapped labels",
}

PROBE_SHORT_WORDS = {
    "gaussian": "Gaussian",
    "gradient-matching": "targeted",
    "gradient-canceling": "indiscriminate",
}

DEFENSE_WORDS = {
    "none": "no defense",
    "jpeg": "JPEG, quality 10",
    "adversarial": "adversarial training",
    "ueraser": "UEraser",
    "ueraser-lite": "UEraser-lite",
    "ueraser-max": "UEraser-max",
    "mixup": "MixUp",
    "cutout": "CutOut",
    "cutmix": "CutMix",
    "grayscale": "grayscale",
    "bdr": "bit-depth reduction",
    "blur": "Gaussian blur",
    "orthogonal": "orthogonal projection",
    "avatar": "AVATAR",
    "gaussian": "Gaussian filter, sigma 0.1",
}

MODEL_WORDS = {
    "resnet18": "ResNet-18",
    "resnet50": "ResNet-50",
    "senet18": "SENet-18",
    "vit": "ViT",
    "vgg19": "VGG-19",
    "mobilenetv2": "MobileNetV2",
    "densenet121": "DenseNet-121",
}

DATASET_WORDS = {
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "imagenet100": "ImageNet-100",
    "svhn": "SVHN",
}

METHOD_WORDS = {
    "clean": "clean training",
    "lsp-l2-1.0": "LSP (L2 1.0)",
    "shortcutgen": "ShortcutGen",
    "tensorclog": "TensorClog",
}

METRIC_WORDS = {
    "test_accuracy": "test accuracy, %",
    "learnable_layers": "#LP",
    "ud": "UD",
    "ud_change": "change of UD",
}
"""Metrics of published tables; what this benchmark measures is named by the catalog."""

MARK_WORDS = {
    "lost": "lost",
    "inferred": "inferred",
    "denominator": "other denominator",
    "no-defense": "no defense",
}

FAMILY_WORDS = {
    "reference": "reference",
    "control": "control",
    "error-minimizing": "error-minimizing",
    "error-maximizing": "error-maximizing",
    "synthetic-shortcut": "synthetic shortcut",
    "generative": "generative",
    "filter": "filter",
    "other": "other",
}

UNLEARNING_FAMILY_WORDS = {
    "reference": "reference",
    "control": "control",
    "retain-tuning": "tuning on retained data",
    "ascent": "gradient ascent",
    "distillation": "distillation",
    "saliency": "saliency",
    "relabeling": "relabeling",
    "meta": "wraps another method",
    "other": "other",
}

ANCHOR_WORDS = {"original": "original", "retrain": "retrained", "retrain-second": "retrained again"}

TIER_WORDS = {"full": "full", "quick": "quick (few seeds)"}


@dataclass(frozen=True)
class Shown:
    """One number as it is shown.

    text: the rounded mean with its unit, or a status in words. interval: in words, empty without a mean.
    sort: the full-precision value for sorting, empty where there is none. reason: why a number is missing.
    bounds: of the interval, unrounded, cut at the bounds of the metric.
    """

    text: str
    interval: str
    sort: str
    n: int
    measured: bool
    reason: str = ""
    bounds: tuple[float, float] | None = None


def show(metric: Metric, measurement: Measurement | None) -> Shown:
    """Put a measurement into words; None means that nobody has measured it yet.

    A metric that takes all seeds together has its pooled value in place of a mean; its n is 0.
    """
    if measurement is None:
        return Shown(STATUS_WORDS["absent"], "", "", 0, measured=False)
    pooled = measurement.mean is None
    value = measurement.pooled if pooled else measurement.mean
    if measurement.status != "ok" or value is None:
        return Shown(STATUS_WORDS[measurement.status], "", "", 0, measured=False, reason=measurement.reason or "")
    found = measurement.pooled_ci95 if pooled else measurement.ci95
    absent = NO_ITEM_INTERVAL if pooled else NO_INTERVAL
    return Shown(
        with_unit(metric, value),
        absent if found is None else interval_text(metric, found),
        repr(value),
        len(measurement.per_seed or ()),
        measured=True,
        bounds=None if found is None else within_bounds(metric, found),
    )


def direction_words(metric: Metric) -> str:
    """Return how a metric is read, in the words of its track."""
    return (DIRECTION_WORDS if metric.track == "ue" else RETRAIN_DIRECTION_WORDS)[metric.direction]


def probe_words(probe: str) -> str:
    """Return a probe in words."""
    return PROBE_WORDS.get(probe, probe)


def number(metric: Metric, value: float) -> str:
    """Round a value to the metric's decimals in the unit shown, without the unit; a true minus sign, no minus zero."""
    text = f"{value * scale(metric):.{metric.decimals}f}"
    if float(text) == 0:
        # A p-value is never 0, however small.
        text = f"below {10**-metric.decimals:g}" if metric.unit == "p" else text.removeprefix("-")
    return text.replace("-", MINUS)


def with_unit(metric: Metric, value: float) -> str:
    """Round a value and add its unit."""
    text = number(metric, value)
    suffix = {"fraction": "\u202f%", "points": " points", "epochs": " epochs"}.get(metric.unit, "")
    return text + suffix


def interval_text(metric: Metric, interval: tuple[float, float]) -> str:
    """Return an interval as `95.0 to 97.2`, in the unit shown, cut at the bounds of the metric."""
    low, high = within_bounds(metric, interval)
    return f"{number(metric, low)} to {number(metric, high)}"


def within_bounds(metric: Metric, interval: tuple[float, float]) -> tuple[float, float]:
    """Cut an interval at the smallest and largest value that the metric can have."""
    low, high = interval
    smallest, largest = metric.bounds
    return (low if smallest is None else max(low, smallest), high if largest is None else min(high, largest))


def scale(metric: Metric) -> float:
    """Return the factor from the stored value to the unit shown: 100 for fractions and points."""
    return 100.0 if metric.unit in ("fraction", "points") else 1.0


def unit_words(metric: Metric) -> str:
    """Return the unit in words, as a column header or a fact states it."""
    return {"fraction": "%", "points": "percentage points", "p": "p-value"}.get(metric.unit, metric.unit)


def condition_words(label: str) -> str:
    """Return `model/defense` in words: `resnet18, no defense`."""
    model, _, defense = label.partition("/")
    return f"{model}, {DEFENSE_WORDS.get(defense, defense)}"


def method_words(method: str) -> str:
    """Return a method of a published table in words; most are acronyms."""
    return METHOD_WORDS.get(method, method.upper())


def short_names(names: Mapping[str, str]) -> dict[str, str]:
    """Return names by slug, all different, without what they say in brackets.

    Where several would be the same, each adds what it alone says there: `EM, class-wise`; if that does not tell them
    apart, its slug.
    """
    short = {slug: name.partition(" (")[0] for slug, name in names.items()}
    alike: dict[str, list[str]] = {}
    for slug, name in short.items():
        alike.setdefault(name, []).append(slug)
    found = {slug: _told_apart(slug, alike[name], names, name) for slug, name in short.items()}
    times = Counter(found.values())
    longer = {slug: name if times[name] == 1 else f"{short[slug]}, {slug}" for slug, name in found.items()}
    times = Counter(longer.values())
    last = {slug: name if times[name] == 1 else slug for slug, name in longer.items()}
    return last if len(set(last.values())) == len(last) else {slug: slug for slug in last}  # names that are slugs


def _told_apart(slug: str, alike: Sequence[str], names: Mapping[str, str], short: str) -> str:
    if len(alike) == 1:
        return short
    said = {item: names[item].partition(" (")[2].removesuffix(")").split(", ") for item in alike}
    shared = set.intersection(*map(set, said.values()))
    return ", ".join([short, *(part for part in said[slug] if part and part not in shared)])


def seeds_words(count: int) -> str:
    """Return `no seed`, `1 seed` or `5 seeds`."""
    return {0: "no seed", 1: "1 seed"}.get(count, f"{count} seeds")


def drop_sentence(name: str, reference: str, drop: Measurement | None, metric: Metric) -> str:
    """Say how much a submission lowers clean test accuracy against the reference, with the interval."""
    if drop is None or drop.mean is None:
        status = "absent" if drop is None else drop.status
        return f"How much {name} changes test accuracy against {reference}: {STATUS_WORDS[status]}."
    verb = "lowers" if drop.mean >= 0 else "raises"
    amount = number(metric, abs(drop.mean))
    if drop.ci95 is None:
        return f"{name} {verb} clean test accuracy by {amount} points against {reference} ({NO_INTERVAL})."
    low, high = drop.ci95 if drop.mean >= 0 else (-drop.ci95[1], -drop.ci95[0])
    interval = interval_text(metric, (low, high))
    return f"{name} {verb} clean test accuracy by {amount} points against {reference} (95\u202f% interval {interval})."


def margin_words() -> str:
    """Return the margin of the control: `3 points`."""
    return f"{CONTROL_MARGIN * 100:g} points"


def control_sentence(drop: Measurement | None) -> str:
    """Say whether a control shows an effect, which it must not: yes, no, or not decided.

    Equivalence reading: no effect needs the whole interval within CONTROL_MARGIN, an effect the whole one beyond it.
    """
    margin = margin_words()
    if drop is None or drop.mean is None:
        return "It has not been measured, so the board has no check that harmless noise shows no effect."
    if drop.ci95 is None:
        return f"One seed gives no interval and does not decide whether the control has an effect of {margin}."
    low, high = drop.ci95
    if low > -CONTROL_MARGIN and high < CONTROL_MARGIN:
        return (
            f"The whole interval is within {margin} of 0: the control shows no effect larger than {margin}, "
            "as it must not."
        )
    if low > CONTROL_MARGIN or high < -CONTROL_MARGIN:
        return (
            f"The whole interval is more than {margin} from 0, so the control shows an effect: "
            "this board needs an explanation."
        )
    return (
        f"The interval is neither wholly within nor wholly beyond {margin} of 0: "
        f"the seeds do not decide whether the control has an effect of {margin}."
    )


def group_letters(groups: str) -> str:
    """Return tie letters as `A`, `A B` or `A to F`: an entry's letters follow one another."""
    letters = groups.split()
    return groups if len(letters) < 3 else f"{letters[0]} to {letters[-1]}"


def list_words(items: Iterable[str]) -> str:
    """Join words: `a`, `a and b`, `a, b and c`; `none` for nothing."""
    words = list(items)
    if len(words) < 2:
        return words[0] if words else "none"
    return f"{', '.join(words[:-1])} and {words[-1]}"


def time_words(moment: str) -> str:
    """Return an ISO 8601 time in UTC as `2026-11-21 04:53`; seconds say nothing here."""
    return moment[:16].replace("T", " ") or NOT_RECORDED


def machine_words(hardware: Mapping[str, str | int]) -> str:
    """Return processor or accelerator, cores and memory of a machine."""
    if not hardware:
        return NOT_RECORDED
    memory = f"{int(hardware.get('memory_bytes', 0)) / 1e9:.0f} GB"
    host = f"{hardware.get('cpu', 'processor')}, {hardware.get('cores', '?')} cores, {memory}"
    return f"{hardware['gpu']}; {host}" if "gpu" in hardware else f"{host}, no accelerator"


def cost_words(cost: Mapping[str, float]) -> str:
    """Return the time of all cells together, the share of it that SAL took, and the largest memory of a cell."""
    if not cost.get("seconds"):
        return NOT_RECORDED
    words = [f"{cost['seconds'] / 60:.1f} minutes in all"]
    if "sal_seconds" in cost:
        words.append(f"SAL {cost['sal_seconds'] / cost['seconds']:.0%} of it")
    if "peak_memory_bytes" in cost:
        words.append(f"{cost['peak_memory_bytes'] / 1e9:.1f} GB of memory")
    return ", ".join(words)


def probe_short_words(probe: str) -> str:
    """Return a probe in a word or two, for cells and columns."""
    return PROBE_SHORT_WORDS.get(probe, PROBE_WORDS.get(probe, probe).partition(" (")[0])


def setting_words(value: float | bool | str) -> str:
    """Return a setting as a protocol or a manifest states it."""
    if isinstance(value, bool):
        return yes_no(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def yes_no(value: bool) -> str:
    """Return `yes` or `no`."""
    return "yes" if value else "no"
