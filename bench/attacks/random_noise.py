"""Random noise: the control that must show no effect.

May import numpy and bench.attacks.attack.
"""

import numpy as np
from numpy.typing import NDArray

from bench.attacks.attack import Attack, CraftInput
from bench.errors import UsageProblem


def craft_random(given: CraftInput) -> NDArray[np.int8]:
    """Return independent whole numbers, uniform between minus and plus the L-infinity budget, ignoring labels."""
    limit = given.budgets.linf
    if limit is None:
        raise UsageProblem("random needs an L-infinity budget; this protocol allows none")
    generator = np.random.default_rng(given.seed)
    return generator.integers(-limit, limit, size=given.images.shape, endpoint=True, dtype=np.int8)


RANDOM = Attack(
    name="Random noise (control)",
    family="control",
    summary="Independent uniform noise within the same budget; carries nothing about the labels and must do nothing.",
    norm="linf",
    uses_labels=False,
    paper=None,
    craft=craft_random,
)
