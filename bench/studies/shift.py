"""`bench study shift`: why unlearning by clean gradients fails, as two studies of how far and where weights move.

May import torch and bench.studies.
"""

import torch

from bench.code_digest import code_digest
from bench.data import find_data
from bench.models import MODELS
from bench.protocol import Protocol, Recipe, load_protocol
from bench.registry import module_of
from bench.runtime import prepare_process
from bench.studies.orthogonal_shift import measure_linear_shift
from bench.studies.poison_shift import measure_poison_shift
from bench.studies.record import LinearSettings, PoisonSettings, ShiftStudy
from bench.studies.study import Study, StudyInput

KEY = "study/shift/1"
"""Every random draw of the study comes from this text and its purpose."""

PROTOCOLS = {"digits": "ue-digits-v1", "cifar10": "ue-cifar10-mini-v1"}
"""Data set of the first study -> the protocol that says which images and how a network is trained on them."""

EPOCHS = {"digits": None, "cifar10": 5}
"""Epochs of training instead of the protocol's; None: as the protocol says."""

MODULES = (
    "bench.data",
    "bench.data.dataset",
    "bench.models.build",
    "bench.runtime",
    "bench.studies.canceling",
    "bench.studies.features",
    "bench.studies.linear",
    "bench.studies.logistic",
    "bench.studies.orthogonal_shift",
    "bench.studies.poison_shift",
    "bench.studies.record",
    "bench.studies.shift",
    "bench.training",
)
"""Whose code decides the numbers, beside the model's."""


def run_shift(given: StudyInput) -> ShiftStudy:
    """Run both studies on the CPU with one thread. Raises DatasetMissing before anything slow, DataMismatch."""
    prepare_process(torch.device("cpu"))
    protocols = {name: load_protocol(PROTOCOLS[name]) for name in given.datasets}
    for protocol in protocols.values():
        find_data(protocol.dataset)
    settings = PoisonSettings(recipes={name: _recipe(name, protocol) for name, protocol in protocols.items()})
    linear = LinearSettings()
    linear_shift = measure_linear_shift(linear, KEY, given.progress)
    shifts = [measure_poison_shift(protocol, settings, KEY, given.progress) for protocol in protocols.values()]
    return ShiftStudy(
        schema="bench.study/1",
        study="shift",
        code_sha256=code_digest([*MODULES, module_of("model", settings.model, MODELS)]),
        key=KEY,
        poison_settings=settings,
        linear_settings=linear,
        poison_shifts=tuple(shifts),
        linear_shift=linear_shift,
    )


def _recipe(name: str, protocol: Protocol) -> Recipe:
    recipe = protocol.recipe_of("resnet-narrow")
    epochs = EPOCHS[name]
    return recipe if epochs is None else recipe.model_copy(update={"epochs": epochs})


SHIFT = Study(
    name="shift",
    title="How poisons move a model",
    summary="Do poisons move an optimum farther than random points, and does clean descent lead back?",
    datasets=tuple(PROTOCOLS),
    run=run_shift,
)
