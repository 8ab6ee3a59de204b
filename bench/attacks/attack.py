"""Attack: what a generator of perturbations is, and what it gets to see.

May import numpy and bench.protocol.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.protocol import Budgets

Family = Literal["control", "error-minimizing", "error-maximizing", "synthetic-shortcut", "generative", "filter"]


@dataclass(frozen=True)
class CraftInput:
    """What an attack gets: clean training images uint8 (N, C, H, W), labels int64 (N,), budgets and a seed."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    budgets: Budgets
    seed: int


@dataclass(frozen=True)
class Attack:
    """A generator of perturbations and the facts that its submission's manifest states.

    craft: returns integer perturbations (N, C, H, W) in 1/255 units, int8 or int16, within the budget of `norm`.
    """

    name: str
    family: Family
    summary: str
    norm: Literal["linf", "l0", "l2"]
    uses_labels: bool
    paper: str | None
    craft: Callable[[CraftInput], NDArray[np.int8] | NDArray[np.int16]]
