"""Two phases an epoch: ascent, or uniform labels, on the forget set at alpha beta; descent on the rest at alpha."""

import math
from dataclasses import replace

import pytest
import torch
from tiny_inputs import RECIPE, given_for, mean_cross_entropy, same, state, weights
from torch import nn

from bench.training import Labeled
from bench.unlearners.data_modification import DATA_MODIFICATION, uniform_loss, unlearn_data_modification
from bench.unlearners.dual_ascent import DUAL_ASCENT, phase_rate, unlearn_dual_ascent


def test_the_rate_falls_once():
    given = given_for(DUAL_ASCENT)
    rates = [phase_rate(given, epoch, 45) for epoch in range(45)]
    assert rates == pytest.approx(20 * [0.01] + 25 * [0.001])


def by_hand(method, forget_loss, beta):
    """One epoch of one batch a set, with gradients taken one after the other."""
    given = given_for(method)
    model, rate = given.model.train(), 0.01
    for data, loss_of, step in ((given.forget, forget_loss, beta * rate), (given.retain, cross_entropy, rate)):
        gradients = torch.autograd.grad(loss_of(model, data), list(model.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                parameter.sub_(step * gradient)
    return weights(model)


def cross_entropy(model, data):
    return nn.functional.cross_entropy(model(data.images), data.labels)


def soft_cross_entropy(model, data):
    return nn.functional.cross_entropy(model(data.images), torch.full((len(data.labels), 10), 0.1))


@pytest.mark.parametrize(
    ("method", "run", "forget_loss", "beta"),
    [
        (DUAL_ASCENT, unlearn_dual_ascent, lambda model, data: -cross_entropy(model, data), 0.3),
        (DATA_MODIFICATION, unlearn_data_modification, soft_cross_entropy, 0.005),
    ],
)
def test_one_epoch_is_both_steps_in_turn(method, run, forget_loss, beta):
    given = given_for(method, epochs=1, decay_after=1.0)
    given = replace(given, recipe=RECIPE.model_copy(update={"batch_size": 100}))
    for found, expected in zip(weights(run(given)), by_hand(method, forget_loss, beta), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_uniform_answers_have_the_least_loss():
    uniform = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    for parameter in uniform.parameters():
        nn.init.zeros_(parameter)
    given = given_for(DATA_MODIFICATION)
    assert uniform_loss(uniform, given.forget).item() == pytest.approx(math.log(10))
    assert uniform_loss(given.model, given.forget).item() > math.log(10)


def test_ascent_raises_the_loss_of_the_forget_set_and_descent_repairs_the_rest():
    given = given_for(DUAL_ASCENT)
    before = mean_cross_entropy(given.model, given.retain)
    climbed, control = (
        unlearn_dual_ascent(given_for(DUAL_ASCENT, epochs=10, learning_rate=0.03, beta=beta)) for beta in (3.0, 0.0)
    )
    assert mean_cross_entropy(climbed, given.forget) > 1.5 * mean_cross_entropy(control, given.forget)
    assert mean_cross_entropy(climbed, given.retain) < before


def test_without_a_first_phase_both_are_the_same():
    """The passes over the forget set still move the statistics of batch normalization, alike in both."""
    first = unlearn_dual_ascent(given_for(DUAL_ASCENT, epochs=2, beta=0.0))
    second = unlearn_data_modification(given_for(DATA_MODIFICATION, epochs=2, beta=0.0))
    assert same(state(first), state(second))


def test_momentum_does_not_carry_the_ascent_into_the_descent():
    """A retain set on which the loss has no gradient: only the first phase may move the weights."""
    given = given_for(DUAL_ASCENT, epochs=1, momentum=0.9)
    blank = Labeled(torch.zeros(32, 1, 8, 8), torch.arange(32) % 10)
    given = replace(given, retain=blank, recipe=RECIPE.model_copy(update={"batch_size": 16}))
    seen = []
    convolution = given.model[0].weight
    # A blank image gives no gradient to the convolution; velocity of the ascent would move it all the same.
    convolution.register_hook(lambda gradient: seen.append((convolution.detach().clone(), float(gradient.abs().max()))))
    model = unlearn_dual_ascent(given)
    assert [largest > 0 for _, largest in seen] == [True, False, False]
    assert torch.equal(seen[1][0], model[0].weight)
