"""Attack: what a generator of perturbations is, and what it gets to see.

May import numpy and bench.protocol.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.protocol import Augmentation, Budgets, Norm

Family = Literal["control", "error-minimizing", "error-maximizing", "synthetic-shortcut", "generative", "filter"]

Setting = int | float | str | bool | None

Progress = Callable[[str, int, int | None], None]
"""Called with what is going on, how much of it is done and how much there is in all, where that is known."""


def say_nothing(_step: str, _done: int, _total: int | None) -> None:
    """Show no progress."""


@dataclass
class Work:
    """What crafting costs, counted while it runs: images that the surrogate saw, as forward-and-backward passes.

    A pass without gradient counts a third: a backward pass costs about two forward ones.
    """

    image_passes: float = 0.0

    def count(self, images: int, *, with_gradient: bool) -> None:
        """Add a forward pass of some images."""
        self.image_passes += images if with_gradient else images / 3


@dataclass(frozen=True)
class CraftInput:
    """What an attack gets: clean training images uint8 (N, C, H, W), labels int64 (N,), budgets and a seed.

    classes: of the data set; None, one more than the largest label. model: name of the network that a surrogate is,
    the one that is trained later. augmentation: of clean surrogate training. device: `cpu`, `cuda` or `auto`.
    work: where the attack's surrogate counts what it costs.
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
    work: Work = field(default_factory=Work)


@dataclass(frozen=True)
class Attack:
    """A generator of perturbations and the facts that its submission's manifest states.

    craft: returns integer perturbations (N, C, H, W) in 1/255 units, int8 or int16, within the budget of `norm`.
    surrogate: says in one line which network and which settings `craft` would use, and where they are not the
    published ones; None for an attack without a network. settings: the hyper-parameters that `craft` would use.
    test_set_used: whether a test image had a part in how those were chosen; the manifest discloses it.
    """

    name: str
    family: Family
    summary: str
    norm: Norm
    uses_labels: bool
    paper: str | None
    craft: Callable[[CraftInput], NDArray[np.int8] | NDArray[np.int16]]
    surrogate: Callable[[CraftInput], str] | None = None
    settings: Callable[[CraftInput], Mapping[str, Setting]] | None = None
    test_set_used: bool = False
