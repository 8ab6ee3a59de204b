"""OPS: one-pixel shortcut, the same pixel and color in every image of a class.

May import numpy and bench.attacks.attack. Source: arXiv:2205.12141, Algorithm 1.
"""

import itertools

import numpy as np
from numpy.typing import NDArray

from bench.attacks.attack import Attack, CraftInput
from bench.errors import UsageProblem


def craft_ops(given: CraftInput) -> NDArray[np.int16]:
    """Return perturbations that set one pixel of every image of a class to one extreme color.

    For each class the pixel and the corner color are those with the largest mean change relative to its spread,
    mean |v - x| / std |v - x| over the class's images and channels, that no earlier class uses.
    """
    if given.budgets.l0 is None:
        raise UsageProblem("ops needs an L0 budget of at least one pixel; this protocol allows none")
    delta = np.zeros(given.images.shape, dtype=np.int16)
    used: set[tuple[int, int]] = set()
    for label in np.unique(given.labels):
        members = np.flatnonzero(given.labels == label)
        images = given.images[members].astype(np.float64) / 255
        colors = corner_colors(images.shape[1])
        scores = np.stack([pixel_scores(images, color) for color in colors])  # (colors, H * W)
        # A stable sort keeps ties in reading order, so the choice does not depend on the machine.
        ranking = np.argsort(-scores.ravel(), kind="stable")
        best = next(int(place) for place in ranking if divmod(int(place), scores.shape[1]) not in used)
        color_index, position = divmod(best, scores.shape[1])
        used.add((color_index, position))
        row, column = divmod(position, images.shape[3])
        target = np.rint(colors[color_index] * 255).astype(np.int16)
        delta[members, :, row, column] = target - given.images[members, :, row, column]
    return delta


def corner_colors(channels: int) -> NDArray[np.float64]:
    """Return the corners of the color cube, (2**channels, channels), each value 0 or 1."""
    return np.array(list(itertools.product((0.0, 1.0), repeat=channels)))


def pixel_scores(images: NDArray[np.float64], color: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return mean / std of |color - pixel| over images and channels for every position, (H * W,).

    images: one class, (n, C, H, W), scale 0 to 1. A change that never varies scores infinity, no change scores 0.
    """
    change = np.abs(color[None, :, None, None] - images)
    mean, spread = change.mean(axis=(0, 1)).ravel(), change.std(axis=(0, 1)).ravel()
    steady = np.where(mean > 0, np.inf, 0.0)
    scores: NDArray[np.float64] = np.divide(mean, spread, out=steady, where=spread > 0)
    return scores


OPS = Attack(
    name="OPS (one-pixel shortcut)",
    family="synthetic-shortcut",
    summary="Sets one pixel, the same for every image of a class, to an extreme color; needs no network.",
    norm="l0",
    uses_labels=True,
    paper="https://arxiv.org/abs/2205.12141",
    craft=craft_ops,
)
