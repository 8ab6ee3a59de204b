import math

import pytest
import torch
from hypothesis import given as drawn
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from torch.func import functional_call, grad
from torch.nn import functional as F
from tuning_factory import linear_net, make_input, make_set, original, run, same, state

from bench.training import Labeled
from bench.unlearners.ssd import SSD, dampened, squared_gradients

IMPORTANCE = npst.arrays("float64", 6, elements=st.floats(0, 10))
WEIGHTS = npst.arrays("float64", 6, elements=st.floats(-5, 5))


def fisher(data: Labeled) -> dict[str, torch.Tensor]:
    """Mean squared gradient of one example's loss, from a functional gradient: an implementation of its own."""
    model = original().eval()
    parameters = {name: values.detach() for name, values in model.named_parameters()}

    def loss(weights: dict[str, torch.Tensor], image: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(functional_call(model, weights, (image[None],)), label[None])

    slope = grad(loss)
    found = [slope(parameters, image, label) for image, label in zip(data.images, data.labels, strict=True)]
    return {name: torch.stack([each[name] ** 2 for each in found]).mean(0) for name in parameters}


def test_importances_of_two_examples_worked_out_by_hand() -> None:
    two = Labeled(torch.ones(2, 1, 4, 4), torch.tensor([0, 1]))
    # Gradients of the bias: (-2/3, 1/3, 1/3) and (1/3, -2/3, 1/3).
    single, count = squared_gradients(linear_net(), two, 1)
    assert count == 2
    assert torch.allclose(single[1], torch.tensor([5 / 9, 5 / 9, 2 / 9]))
    # Their mean is (-1/6, -1/6, 1/3): what batches do to the importance.
    joint, count = squared_gradients(linear_net(), two, 2)
    assert count == 1
    assert torch.allclose(joint[1], torch.tensor([1 / 36, 1 / 36, 1 / 9]))


def test_importances_equal_those_of_a_functional_gradient_and_are_not_negative() -> None:
    data = make_set("forget", 5)
    sums, _ = squared_gradients(original().eval(), data, 1)
    for found, expected in zip(sums, fisher(data).values(), strict=True):
        assert torch.allclose(found / 5, expected, rtol=1e-4, atol=1e-9)
        assert float(found.min()) >= 0


def test_a_run_dampens_what_matters_more_for_the_forget_set_than_for_all_data() -> None:
    given = make_input(SSD, alpha=1.2, **{"lambda": 0.5})
    forget, retain = given.forget, given.retain
    everything = Labeled(torch.cat([forget.images, retain.images]), torch.cat([forget.labels, retain.labels]))
    of_forget, of_all, before = fisher(forget), fisher(everything), state(original())
    model = SSD.run(given)
    selected = 0
    for name, after in model.named_parameters():
        chosen = of_forget[name] > 1.2 * of_all[name]
        factor = (0.5 * of_all[name] / of_forget[name]).clamp(max=1)
        assert torch.equal(after[~chosen], before[name][~chosen])
        assert torch.allclose(after[chosen], (before[name] * factor)[chosen], rtol=1e-4)
        selected += int(chosen.sum())
    assert 0 < selected < sum(parameter.numel() for parameter in model.parameters())


@hypothesis_settings(max_examples=50, deadline=None)
@drawn(WEIGHTS, IMPORTANCE, IMPORTANCE, st.floats(0.1, 20), st.floats(0.1, 5))
def test_dampening_never_enlarges_a_weight_or_touches_one_that_is_not_selected(
    weights: torch.Tensor, forget: torch.Tensor, everything: torch.Tensor, alpha: float, dampening: float
) -> None:
    before, of_forget, of_all = (torch.from_numpy(part) for part in (weights, forget, everything))
    after = dampened(before, of_forget, of_all, alpha=alpha, dampening=dampening)
    assert bool((after.abs() <= before.abs()).all())
    assert bool((after * before >= 0).all())
    kept = of_forget <= alpha * of_all
    assert torch.equal(after[kept], before[kept])


def test_dampening_worked_out_by_hand() -> None:
    after = dampened(
        torch.tensor([8.0, -8.0, 8.0, 8.0]),
        torch.tensor([4.0, 4.0, 2.0, 0.0]),
        torch.tensor([1.0, 1.0, 1.0, 0.0]),
        alpha=3.0,
        dampening=2.0,
    )
    assert after.tolist() == [4.0, -4.0, 8.0, 8.0]


def test_an_infinite_alpha_is_the_identity() -> None:
    assert same(run(SSD, alpha=math.inf), state(original()))


def test_alpha_above_the_ratio_of_the_sets_selects_nothing() -> None:
    # I_D holds the forget set's share of I_S: I_S / I_D is at most 76 / 12.
    assert same(run(SSD, alpha=76 / 12 + 0.01), state(original()))


def test_nothing_is_drawn_and_statistics_are_kept() -> None:
    after = run(SSD, alpha=0.5, key="a")
    assert same(after, run(SSD, alpha=0.5, key="b"))
    for name, values in original().named_buffers():
        assert torch.equal(after[name], values)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_one_pass_over_all_data_is_counted_whatever_the_batch(size: int) -> None:
    given = make_input(SSD, fisher_batch=size)
    SSD.run(given)
    assert given.meter.spent == 76 * 3


def test_the_batch_changes_what_is_selected() -> None:
    assert not same(run(SSD, alpha=1.2, fisher_batch=1), run(SSD, alpha=1.2, fisher_batch=12))
