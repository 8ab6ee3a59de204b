"""LSP: separable by a linear model, within its budget, one patch pattern an image."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from bench.attacks.attack import CraftInput
from bench.attacks.lsp import craft_lsp
from bench.data.digits import load_digits
from bench.errors import UsageProblem
from bench.protocol import Budgets, load_protocol


def given_digits(*, limit: int | None = 64, seed: int = 0) -> CraftInput:
    data, _ = load_digits(load_protocol("ue-digits-v1").dataset)
    return CraftInput(data.train.images, data.train.labels, Budgets(linf=limit), seed)


def given_photographs(count: int = 80) -> CraftInput:
    images = np.random.default_rng(0).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    return CraftInput(images, np.arange(count, dtype=np.int64) % 10, Budgets(linf=8), 0)


def test_the_budget_is_kept_and_used():
    delta = craft_lsp(given_digits())
    assert delta.dtype == np.int8
    assert np.abs(delta.astype(int)).max() == 64


def test_a_linear_model_reads_the_label_from_the_perturbation_alone():
    given = given_digits()
    features = craft_lsp(given).reshape(len(given.labels), -1) / 64
    assert LogisticRegression(max_iter=2000).fit(features, given.labels).score(features, given.labels) > 0.99


def test_every_patch_holds_one_value_in_each_channel():
    delta = craft_lsp(given_photographs())
    patches = delta.reshape(80, 3, 4, 8, 4, 8)
    assert (patches == patches[:, :, :, :1, :, :1]).all()
    assert len(np.unique(delta.reshape(80, -1), axis=0)) == 80


def test_the_seed_decides_the_perturbation():
    first, again, other = craft_lsp(given_digits()), craft_lsp(given_digits()), craft_lsp(given_digits(seed=1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_without_a_budget_it_says_what_it_needs():
    with pytest.raises(UsageProblem, match="needs an L-infinity budget"):
        craft_lsp(given_digits(limit=None))
