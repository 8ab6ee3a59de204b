"""Random patterns: one uniform pattern for each class, the plainest shortcut.

May import numpy and bench.attacks.attack. Source: arXiv:2106.10807, the poison of random patterns per class.
"""

import numpy as np
from numpy.typing import NDArray

from bench.attacks.attack import Attack, CraftInput
from bench.errors import UsageProblem


def craft_random_classwise(given: CraftInput) -> NDArray[np.int8]:
    """Return one pattern a class, whole numbers uniform between minus and plus the L-infinity budget."""
    limit = given.budgets.linf
    if limit is None:
        raise UsageProblem("random-classwise needs an L-infinity budget; this protocol allows none")
    generator = np.random.default_rng(given.seed)
    classes, positions = np.unique(given.labels, return_inverse=True)
    shape = (len(classes), *given.images.shape[1:])
    return generator.integers(-limit, limit, size=shape, endpoint=True, dtype=np.int8)[positions]


RANDOM_CLASSWISE = Attack(
    name="Random patterns, class-wise",
    family="synthetic-shortcut",
    summary="One pattern of uniform noise for each class, the same for all its images; needs no network.",
    norm="linf",
    uses_labels=True,
    paper="https://arxiv.org/abs/2106.10807",
    craft=craft_random_classwise,
)
