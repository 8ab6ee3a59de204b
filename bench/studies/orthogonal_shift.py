"""The second study: does the way back from poisoned weights point where clean gradients point?

May import torch and bench.studies. Source: arXiv:2406.17216, C.2.
"""

import torch
from torch import Tensor

from bench.runtime import generator_for
from bench.studies.linear import (
    Points,
    Quadratic,
    cancel_linear,
    cosine,
    descend,
    draw_halves,
    least_squares,
    linear_floor,
    quadratic,
    residual_gradient,
)
from bench.studies.record import Control, Coordinates, LinearRun, LinearSettings, LinearShift, Start, Step
from bench.studies.study import Progress

VARIANTS: tuple[tuple[Coordinates, Start], ...] = (
    ("all", "clean"),
    ("informative", "clean"),
    ("silent", "clean"),
    ("all", "noisy"),
    ("informative", "noisy"),
)
MATCH_TOLERANCE = 0.01
ZERO_GRADIENT = 1e-12


def measure_linear_shift(settings: LinearSettings, key: str, progress: Progress) -> LinearShift:
    """Return the second study; the clean points are drawn once, everything else for each initialization."""
    key = f"{key}/linear"
    clean = draw_halves(settings.points, settings.dimension, settings.informative, generator_for(key, "clean points"))
    loss = quadratic(clean)
    used = loss.hessian[: settings.informative, : settings.informative]
    eigenvalues = torch.linalg.eigvalsh(used)
    runs: list[LinearRun] = []
    for coordinates, begin in VARIANTS:
        progress(f"linear regression: change in {coordinates} coordinates, poisons begin {begin}")
        runs += [poison_run(clean, loss, settings, coordinates, begin, index, key) for index in _indices(settings)]
    progress("linear regression: random removals")
    published = [_control(clean, loss, settings, None, index, key) for index in _indices(settings)]
    matched = [_control(clean, loss, settings, run, run.initialization, key) for run in runs]
    return LinearShift(
        eigenvalues=(float(eigenvalues[0]), float(eigenvalues[-1])), runs=tuple(runs), controls=(*published, *matched)
    )


def wanted_change(settings: LinearSettings, coordinates: Coordinates, generator: torch.Generator) -> Tensor:
    """Return a random change of the weights (D,) of length `settings.distance` in some coordinates."""
    change = torch.randn(settings.dimension, generator=generator, dtype=torch.float64)
    if coordinates == "informative":
        change[settings.informative :] = 0
    if coordinates == "silent":
        change[: settings.informative] = 0
    scaled: Tensor = change * (settings.distance / change.norm())
    return scaled


def poison_run(
    clean: Points,
    loss: Quadratic,
    settings: LinearSettings,
    coordinates: Coordinates,
    begin: Start,
    initialization: int,
    key: str,
) -> LinearRun:
    """Poison the clean points once and look at the way back; see LinearRun.

    loss: of the clean points. Draws of one initialization are the same for every variant.
    """
    key = f"{key}/{initialization}"
    target = loss.minimizer + wanted_change(settings, coordinates, generator_for(key, "change"))
    gradient, scale = loss.gradient(target), len(clean.targets)
    start = _start(clean, settings, begin, key)
    made = cancel_linear(target, gradient, start, scale, settings.epochs)
    poisoned = least_squares(clean.joined(made))
    back = loss.minimizer - poisoned
    return LinearRun(
        coordinates=coordinates,
        begin=begin,
        initialization=initialization,
        start=_objective(target, gradient, start, scale),
        end=_objective(target, gradient, made, scale),
        floor=linear_floor(target, gradient, start.targets, scale),
        shift=float(back.norm()),
        informative=float(back[: settings.informative].norm()),
        silent=float(back[settings.informative :].norm()),
        gap=float((poisoned - target).norm()),
        cosine=cosine(-loss.gradient(poisoned), back, smallest=ZERO_GRADIENT * float(back.norm())),
        path=_path(loss, poisoned, settings),
    )


def _indices(settings: LinearSettings) -> range:
    return range(settings.initializations)


def _start(clean: Points, settings: LinearSettings, begin: Start, key: str) -> Points:
    order = torch.randperm(len(clean.targets), generator=generator_for(key, "poisons"))
    start = clean.chosen(order[: settings.poisons])
    if begin == "clean":
        return start
    noise = torch.randn(start.inputs.shape, generator=generator_for(key, "noise"), dtype=torch.float64)
    return Points(start.inputs + settings.noise * noise, start.targets)


def _objective(target: Tensor, clean: Tensor, poisons: Points, scale: int) -> float:
    rest = residual_gradient(target, clean, poisons, scale)
    return float(rest @ rest) / 2


def _path(loss: Quadratic, start: Tensor, settings: LinearSettings) -> tuple[Step, ...]:
    """Follow gradient descent on a clean loss; the distance is to its minimizer."""
    path = descend(loss, start, settings.learning_rate, max(settings.steps))
    back = loss.minimizer - start
    smallest = ZERO_GRADIENT * float(back.norm())
    return tuple(
        Step(
            step=step,
            cosine=cosine(path[step] - start, back, smallest=smallest) if step else None,
            distance=float((path[step] - loss.minimizer).norm()),
        )
        for step in (0, *settings.steps)
    )


def _control(
    clean: Points, loss: Quadratic, settings: LinearSettings, match: LinearRun | None, initialization: int, key: str
) -> Control:
    """Remove points of the second half in random order: the published number, or as many as match a poisoned shift."""
    half = len(clean.targets) // 2
    draw = generator_for(f"{key}/{initialization}", "control")
    order = half + torch.randperm(len(clean.targets) - half, generator=draw)
    removed = settings.removed if match is None else matching_count(clean, loss, order, match.shift)
    kept = quadratic(_without(clean, order[:removed]))
    shift = float((kept.minimizer - loss.minimizer).norm())
    found = cosine(-kept.gradient(loss.minimizer), kept.minimizer - loss.minimizer)
    assert found is not None, "removing points of one half moves the optimum"
    return Control(
        coordinates=match.coordinates if match else None,
        begin=match.begin if match else None,
        initialization=initialization,
        removed=removed,
        wanted=match.shift if match else None,
        matched=None if match is None else abs(shift - match.shift) <= MATCH_TOLERANCE * match.shift,
        shift=shift,
        cosine=found,
        path=_path(kept, loss.minimizer, settings),
    )


def matching_count(clean: Points, loss: Quadratic, order: Tensor, wanted: float) -> int:
    """Return how many of the first points of an order to remove for a shift of L2 length `wanted`, by bisection.

    At least 1 and at most all of the order, also where the wanted shift is out of reach.
    """
    low, high = 1, len(order)
    while low < high:
        middle = (low + high) // 2
        if float((quadratic(_without(clean, order[:middle])).minimizer - loss.minimizer).norm()) < wanted:
            low = middle + 1
        else:
            high = middle
    return low


def _without(points: Points, removed: Tensor) -> Points:
    keep = torch.ones(len(points.targets), dtype=torch.bool)
    keep[removed] = False
    return points.chosen(keep)
