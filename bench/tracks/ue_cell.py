"""One cell of the UE track, step by step: prepare, train with SAL as probe, record. Imports torch.

Never imports pandas, altair or jinja2.
"""

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

import torch
from torch import nn

from bench.artifacts import read_perturbation
from bench.data import load_data
from bench.data.perturbed import apply_perturbation
from bench.defenses import DEFENSES
from bench.defenses.defense import Defense
from bench.metrics.official_sal import OfficialLearnability, OfficialSearch, measure_official_sal
from bench.metrics.sal import LayerLearnability, Search, measure_sal
from bench.models.build import build_model
from bench.protocol import Augmentation, OfficialSal, Protocol, SalSettings
from bench.registry import resolve
from bench.results import CellResult, OfficialCurve, SalCurve, rounded
from bench.runtime import generator_for
from bench.tracks.ue import CellJob, linf_budget, official_settings
from bench.training import Epoch, Labeled, augment_batch, to_device, train

Progress = Callable[[int, int], None]
"""Called with (epochs done, epochs in all)."""


@dataclass(frozen=True)
class CellRun:
    """What one cell cost and when: UTC times, seconds, gradient evaluations, largest memory in bytes."""

    started: str
    ended: str
    seconds: float
    sal_seconds: float
    official_seconds: float
    gradients: int
    peak_memory_bytes: int


@dataclass(frozen=True)
class CellState:
    """What the steps hand on; each step fills in what it makes."""

    job: CellJob
    device: torch.device
    progress: Progress
    model: nn.Module | None = None
    train: Labeled | None = None
    test: Labeled | None = None
    defense: Defense | None = None
    epochs: tuple[Epoch, ...] = ()
    sal: tuple[tuple[int, LayerLearnability], ...] = ()
    official: tuple[tuple[Epoch, OfficialLearnability], ...] = ()
    sal_seconds: float = 0.0
    official_seconds: float = 0.0
    result: CellResult | None = None


def run_cell(job: CellJob, device: torch.device, progress: Progress) -> tuple[CellResult, CellRun]:
    """Measure one cell; the same job gives the same result on the same machine and software.

    Raises BenchError for data, artifacts and losses that cannot be used.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    state = CellState(job, device, progress)
    for step in STEPS:
        state = step(state)
    assert state.result is not None
    ended = datetime.now(UTC)
    return state.result, CellRun(
        started=started.isoformat(timespec="seconds"),
        ended=ended.isoformat(timespec="seconds"),
        seconds=time.perf_counter() - clock,
        sal_seconds=state.sal_seconds,
        official_seconds=state.official_seconds,
        gradients=sum(found.gradients for _, found in state.sal),
        peak_memory_bytes=_peak_memory(device),
    )


def prepare(state: CellState) -> CellState:
    """Load images, apply the perturbation and the defense's dataset part, and build the network."""
    protocol, cell, device = state.job.protocol, state.job.cell, state.device
    data = load_data(protocol.dataset)
    images = data.train.images
    if state.job.artifact is not None:
        images = apply_perturbation(images, read_perturbation(state.job.folder, state.job.artifact).values)
    defense: Defense = resolve("defense", cell.defense, DEFENSES)
    pixels = torch.from_numpy(images)
    labels = torch.from_numpy(data.train.labels)
    if defense.images is not None:
        pixels = defense.images(pixels, labels, generator_for(_stream(state), "defense"))
    model = build_model(
        cell.model,
        in_channels=protocol.dataset.channels,
        classes=protocol.dataset.classes,
        generator=generator_for(_stream(state), "weights"),
    )
    return replace(
        state,
        model=model.to(device),
        train=to_device(pixels, labels, device),
        test=to_device(torch.from_numpy(data.test.images), torch.from_numpy(data.test.labels), device),
        defense=defense,
    )


def train_and_measure(state: CellState) -> CellState:
    """Train, and measure SAL on the fixed probe set after each epoch that the protocol names."""
    assert state.model is not None
    assert state.train is not None
    assert state.test is not None
    assert state.defense is not None
    protocol, cell = state.job.protocol, state.job.cell
    recipe, official = protocol.recipe_of(cell.model), official_settings(protocol, cell)
    measured, data = _Measured(), state.train
    probe_set = _probe_set(data, protocol)

    def probe(model: nn.Module, epoch: Epoch) -> None:
        if epoch.number in protocol.sal.epochs:
            clock = time.perf_counter()
            measured.sal.append((epoch.number, _measure(model, probe_set, protocol.sal)))
            measured.sal_seconds += time.perf_counter() - clock
        if official is not None and epoch.number in official.epochs:
            clock = time.perf_counter()
            generator = generator_for(_stream(state), f"official SAL {epoch.number}")
            found = _measure_official(model, data, official, protocol.sal.epsilon, recipe.augmentation, generator)
            measured.official.append((epoch, found))
            measured.official_seconds += time.perf_counter() - clock
        state.progress(epoch.number, recipe.epochs)

    epochs = train(
        state.model,
        data,
        state.test,
        recipe,
        state.defense,
        shuffle=generator_for(_stream(state), "shuffle"),
        augment=generator_for(_stream(state), "augment"),
        probe=probe,
        budget=linf_budget(protocol),
    )
    return replace(
        state,
        epochs=tuple(epochs),
        sal=tuple(measured.sal),
        official=tuple(measured.official),
        sal_seconds=measured.sal_seconds,
        official_seconds=measured.official_seconds,
    )


def record(state: CellState) -> CellState:
    """Turn curves into the cell's result, rounded as everything that is hashed."""
    cell, sal = state.job.cell, state.sal
    layers = tuple(sal[0][1].values)
    curve = SalCurve(
        epochs=tuple(epoch for epoch, _ in sal),
        layers=layers,
        loss=tuple(rounded(found.loss) for _, found in sal),
        values=tuple(tuple(rounded(found.values[layer]) for layer in layers) for _, found in sal),
        gradients=tuple(found.gradients for _, found in sal),
    )
    result = CellResult(
        key=state.job.key,
        model=cell.model,
        defense=cell.defense,
        seed=cell.seed,
        train_loss=tuple(rounded(epoch.train_loss) for epoch in state.epochs),
        train_accuracy=tuple(rounded(epoch.train_accuracy) for epoch in state.epochs),
        test_accuracy=tuple(rounded(epoch.test_accuracy) for epoch in state.epochs),
        sal=curve,
        official=_official_curve(state.official),
    )
    return replace(state, result=result)


STEPS = (prepare, train_and_measure, record)


def _stream(state: CellState) -> str:
    """Return the name of the cell's random streams.

    The perturbation is no part of it: with one seed, every submission starts from the same weights and sees its
    images in the same order, so that differences between submissions are paired.
    """
    return f"{state.job.protocol.dataset.name}/{state.job.cell.label}"


@dataclass
class _Measured:
    """What the probe has collected so far."""

    sal: list[tuple[int, LayerLearnability]] = field(default_factory=list)
    official: list[tuple[Epoch, OfficialLearnability]] = field(default_factory=list)
    sal_seconds: float = 0.0
    official_seconds: float = 0.0


def _probe_set(data: Labeled, protocol: Protocol) -> Labeled:
    """Return the fixed images that SAL is measured on: the same choice for every cell of a data set."""
    order = torch.randperm(len(data.labels), generator=generator_for(protocol.dataset.name, "probe"))
    chosen = order[: protocol.sal.probe_images].sort().values.to(data.labels.device)
    return Labeled(data.images[chosen], data.labels[chosen])


def _measure(model: nn.Module, probe_set: Labeled, settings: SalSettings) -> LayerLearnability:
    return measure_sal(
        model,
        probe_set.images,
        probe_set.labels,
        epsilon=settings.epsilon,
        search=Search(settings.max_steps, settings.tolerance),
    )


def _measure_official(
    model: nn.Module,
    data: Labeled,
    settings: OfficialSal,
    epsilon: float,
    augmentation: Augmentation,
    generator: torch.Generator,
) -> OfficialLearnability:
    search = OfficialSearch(epsilon, settings.passes, settings.learning_rate, settings.batch_size)
    varied = augmentation.flip or augmentation.crop_padding > 0
    augment = partial(augment_batch, augmentation=augmentation, generator=generator) if varied else None
    return measure_official_sal(model, data.images, data.labels, search, generator, augment)


def _official_curve(found: Sequence[tuple[Epoch, OfficialLearnability]]) -> OfficialCurve | None:
    if not found:
        return None
    layers = tuple(found[0][1].ranges)
    return OfficialCurve(
        epochs=tuple(epoch.number for epoch, _ in found),
        layers=layers,
        running_loss=tuple(rounded(epoch.train_loss) for epoch, _ in found),
        start_loss=tuple(rounded(seen.start) for _, seen in found),
        highest=tuple(tuple(rounded(seen.ranges[layer].highest) for layer in layers) for _, seen in found),
        lowest=tuple(tuple(rounded(seen.ranges[layer].lowest) for layer in layers) for _, seen in found),
        gradients=tuple(seen.gradients for _, seen in found),
    )


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
