"""One cell of the UE track whose SAL is searched by `converged`: the steps of ue_cell, with another probe.

Imports torch; never pandas, altair or jinja2. A file of its own, so that stored cells of `exact` keep the digest of
their code.
"""

import time
from dataclasses import replace
from datetime import UTC, datetime

import torch
from torch import nn

from bench.metrics.converged_sal import Convergence, measure_converged_sal
from bench.metrics.probe_set import draw_by_loss, image_losses
from bench.metrics.sal import LayerLearnability
from bench.metrics.sphere_ascent import Ascent
from bench.protocol import SalSettings
from bench.results import CellResult
from bench.runtime import generator_for
from bench.tracks.ue import CellJob, linf_budget
from bench.tracks.ue_cell import CellRun, CellState, Progress, _peak_memory, _stream, prepare, record
from bench.training import Epoch, Labeled, train


def run_cell(job: CellJob, device: torch.device, progress: Progress) -> tuple[CellResult, CellRun]:
    """Measure one cell; the same job gives the same result on the same machine and software.

    Raises BenchError for data, artifacts and losses that cannot be used.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    state = record(train_and_measure(prepare(CellState(job, device, progress))))
    assert state.result is not None
    return state.result, CellRun(
        started=started.isoformat(timespec="seconds"),
        ended=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=time.perf_counter() - clock,
        sal_seconds=state.sal_seconds,
        official_seconds=state.official_seconds,
        gradients=sum(found.gradients for _, found in state.sal),
        peak_memory_bytes=_peak_memory(device),
    )


def train_and_measure(state: CellState) -> CellState:
    """Train, and measure SAL after each epoch that the protocol names, on images that are drawn by their loss then."""
    assert state.model is not None
    assert state.train is not None
    assert state.test is not None
    assert state.defense is not None
    protocol, data = state.job.protocol, state.train
    recipe, found = protocol.recipe_of(state.job.cell.model), list[tuple[int, LayerLearnability]]()
    seconds = 0.0

    def probe(model: nn.Module, epoch: Epoch) -> None:
        nonlocal seconds
        if epoch.number in protocol.sal.epochs:
            clock = time.perf_counter()
            draw = generator_for(_stream(state), f"probe {epoch.number}")
            found.append((epoch.number, measure_drawn(model, data, protocol.sal, draw)))
            seconds += time.perf_counter() - clock
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
    return replace(state, epochs=tuple(epochs), sal=tuple(found), sal_seconds=seconds)


def measure_drawn(model: nn.Module, data: Labeled, settings: SalSettings, draw: torch.Generator) -> LayerLearnability:
    """Draw images by their loss and search every layer for the largest change of their weighed loss.

    data: all training images. draw: CPU generator. The model is left as it was.
    """
    losses = image_losses(model, data.images, data.labels)
    chosen = draw_by_loss(losses, data.labels.cpu(), settings.probe_images, draw)
    indices, shares = (values.to(data.labels.device) for values in chosen)
    return measure_converged_sal(
        model,
        data.images[indices],
        data.labels[indices],
        epsilon=settings.epsilon,
        shares=shares,
        search=Convergence(ascent=Ascent(settings.tolerance, settings.max_steps)),
    )
