"""Attack: what a generator of perturbations is, and what it gets to see.

May import numpy and bench.protocol.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.protocol import Augmentation, Budgets, Norm

Family = Literal["control", "error-minimizing", "error-maximizing", "synthetic-shortcut", "generative", "filter"]

Progress = Callable[[str, int, int | None], None]
"""Called with what is going on, how much of it is done and how much there is in all, where that is known."""


def say_nothing(_step: str, _done: int, _total: int | None) -> None:
    """Show no progress."""


@dataclass(frozen=True)
class CraftInput:
    """What an attack gets: clean training images uint8 (N, C, H, W), labels int64 (N,), budgets and a seed.

    classes: of the data set; None, one more than the largest label. model: name of the network that a surrogate is,
    the one that is trained later. augmentation: of clean surrogate training. device: `cpu`, `cuda` or `auto`.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    budgets: Budgets
    seed: int
    classes: int | None = None
    model: str = "resnet-narrow"
    augmentation: Augmentation = field(default_factory=Augmentation)
    device: str = "cpu"
    progress: Progress = say_nothing


@dataclass(frozen=True)
class Attack:
    """A generator of perturbations and the facts that its submission's manifest states.

    craft: returns integer perturbations (N, C, H, W) in 1/255 units, int8 or int16, within the budget of `norm`.
    surrogate: says in one line which network and which settings `craft` would use, and where they are not the
    published ones; None for an attack without a network.
    """

    name: str
    family: Family
    summary: str
    norm: Norm
    uses_labels: bool
    paper: str | None
    craft: Callable[[CraftInput], NDArray[np.int8] | NDArray[np.int16]]
    surrogate: Callable[[CraftInput], str] | None = None
