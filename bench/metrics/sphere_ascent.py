"""The largest value of a smooth function on a sphere, by a limited-memory quasi-Newton ascent (L-BFGS).

Knows nothing of networks: `bench.metrics.converged_sal` asks it for the change of a layer that raises the loss most.

Source: Nocedal and Wright, Numerical Optimization, 2nd ed., algorithm 7.4 (two-loop recursion), on directions: the
function is taken at u / ||u||, so that every step stays on the sphere and the gradient is tangent to it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
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


class _Model:
    """The pairs (step, decrease of the gradient) that the quasi-Newton model remembers, one row each.

    A step of the two-loop recursion is a combination of these rows and the gradient, so it is worked out in their
    inner products: a few products with thin matrices instead of a dozen passes over the weights.
    """

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._rows: Tensor | None = None  # (2 k, weights): k steps, then their k decreases
        self._products: NDArray[np.float64] = np.zeros((0, 0))  # (2 k, 2 k)

    def remember(self, step: Tensor, decrease: Tensor) -> None:
        """Keep a pair if the function curves downward along the step; otherwise it says nothing about a maximum."""
        if float((step * decrease).sum()) <= 1e-10 * float((decrease * decrease).sum()):
            return
        pair = torch.stack([step.flatten(), decrease.flatten()])[:, None]
        if self._rows is not None:
            older = self._rows.view(2, -1, step.numel())
            pair = torch.cat([older[:, max(0, older.shape[1] - self._memory + 1) :], pair], 1)
        self._rows = pair.flatten(0, 1)
        self._products = (self._rows @ self._rows.T).double().cpu().numpy()

    def step(self, gradient: Tensor, scale: float) -> Tensor:
        """Return the step to the model's maximum; `scale` is the inverse curvature as long as nothing is known."""
        if self._rows is None:
            return gradient * scale
        count, products = len(self._rows) // 2, self._products
        along = (self._rows @ gradient.flatten()).double().cpu().numpy()  # (2 k,)
        # The step so far is `scale` times the gradient plus mix @ rows.
        mix, shares = np.zeros(2 * count), np.zeros(count)
        for pair in reversed(range(count)):
            shares[pair] = (along[pair] + products[pair] @ mix) / products[pair, count + pair]
            mix[count + pair] -= shares[pair]
        scale = products[count - 1, -1] / products[-1, -1]
        mix *= scale
        for pair in range(count):
            turned = (scale * along[count + pair] + products[count + pair] @ mix) / products[pair, count + pair]
            mix[pair] += shares[pair] - turned
        combined = torch.from_numpy(mix).to(self._rows) @ self._rows
        return scale * gradient + combined.view_as(gradient)


@dataclass(frozen=True)
class _Place:
    """A direction of any length, the value there, the gradient along the sphere, and the part that points outward."""

    direction: Tensor
    value: float
    tangent: Tensor
    outward: float


class Climb:
    """An ascent that waits for answers, so that many can be answered together.

    asked: the direction (unit length) whose value and gradient it waits for, None where it has ended. evaluations: so
    far. promise: the gain that the quadratic model promises for its next step.
    """

    asked: Tensor | None

    def __init__(self, start: Tensor, settings: Ascent) -> None:
        """Begin at a direction: any non-zero tensor; its length does not matter."""
        self.evaluations = 0
        self.promise = math.inf
        self._settings = settings
        self._model = _Model(settings.memory)
        self._share = 1.0
        self._here: _Place | None = None
        self._ask(start / torch.linalg.vector_norm(start))

    @property
    def value(self) -> float:
        """The largest value so far; minus infinity before the first answer."""
        return self._here.value if self._here else -math.inf

    @property
    def direction(self) -> Tensor:
        """Where that value was found, unit length."""
        assert self._here is not None
        unit: Tensor = self._here.direction / torch.linalg.vector_norm(self._here.direction)
        return unit

    def tell(self, value: float, gradient: Tensor) -> None:
        """Answer: the value and gradient at `asked`. Raises SearchDiverged where one is not finite."""
        assert self.asked is not None
        there = self._placed(self.asked, value, gradient)
        self.evaluations += 1
        if self._here is None:
            self._here = there
        elif there.value > self._here.value:
            self._model.remember(there.direction - self._here.direction, self._here.tangent - there.tangent)
            self._here, self._share = there, 1.0
        else:
            self._share *= 0.3
        self._advance(self._here)

    def give_up(self) -> None:
        """End where it is."""
        self.asked = None

    def _ask(self, direction: Tensor) -> None:
        self._length = torch.linalg.vector_norm(direction)
        self.asked = direction / self._length

    def _placed(self, unit: Tensor, value: float, gradient: Tensor) -> _Place:
        outward = float((gradient * unit).sum())
        # One entry of the gradient that is not finite makes the sum so, even where it meets a zero.
        if not math.isfinite(value) or not math.isfinite(outward):
            raise SearchDiverged(f"ascent on the sphere: the value {value} or its gradient is not finite")
        return _Place(unit * self._length, value, (gradient - outward * unit) / self._length, outward)

    def _advance(self, here: _Place) -> None:
        """Choose the next direction, or end where the model promises nothing worth a step."""
        # Where the sphere's own curvature alone counts, this step ends on the ray of the gradient.
        step = self._share * self._model.step(here.tangent, 1 / max(abs(here.outward), 1e-30))
        longest = float(torch.linalg.vector_norm(here.direction))
        step *= min(1.0, longest / max(float(torch.linalg.vector_norm(step)), 1e-30))
        self.promise = 0.5 * float((here.tangent * step).sum())
        spent = self.evaluations >= self._settings.steps or self._share < SHORTEST
        if spent or self.promise <= self._settings.tolerance * abs(here.value):
            self.asked = None
        else:
            self._ask(here.direction + step)


def climb(objective: Objective, start: Tensor, settings: Ascent) -> Climb:
    """Ascend from a direction until the model promises nothing worth a further step; return the ended ascent.

    The value never falls. Raises SearchDiverged where a value or a gradient is not finite.
    """
    ascent = Climb(start, settings)
    while ascent.asked is not None:
        ascent.tell(*objective(ascent.asked))
    return ascent
