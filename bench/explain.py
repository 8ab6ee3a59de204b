"""Lists and explains what the tables hold, in words, without importing torch.

May import the tables and the metric catalog; reads docstrings from source.
"""

import ast
import importlib.util
import sys
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TypeGuard

from bench.attacks import ATTACKS
from bench.data import DATASETS
from bench.defenses import DEFENSES
from bench.errors import UnknownName
from bench.metrics.catalog import METRICS
from bench.models import MODELS
from bench.probes import PROBES
from bench.protocol import load_protocol, protocol_ids
from bench.unlearners import UNLEARNERS
from bench.unlearning_protocol import (
    all_protocol_ids,
    load_any_protocol,
    load_unlearning_protocol,
    unlearning_protocol_ids,
)

_TABLES: dict[str, Mapping[str, str]] = {
    "models": MODELS,
    "attacks": ATTACKS,
    "defenses": DEFENSES,
    "probes": PROBES,
    "unlearners": UNLEARNERS,
}

_UNPINNED = "; what is not pinned is measured, and stored with each result"

KINDS = ("protocols", "datasets", "models", "attacks", "defenses", "probes", "unlearners", "metrics")
"""What can be listed."""


def list_names(kind: str) -> dict[str, str]:
    """Return name -> one line for every entry of a kind. Raises UnknownName."""
    if kind in _TABLES:
        return {name: _first_line(entry) for name, entry in _TABLES[kind].items()}
    readers: dict[str, Callable[[], dict[str, str]]] = {
        "protocols": lambda: {name: load_any_protocol(name).title for name in all_protocol_ids()},
        "datasets": lambda: {
            name: _summary(sys.modules[loader.__module__].__doc__) for name, loader in DATASETS.items()
        },
        "metrics": lambda: {key: metric.label for key, metric in METRICS.items()},
    }
    if kind not in readers:
        raise UnknownName("kind", kind, KINDS)
    return readers[kind]()


def explain(name: str) -> str:
    """Return a text on a metric, protocol, attack, defense, model or data set. Raises UnknownName."""
    if name in METRICS:
        return _explain_metric(name)
    if name in protocol_ids():
        return _explain_protocol(name)
    if name in unlearning_protocol_ids():
        return _explain_unlearning_protocol(name)
    for kind in KINDS:
        if name in list_names(kind):
            return f"{name} ({kind.removesuffix('s')})\n\n{list_names(kind)[name]}"
    raise UnknownName("name", name, [entry for kind in KINDS for entry in list_names(kind)])


def _explain_metric(key: str) -> str:
    metric = METRICS[key]
    verb = "protects" if metric.track == "ue" else "unlearns"
    better = {"lower": f"lower {verb} better", "higher": f"higher {verb} better", "neither": "describes, not ranked"}
    return "\n\n".join(
        [
            f"{metric.label} [{metric.key}], {metric.unit}, {better[metric.direction]}",
            metric.definition,
            f"Formula: {metric.formula}",
            f"Source: {metric.source}",
            f"Read with care: {metric.pitfalls}",
        ]
    )


def _explain_protocol(protocol_id: str) -> str:
    protocol = load_protocol(protocol_id)
    recipe, sal = protocol.recipe, protocol.sal
    limits = protocol.budgets.model_dump(exclude_none=True, exclude={"unbounded"})
    unbounded = ["unbounded"] if protocol.budgets.unbounded else []
    budgets = ", ".join([*(f"{norm} {limit}" for norm, limit in limits.items()), *unbounded])
    conditions = ", ".join(
        f"{item.label} ({item.seeds.quick} quick, {item.seeds.full} full seeds)" for item in protocol.conditions
    )
    dataset = protocol.dataset
    data = f"{dataset.train.images} training images, {dataset.test.images} test images"
    pins = {name: split for name, split in (("training", dataset.train), ("test", dataset.test)) if split.sha256}
    identity = f"{' and '.join(pins) or 'no'} images pinned by digest" + _UNPINNED * (len(pins) < 2)
    measured = f"{sal.probe_images} images, after epochs {', '.join(map(str, sal.epochs))}"
    lines = [
        f"{protocol.title} [{protocol.id}]",
        "",
        protocol.summary,
        *protocol.notes,
        "",
        f"Data: {dataset.name}, {data}",
        f"Identity: {identity}",
        f"Budgets: {budgets} (linf in 1/255 units, l0 in pixels)",
        f"Training: {recipe.epochs} epochs, batch {recipe.batch_size}, learning rate {recipe.learning_rate}",
        *(
            f"Training of {model}: {own.epochs} epochs, batch {own.batch_size}, {own.optimizer}, "
            f"learning rate {own.learning_rate}"
            for model, own in protocol.recipes.items()
        ),
        f"SAL: estimator {sal.estimator}, radius {sal.epsilon} of each layer's norm, {measured}",
        f"Conditions: {conditions}",
    ]
    return "\n".join(lines)


def _explain_unlearning_protocol(protocol_id: str) -> str:
    protocol = load_unlearning_protocol(protocol_id)
    recipe, dataset, budget = protocol.recipe, protocol.dataset, protocol.budget
    probes = [
        f"Probe {item.label}: {item.count} items, {item.seeds.quick} quick and {item.seeds.full} full seeds, "
        + (", ".join(f"{name} {value}" for name, value in item.settings.items()) or "settings as published")
        for item in protocol.probes
    ]
    lines = [
        f"{protocol.title} [{protocol.id}]",
        "",
        protocol.summary,
        *protocol.notes,
        "",
        f"Data: {dataset.name}, {dataset.train.images} training images, {dataset.test.images} test images",
        (
            f"Network: {protocol.model}, trained for {recipe.epochs} epochs, batch {recipe.batch_size}, "
            f"learning rate {recipe.learning_rate}"
        ),
        f"Budget: {budget.share:.0%} of the compute of training, or {', '.join(map(str, budget.levels))} %",
        *probes,
        f"Gone: |GUS| below {protocol.metrics.equivalence_margin} by two one-sided tests",
    ]
    return "\n".join(lines)


def _first_line(entry: str) -> str:
    """Return the first line said about what a table entry names, in its docstring or below it, or else its module's."""
    module, _, attribute = entry.partition(":")
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    for node, following in pairwise([*tree.body, ast.Pass()]):
        if isinstance(node, ast.FunctionDef) and node.name == attribute:
            return _summary(ast.get_docstring(node))
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == attribute:
            if _is_text(following):
                return _summary(ast.literal_eval(following.value))
            if summary := _stated_summary(node.value):
                return summary
    return _summary(ast.get_docstring(tree))


def _stated_summary(value: ast.expr) -> str:
    """Return the `summary` that an entry is built with, "" where it has none that can be read."""
    stated = [item.value for item in value.keywords if item.arg == "summary"] if isinstance(value, ast.Call) else []
    return str(stated[0].value) if stated and isinstance(stated[0], ast.Constant) else ""


def _is_text(node: ast.stmt) -> TypeGuard[ast.Expr]:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _module_docstring(function: Callable[..., object]) -> str | None:
    return sys.modules[function.__module__].__doc__


def _summary(docstring: str | None) -> str:
    return (docstring or "").strip().split("\n", 1)[0]
