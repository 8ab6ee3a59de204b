"""Unlearner: what takes a trained network and a forget set and returns a network, and what it may spend on that.

May import torch, bench.errors, bench.protocol and bench.training; knows nothing of files or submissions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from bench.errors import UsageProblem
from bench.protocol import Recipe
from bench.training import Labeled
from bench.unlearning_protocol import Setting

FORWARD_UNITS = 1.0
BACKWARD_UNITS = 2.0


@dataclass
class Meter:
    """Counts what an unlearner spends: a forward pass of one example is one unit, a backward pass is two.

    limit: units that the budget allows. Where only a part of the network is passed backward, `backward` is the share
    of its weights that get a gradient. Nothing stops an unlearner at the limit; what it spent is measured and shown.
    """

    limit: float
    spent: float = 0.0

    def count(self, examples: int, *, forward: float = 1.0, backward: float = 1.0) -> None:
        """Add `forward` forward passes and `backward` backward passes over some examples."""
        self.spent += examples * (forward * FORWARD_UNITS + backward * BACKWARD_UNITS)

    def affordable(self, examples: int, *, forward: float = 1.0, backward: float = 1.0) -> int:
        """Return how many passes over a set of so many examples the rest of the budget pays for, 0 or more."""
        cost = examples * (forward * FORWARD_UNITS + backward * BACKWARD_UNITS)
        # The share is a decimal fraction: 5 epochs of 50 must not become 4 by rounding.
        return max(0, int((self.limit - self.spent) / cost + 1e-9))


@dataclass(frozen=True)
class UnlearnInput:
    """What an unlearner gets.

    model: the original on its device, in eval mode; its own copy, which it may change. forget, retain: as trained on.
    recipe: how the original was trained. settings: complete, see `Unlearner.defaults`.
    make_model: purpose -> a network with fresh weights on the device. generator: purpose -> CPU generator.
    """

    model: nn.Module
    forget: Labeled
    retain: Labeled
    classes: int
    recipe: Recipe
    settings: Mapping[str, Setting]
    make_model: Callable[[str], nn.Module]
    generator: Callable[[str], torch.Generator]
    meter: Meter

    def number(self, name: str) -> float:
        """Return a setting as a number."""
        value = self.settings[name]
        assert not isinstance(value, str), f"{name} is not a number"
        return float(value)

    def having(self, **settings: Setting) -> "UnlearnInput":
        """Return the same input with some settings replaced."""
        return replace(self, settings={**self.settings, **settings})


@dataclass(frozen=True)
class Unlearner:
    """An unlearner of the table.

    family: `reference`, `retain-tuning`, `ascent`, `distillation`, `saliency`, `relabeling`, `meta`.
    defaults: all its settings, with the values of its publication or, where a file says so, chosen ones.
    run: returns the unlearned network; `given.model` may be that network, changed in place.
    """

    name: str
    family: str
    summary: str
    paper: str | None
    run: Callable[[UnlearnInput], nn.Module]
    defaults: Mapping[str, Setting] = field(default_factory=dict)

    def complete(self, changed: Mapping[str, Setting]) -> dict[str, Setting]:
        """Return the defaults with some settings replaced. Raises UsageProblem for a name that is no setting."""
        unknown = changed.keys() - self.defaults.keys()
        if unknown:
            raise UsageProblem(f"{self.name} has no setting {sorted(unknown)[0]!r}; known: {', '.join(self.defaults)}")
        return {**self.defaults, **changed}
