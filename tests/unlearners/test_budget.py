"""Every method keeps to its budget, leaves the model alone where it can pay for nothing, and repeats itself exactly."""

import pytest
from tiny_inputs import RECIPE, given_for, same, state
from torch import nn

from bench.errors import TrainingDiverged
from bench.unlearners.bad_teacher import BAD_TEACHER
from bench.unlearners.data_modification import DATA_MODIFICATION
from bench.unlearners.descent import finished, planned_epochs
from bench.unlearners.dual_ascent import DUAL_ASCENT
from bench.unlearners.l1_sparse import L1_SPARSE
from bench.unlearners.random_relabel import RANDOM_RELABEL
from bench.unlearners.rum import RUM
from bench.unlearners.salun import SALUN

RUM_OF_TWO = {"steps": "none; random-relabel; salun"}

METHODS = [
    pytest.param(method, changed, id=method.name)
    for method, changed in (
        (L1_SPARSE, {}),
        (RANDOM_RELABEL, {}),
        (SALUN, {}),
        (BAD_TEACHER, {"learning_rate": 0.01}),
        (DUAL_ASCENT, {}),
        (DATA_MODIFICATION, {}),
        (RUM, RUM_OF_TWO),
    )
]
TRAINING = 3 * RECIPE.epochs * 80


@pytest.mark.parametrize(("method", "changed"), METHODS)
@pytest.mark.parametrize("share", [0.1, 0.25, 0.37])
def test_no_more_is_spent_than_the_budget(method, changed, share):
    given = given_for(method, limit=share * TRAINING, **changed)
    method.run(given)
    assert 0 <= given.meter.spent <= given.meter.limit


@pytest.mark.parametrize(("method", "changed"), METHODS)
def test_a_budget_for_nothing_leaves_the_model_as_it_was(method, changed):
    given = given_for(method, limit=2, **changed)
    before = state(given.model)
    model = method.run(given)
    assert same(state(model), before)
    assert given.meter.spent == 0


@pytest.mark.parametrize(("method", "changed"), METHODS)
def test_a_run_changes_the_model_and_repeats_bit_for_bit(method, changed):
    first, second = (given_for(method, limit=0.5 * TRAINING, **changed) for _ in range(2))
    before = state(first.model)
    model, again = method.run(first), method.run(second)
    assert not same(state(model), before)
    assert same(state(model), state(again))
    assert first.meter.spent == second.meter.spent > 0
    assert not model.training


@pytest.mark.parametrize(
    ("method", "changed", "units"),
    [
        (L1_SPARSE, {}, 3 * 64),
        (RANDOM_RELABEL, {}, 3 * 80),
        (RANDOM_RELABEL, {"order": "mixed"}, 3 * 80),
        (SALUN, {}, 3 * 16 + 3 * 80),
        (BAD_TEACHER, {"retain_share": 0.25}, 5 * (16 + 16)),
        (DUAL_ASCENT, {}, 3 * 80),
        (DATA_MODIFICATION, {}, 3 * 80),
    ],
)
def test_one_epoch_costs(method, changed, units):
    """Worked out by hand: forward 1, backward 2, each teacher 1; SalUn's mask one more pass over the forget set."""
    given = given_for(method, epochs=1, **changed)
    method.run(given)
    assert given.meter.spent == units


def test_epochs_are_those_asked_for_or_what_the_budget_pays_for():
    assert planned_epochs(given_for(L1_SPARSE, limit=3 * 64 * 5), 64) == 5
    assert planned_epochs(given_for(L1_SPARSE, limit=3 * 64 * 5, epochs=2), 64) == 2
    assert planned_epochs(given_for(L1_SPARSE, limit=3 * 64 * 5, epochs=9), 64) == 5
    assert planned_epochs(given_for(L1_SPARSE, limit=3 * 64 * 5), 64, forward=3) == 3


def test_a_network_that_is_not_finite_is_not_finished():
    model = given_for(L1_SPARSE).model
    nn.init.constant_(model[5].bias, float("nan"))
    with pytest.raises(TrainingDiverged, match=r"5\.bias"):
        finished(model)
