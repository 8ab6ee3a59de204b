"""The first study: do poisons move an optimum farther than as many random clean points?

May import torch and bench.studies. Source: arXiv:2406.17216, section 6 and C.1.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from bench.protocol import Protocol
from bench.runtime import generator_for
from bench.studies.canceling import Canceled, bad_weights, cancel_gradient
from bench.studies.features import Features, extract_features
from bench.studies.logistic import Logistic, share_correct, with_bias
from bench.studies.record import Group, PoisonSettings, PoisonShift, Removal, TargetTry
from bench.studies.study import Progress


@dataclass(frozen=True)
class Solved:
    """A problem with its optimum (classes, D) and the Cholesky factor of its Hessian there."""

    problem: Logistic
    optimum: Tensor
    factor: Tensor


def solve_problem(problem: Logistic, start: Tensor, tolerance: float) -> Solved:
    """Return a problem with all its points, solved. Raises SearchDiverged."""
    weights = problem.everything()
    optimum = problem.solve(weights, start, tolerance)
    return Solved(problem, optimum, torch.linalg.cholesky(problem.hessian(optimum, weights)))


def measure_poison_shift(protocol: Protocol, settings: PoisonSettings, key: str, progress: Progress) -> PoisonShift:
    """Return the first study on the data set of a protocol. Raises DatasetMissing and what training raises."""
    key = f"{key}/{protocol.dataset.name}"
    recipe = settings.recipes[protocol.dataset.name]
    features = extract_features(protocol, settings.model, recipe, key, progress)
    return shift_of_features(protocol.dataset.name, protocol.dataset.classes, features, settings, key, progress)


def shift_of_features(
    name: str, classes: int, features: Features, settings: PoisonSettings, key: str, progress: Progress
) -> PoisonShift:
    """Return the first study on given features; see PoisonShift."""
    inputs, test = with_bias(features.train), with_bias(features.test)
    count = len(inputs)
    clean = Logistic(inputs, features.train_labels, classes, count, settings.weight_decay)
    solved = solve_problem(clean, clean.zero(), settings.tolerance)
    optimum = solved.optimum
    points = torch.randperm(count, generator=generator_for(key, "poisons"))[: max(1, int(settings.share * count))]
    tries, radius = _find_radius(clean, optimum, points, (test, features.test_labels), settings, key, progress)
    target = _target(clean, optimum, radius, settings, key)
    progress(f"{name}: {len(points)} poisons toward weights at distance {radius:g}")
    made = cancel_gradient(clean, target, points, settings.iterations)
    with_poisons = clean.with_points(with_bias(made.poisons), features.train_labels[points])
    poisoned = solve_problem(with_poisons, optimum, settings.tolerance)
    return PoisonShift(
        dataset=name,
        train_sha256=features.train_sha256,
        test_sha256=features.test_sha256,
        images=count,
        features=features.train.shape[1],
        network_accuracy=features.accuracy,
        poisons=len(points),
        tries=tuple(tries),
        radius=radius,
        start=made.start,
        end=made.end,
        floor=made.floor,
        clean_accuracy=share_correct(optimum, test, features.test_labels),
        target_accuracy=share_correct(target, test, features.test_labels),
        poisoned_accuracy=share_correct(poisoned.optimum, test, features.test_labels),
        gap=float((poisoned.optimum - target).norm()),
        norm=float(optimum.norm()),
        largest_feature=float(features.train.norm(dim=1).max()),
        largest_poison=float(made.poisons.norm(dim=1).max()),
        removals=tuple(_removals(name, solved, poisoned, settings, key, progress)),
    )


def removal_shift(
    solved: Solved, points: Tensor, tolerance: float, start: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return how the optimum changes without some points, (classes, D): after retraining, and as predicted.

    start: weights to begin retraining at; it saves time and, the problem being convex, moves nothing else.

    The prediction is the influence function, H^-1 times the loss gradients of the points.
    """
    problem, optimum = solved.problem, solved.optimum
    begin = optimum if start is None else start
    retrained = problem.solve(problem.without(points), begin, tolerance, solved.factor)
    gradients = problem.point_gradients(optimum, points).reshape(-1, 1)
    return retrained - optimum, torch.cholesky_solve(gradients, solved.factor).view_as(optimum)


def _target(clean: Logistic, optimum: Tensor, radius: float, settings: PoisonSettings, key: str) -> Tensor:
    return bad_weights(
        clean,
        optimum,
        radius,
        steps=settings.ascent_steps,
        batch_size=settings.batch_size,
        generator=generator_for(key, "target"),
    )


def _find_radius(
    clean: Logistic,
    optimum: Tensor,
    points: Tensor,
    test: tuple[Tensor, Tensor],
    settings: PoisonSettings,
    key: str,
    progress: Progress,
) -> tuple[list[TargetTry], float]:
    """Return what was tried and the radius to use.

    The first radius whose target is bad enough and can be canceled well enough; where there is none, the largest one
    that can be canceled well enough; where there is none either, the one that can be canceled best.
    """
    tries: list[TargetTry] = []
    for doubling in range(settings.doublings):
        radius = settings.first_radius * 2**doubling
        target = _target(clean, optimum, radius, settings, key)
        made = cancel_gradient(clean, target, points, settings.trial_iterations)
        tries.append(_try(radius, share_correct(target, *test), made))
        progress(f"radius {radius:g}: accuracy {tries[-1].accuracy:.3f}, canceled {1 - made.end / made.start:.3f}")
        if tries[-1].accuracy < settings.target_accuracy and _canceled(tries[-1]) >= settings.reduction:
            return tries, radius
    enough = [item.radius for item in tries if _canceled(item) >= settings.reduction]
    return tries, max(enough) if enough else max(tries, key=_canceled).radius


def _try(radius: float, found: float, made: Canceled) -> TargetTry:
    return TargetTry(radius=radius, accuracy=found, start=made.start, end=made.end, floor=made.floor)


def _canceled(tried: TargetTry) -> float:
    return 1 - tried.end / tried.start


def _removals(
    name: str, clean: Solved, poisoned: Solved, settings: PoisonSettings, key: str, progress: Progress
) -> list[Removal]:
    """Remove shares of the poisons, and as many clean points from either set; a larger share contains a smaller one."""
    count = len(clean.problem.labels)
    poisons = len(poisoned.problem.labels) - count
    found: list[Removal] = []
    for repetition in range(settings.repetitions):
        progress(f"{name}: removal {repetition + 1} of {settings.repetitions}")
        draw = generator_for(f"{key}/{repetition}", "removal")
        order = count + torch.randperm(poisons, generator=draw)
        control = torch.randperm(count, generator=draw)[:poisons]
        groups: tuple[tuple[Group, Solved, Tensor], ...] = (
            ("poisons", poisoned, order),
            ("random", poisoned, control),
            ("unpoisoned", clean, control),
        )
        for group, solved, points in groups:
            start = solved.optimum
            for share in settings.shares:
                chosen = points[: max(1, round(share * poisons))]
                shift, predicted = removal_shift(solved, chosen, settings.tolerance, start)
                start = solved.optimum + shift
                found.append(
                    Removal(
                        group=group,
                        share=share,
                        repetition=repetition,
                        removed=len(chosen),
                        l1=float(shift.abs().sum()),
                        l2=float(shift.norm()),
                        predicted_l1=float(predicted.abs().sum()),
                        predicted_l2=float(predicted.norm()),
                    )
                )
    return found
