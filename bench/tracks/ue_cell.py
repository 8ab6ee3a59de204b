"""One cell of the UE track, step by step: prepare, train with SAL as probe, record. Imports torch.

Never imports pandas, altair or jinja2.
"""

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import torch
from torch import nn

from bench.artifacts import read_perturbation
from bench.data import load_data
from bench.data.perturbed import apply_perturbation
from bench.defenses import DEFENSES
from bench.defenses.defense import Defense
from bench.metrics.sal import LayerLearnability, Search, measure_sal
from bench.models.build import build_model
from bench.protocol import Protocol, SalSettings
from bench.registry import resolve
from bench.results import CellResult, SalCurve, rounded
from bench.runtime import generator_for
from bench.tracks.ue import CellJob
from bench.training import Epoch, Labeled, to_device, train

Progress = Callable[[int, int], None]
"""Called with (epochs done, epochs in all)."""


@dataclass(frozen=True)
class CellRun:
    """What one cell cost and when: UTC times, seconds, gradient evaluations, largest memory in bytes."""

    started: str
    ended: str
    seconds: float
    sal_seconds: float
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
    sal_seconds: float = 0.0
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
    if defense.images is not None:
        pixels = defense.images(pixels)
    model = build_model(
        cell.model,
        in_channels=protocol.dataset.channels,
        classes=protocol.dataset.classes,
        generator=generator_for(_stream(state), "weights"),
    )
    return replace(
        state,
        model=model.to(device),
        train=to_device(pixels, torch.from_numpy(data.train.labels), device),
        test=to_device(torch.from_numpy(data.test.images), torch.from_numpy(data.test.labels), device),
        defense=defense,
    )


def train_and_measure(state: CellState) -> CellState:
    """Train, and measure SAL on the fixed probe set after each epoch that the protocol names."""
    assert state.model is not None
    assert state.train is not None
    assert state.test is not None
    assert state.defense is not None
    protocol = state.job.protocol
    probe_set = _probe_set(state.train, protocol)
    found: list[tuple[int, LayerLearnability]] = []
    seconds = 0.0

    def probe(model: nn.Module, epoch: int) -> None:
        nonlocal seconds
        if epoch in protocol.sal.epochs:
            clock = time.perf_counter()
            found.append((epoch, _measure(model, probe_set, protocol.sal)))
            seconds += time.perf_counter() - clock
        state.progress(epoch, protocol.recipe.epochs)

    epochs = train(
        state.model,
        state.train,
        state.test,
        protocol.recipe,
        state.defense,
        shuffle=generator_for(_stream(state), "shuffle"),
        augment=generator_for(_stream(state), "augment"),
        probe=probe,
    )
    return replace(state, epochs=tuple(epochs), sal=tuple(found), sal_seconds=seconds)


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
    )
    return replace(state, result=result)


STEPS = (prepare, train_and_measure, record)


def _stream(state: CellState) -> str:
    """Return the name of the cell's random streams.

    The perturbation is no part of it: with one seed, every submission starts from the same weights and sees its
    images in the same order, so that differences between submissions are paired.
    """
    return f"{state.job.protocol.dataset.name}/{state.job.cell.label}"


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


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
