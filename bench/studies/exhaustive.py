"""The largest change of the loss in a ball by force: many starts, many plain steps. What a study measures against.

May import torch and bench.metrics; shares no algorithm with the searches that it judges, but the projection.
"""

from collections.abc import Generator

import torch
from torch import Tensor

from bench.metrics.sal import LossAndGradient, project_to_ball

STEPS = 200
RESTARTS = 8

Asking = Generator[Tensor, tuple[float, Tensor], tuple[float, int]]
"""Asks for loss and gradient at a weight, is sent both; returns a change of the loss and the evaluations it took."""


def exhaustive_change(
    loss_and_gradient: LossAndGradient,
    weight: Tensor,
    radius: float,
    generator: torch.Generator,
    *,
    steps: int = STEPS,
    restarts: int = RESTARTS,
) -> tuple[float, int]:
    """Return the largest |L(w + v) - L(w)| found in the ball ||v|| <= radius, and the evaluations it took."""
    search = exhaustive_search(weight, radius, generator, steps=steps, restarts=restarts)
    asked = next(search)
    while True:
        try:
            asked = search.send(loss_and_gradient(asked))
        except StopIteration as end:
            value, spent = end.value
            return value, spent


def exhaustive_search(
    weight: Tensor, radius: float, generator: torch.Generator, *, steps: int = STEPS, restarts: int = RESTARTS
) -> Asking:
    """Search the ball ||v|| <= radius for the largest change of the loss.

    Projected steepest ascent with a step length that adapts, from the center, from random points of the boundary, and
    from the gradient disturbed by as much again. A fall that cannot exceed the rise, for the loss is not negative, is
    not searched.
    """
    loss, gradient = yield weight
    spent, best = 1, 0.0
    for sign in (1.0, -1.0):
        if sign < 0 and best >= loss:
            break
        for restart in range(restarts):
            start = torch.zeros_like(weight)
            if restart:
                start = _unit(torch.randn(weight.shape, generator=generator).to(weight))
                start = radius * (_unit(start + sign * 2 * _unit(gradient)) if restart % 2 == 0 else start)
            value, used = yield from _ascend(weight, radius, loss, start, sign, steps)
            best, spent = max(best, value), spent + used
    return best, spent


def _ascend(weight: Tensor, radius: float, origin: float, change: Tensor, sign: float, steps: int) -> Asking:
    loss, gradient = yield weight + change
    value, step, spent, idle = sign * (loss - origin), radius, 1, 0
    while spent < steps and step >= 1e-4 * radius and idle < 2:
        candidate = project_to_ball(change + sign * step * _unit(gradient), radius)
        loss, slope = yield weight + candidate
        spent += 1
        gain = sign * (loss - origin) - value
        if gain <= 0:
            step /= 4
            continue
        idle = idle + 1 if gain <= 1e-7 * abs(value + gain) else 0
        value, change, gradient, step = value + gain, candidate, slope, min(2 * step, 16 * radius)
    return value, spent


def _unit(direction: Tensor) -> Tensor:
    length = torch.linalg.vector_norm(direction)
    unit: Tensor = direction / length if float(length) > 0 else torch.ones_like(direction) / direction.numel() ** 0.5
    return unit
