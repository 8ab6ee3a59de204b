"""The largest value of a smooth function on a sphere, by a limited-memory quasi-Newton ascent (L-BFGS).

Knows nothing of networks: `bench.metrics.converged_sal` asks it for the change of a layer that raises the loss most.

Source: Nocedal and Wright, Numerical Optimization, 2nd ed., algorithm 7.4 (two-loop recursion), on directions: the
function is taken at u / ||u||, so that every step stays on the sphere and the gradient is tangent to it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from bench.errors import SearchDiverged

Objective = Callable[[Tensor], tuple[float, Tensor]]
"""Maps a direction of unit L2 length to a value and its gradient there, shaped like the direction."""

SHORTEST = 0.01
"""Share of a step below which no shorter one is tried."""


@dataclass(frozen=True)
class Ascent:
    """Settings of an ascent.

    tolerance: stop where the quadratic model promises less than this share of the value reached. steps: evaluations.
    memory: pairs of steps and gradient changes that make up the model.
    """

    tolerance: float = 5e-4
    steps: int = 30
    memory: int = 8


@dataclass(frozen=True)
class Summit:
    """Where an ascent ended: the value, the direction (unit length), and the evaluations it took."""

    value: float
    direction: Tensor
    evaluations: int


@dataclass
class _Model:
    """The pairs (step, decrease of the gradient) that the quasi-Newton model remembers."""

    memory: int
    pairs: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def remember(self, step: Tensor, decrease: Tensor) -> None:
        """Keep a pair if the function curves downward along the step; otherwise it says nothing about a maximum."""
        if float((step * decrease).sum()) > 1e-10 * float((decrease * decrease).sum()):
            self.pairs = [*self.pairs, (step, decrease)][-self.memory :]

    def step(self, gradient: Tensor, scale: float) -> Tensor:
        """Return the step to the model's maximum; `scale` is the inverse curvature as long as nothing is known."""
        ahead, shares = gradient.clone(), []
        for step, decrease in reversed(self.pairs):
            share = (step * ahead).sum() / (step * decrease).sum()
            shares.append(share)
            ahead -= share * decrease
        if self.pairs:
            step, decrease = self.pairs[-1]
            scale = float((step * decrease).sum() / (decrease * decrease).sum())
        ahead *= scale
        for (step, decrease), share in zip(self.pairs, reversed(shares), strict=True):
            ahead += step * (share - (decrease * ahead).sum() / (step * decrease).sum())
        return ahead


@dataclass(frozen=True)
class _Place:
    """A direction of any length, the value there, the gradient along the sphere, and the part that points outward."""

    direction: Tensor
    value: float
    tangent: Tensor
    outward: float


def climb(objective: Objective, start: Tensor, settings: Ascent, *, beaten_at: float = 0.0) -> Summit:
    """Ascend from a direction until the model promises nothing worth a further step.

    start: any non-zero tensor; its length does not matter.
    beaten_at: the best value known from elsewhere; an ascent that after three evaluations would stay below it with
        twice the gain that its model promises is given up.
    The value never falls. Raises SearchDiverged where a value or a gradient is not finite.
    """
    here = _place(objective, start / torch.linalg.vector_norm(start))
    model, spent, share = _Model(settings.memory), 1, 1.0
    while spent < settings.steps and share >= SHORTEST:
        # Where the sphere's own curvature alone counts, this step ends on the ray of the gradient.
        step = share * model.step(here.tangent, 1 / max(abs(here.outward), 1e-30))
        longest = float(torch.linalg.vector_norm(here.direction))
        step *= min(1.0, longest / max(float(torch.linalg.vector_norm(step)), 1e-30))
        promise = 0.5 * float((here.tangent * step).sum())
        if promise <= settings.tolerance * abs(here.value):
            break
        if spent >= 3 and here.value + 2 * promise < beaten_at:
            break
        there = _place(objective, here.direction + step)
        spent += 1
        if there.value > here.value:
            model.remember(step, here.tangent - there.tangent)
            here, share = there, 1.0
        else:
            share *= 0.3
    return Summit(here.value, here.direction / torch.linalg.vector_norm(here.direction), spent)


def _place(objective: Objective, direction: Tensor) -> _Place:
    length = torch.linalg.vector_norm(direction)
    unit = direction / length
    value, gradient = objective(unit)
    outward = float((gradient * unit).sum())
    if not math.isfinite(value) or not math.isfinite(outward) or not bool(torch.isfinite(gradient).all()):
        raise SearchDiverged(f"ascent on the sphere: the value {value} or its gradient is not finite")
    return _Place(direction, value, (gradient - outward * unit) / length, outward)
