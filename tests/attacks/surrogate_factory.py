"""Sixty real digits, ten classes, for attacks with a surrogate; and what a linear model reads from a perturbation."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from bench.attacks.attack import CraftInput
from bench.data.digits import load_digits
from bench.protocol import Budgets, load_protocol

LIMIT = 64


def given_digits(count: int = 60, *, limit: int | None = LIMIT, **changes: Any) -> CraftInput:
    """The first `count` training digits, within 64/255 unless another limit is given."""
    data, _ = load_digits(load_protocol("ue-digits-v1").dataset)
    fields: dict[str, Any] = {
        "images": data.train.images[:count],
        "labels": data.train.labels[:count],
        "budgets": Budgets(linf=limit),
        "seed": 0,
        "classes": 10,
    }
    return CraftInput(**{**fields, **changes})


def noise(given: CraftInput) -> NDArray[np.int8]:
    """Signs of the whole budget, drawn at random and kept within the image box like a perturbation."""
    signs = LIMIT * np.random.default_rng(5).choice((-1, 1), size=given.images.shape)
    images = given.images.astype(np.int16)
    return np.clip(signs, -images, 255 - images).astype(np.int8)


def readable_share(delta: NDArray[np.int8], labels: NDArray[np.int64]) -> float:
    """Share of labels that logistic regression reads from perturbations: fitted on every other, scored on the rest.

    Scored on what it was fitted on, a few hundred perturbations of 64 values would be separable whatever they are.
    """
    features = delta.reshape(len(delta), -1) / LIMIT
    model = LogisticRegression(max_iter=3000).fit(features[::2], labels[::2])
    return float(model.score(features[1::2], labels[1::2]))


def assert_kept_and_used(delta: NDArray[np.int8], given: CraftInput) -> None:
    """Whole numbers within the budget that use it, and images that stay within 0 to 255 without clipping."""
    assert delta.dtype == np.int8
    assert delta.shape == given.images.shape
    assert np.abs(delta.astype(int)).max() == given.budgets.linf
    changed = given.images.astype(int) + delta
    assert changed.min() >= 0
    assert changed.max() <= 255
