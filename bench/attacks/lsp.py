"""LSP: linearly separable synthetic patches, a shortcut that a linear model can read.

May import numpy, scikit-learn and bench.attacks.attack. Source: arXiv:2111.00898, section 4.
"""

import numpy as np
from numpy.typing import NDArray

from bench.attacks.attack import Attack, CraftInput
from bench.errors import UsageProblem

PATCHES = 4
"""Patches along each side: 8x8 pixels for 32x32 images, as published; 2x2 pixels for 8x8 images."""

CLASS_SEPARATION = 10.0


def craft_lsp(given: CraftInput) -> NDArray[np.int8]:
    """Return one patch pattern an image, linearly separable between classes, within the L-infinity budget.

    Patterns are drawn as classification data with one cluster a class, spread over PATCHES x PATCHES patches and
    scaled to an L2 norm of sqrt(values) * budget before they are clipped to the budget. The publication scales to
    three quarters of that and has no bound for single values; the bound here makes it comparable.
    """
    from sklearn.datasets import make_classification  # noqa: PLC0415 (costs seconds, needed by this attack alone)

    limit = given.budgets.linf
    count, channels, height, width = given.images.shape
    if limit is None or height % PATCHES or width % PATCHES:
        raise UsageProblem(
            f"lsp needs an L-infinity budget and image sides divisible by {PATCHES}, got {height}x{width}"
        )
    classes, per_class = np.unique(given.labels, return_counts=True)
    drawn, drawn_labels = make_classification(
        # Twice the largest class, because drawn classes are balanced only roughly.
        n_samples=2 * len(classes) * int(per_class.max()),
        n_features=channels * PATCHES**2,
        n_informative=channels * PATCHES**2,
        n_redundant=0,
        n_repeated=0,
        n_classes=len(classes),
        n_clusters_per_class=1,
        class_sep=CLASS_SEPARATION,
        flip_y=0.0,
        random_state=given.seed,
    )
    chosen = np.empty((count, drawn.shape[1]))
    for index, label in enumerate(classes):
        members = given.labels == label
        chosen[members] = drawn[drawn_labels == index][: members.sum()]
    chosen *= limit * np.sqrt(chosen.shape[1]) / np.linalg.norm(chosen, axis=1, keepdims=True)
    patches = chosen.reshape(count, channels, PATCHES, PATCHES)
    pattern = patches.repeat(height // PATCHES, axis=2).repeat(width // PATCHES, axis=3)
    return np.clip(np.rint(pattern), -limit, limit).astype(np.int8)


LSP = Attack(
    name="LSP (linearly separable patches)",
    family="synthetic-shortcut",
    summary="Patch noise drawn as linearly separable classification data, one pattern an image; needs no network.",
    norm="linf",
    uses_labels=True,
    paper="https://arxiv.org/abs/2111.00898",
    craft=craft_lsp,
    settings=lambda _: {"patches": PATCHES, "class_separation": CLASS_SEPARATION},
)
