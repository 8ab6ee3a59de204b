"""What holds for each unlearner of the poisoning benchmark, whatever it does."""

import pytest
import torch
from hypothesis import given as drawn
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tuning_factory import make_input, make_set, run, same, state

from bench.errors import TrainingDiverged, UsageProblem
from bench.protocol import Augmentation, Recipe
from bench.unlearners.cfk import CFK
from bench.unlearners.euk import EUK
from bench.unlearners.finetune import FINETUNE
from bench.unlearners.ga import GA
from bench.unlearners.gd import GD
from bench.unlearners.neggrad_plus import NEGGRAD_PLUS
from bench.unlearners.ngd import NGD
from bench.unlearners.references import RETRAIN
from bench.unlearners.scrub import SCRUB
from bench.unlearners.ssd import SSD
from bench.unlearners.unlearner import Unlearner

STEPPING = (GD, FINETUNE, NGD, GA, EUK, CFK, SCRUB, NEGGRAD_PLUS)
ALL = (*STEPPING, SSD)
NEVER_STOP: dict[str, float] = {"stop_forget_accuracy": -1.0, "stop_retain_drop": 2.0}


def name_of(unlearner: Unlearner) -> str:
    return unlearner.name


def lively(unlearner: Unlearner) -> dict[str, float]:
    """Settings with which an unlearner visibly moves the small network."""
    if unlearner is GA:
        return {"learning_rate": 0.01, **NEVER_STOP}
    return {"alpha": 0.5} if unlearner is SSD else {"learning_rate": 0.01}


@pytest.mark.parametrize("unlearner", [*ALL, RETRAIN], ids=name_of)
def test_the_same_draws_give_the_same_bytes(unlearner: Unlearner) -> None:
    first, second = (run(unlearner, **(lively(unlearner) if unlearner is not RETRAIN else {})) for _ in range(2))
    assert same(first, second)


@pytest.mark.parametrize("unlearner", STEPPING, ids=name_of)
def test_other_draws_give_other_weights(unlearner: Unlearner) -> None:
    assert not same(run(unlearner, key="a", **lively(unlearner)), run(unlearner, key="b", **lively(unlearner)))


@pytest.mark.parametrize("unlearner", ALL, ids=name_of)
def test_global_random_state_is_neither_used_nor_moved(unlearner: Unlearner) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = run(unlearner, **lively(unlearner))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert same(first, run(unlearner, **lively(unlearner)))


@pytest.mark.parametrize("unlearner", ALL, ids=name_of)
def test_an_unlearner_changes_the_network(unlearner: Unlearner) -> None:
    given = make_input(unlearner, **lively(unlearner))
    before = state(given.model)
    assert not same(state(unlearner.run(given)), before)


@pytest.mark.parametrize("unlearner", ALL, ids=name_of)
def test_a_network_comes_back_ready_to_be_measured_and_to_be_unlearned_again(unlearner: Unlearner) -> None:
    given = make_input(unlearner, **lively(unlearner))
    model = unlearner.run(given)
    assert not any(module.training for module in model.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert all(module.track_running_stats for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d))


@pytest.mark.parametrize("unlearner", ALL, ids=name_of)
def test_the_data_stay_as_they_are(unlearner: Unlearner) -> None:
    given = make_input(unlearner, **lively(unlearner))
    unlearner.run(given)
    assert torch.equal(given.forget.images, make_set("forget", 12).images)
    assert torch.equal(given.retain.images, make_set("retain", 64).images)


@pytest.mark.parametrize("unlearner", STEPPING, ids=name_of)
@hypothesis_settings(max_examples=8, deadline=None)
@drawn(
    share=st.floats(0.0, 0.8),
    retain=st.integers(17, 40),
    forget=st.integers(2, 20),
    layers=st.integers(1, 3),
    msteps=st.integers(0, 3),
)
def test_a_budget_is_used_but_never_exceeded(
    unlearner: Unlearner, share: float, retain: int, forget: int, layers: int, msteps: int
) -> None:
    known = {"layers": layers, "msteps": msteps, **NEVER_STOP}
    given = make_input(
        unlearner,
        share=share,
        retain=make_set("retain", retain),
        forget=make_set("forget", forget),
        **{name: value for name, value in known.items() if name in unlearner.defaults},
    )
    unlearner.run(given)
    assert given.meter.spent <= given.meter.limit + 1e-6
    # No more is left than an epoch of the dearest method, and what the last pass did not need of its plan.
    assert given.meter.limit - given.meter.spent <= 8 * (retain + 3 * 16 + 2 * forget) + 3 * given.recipe.epochs * 16


@pytest.mark.parametrize("unlearner", STEPPING, ids=name_of)
def test_epochs_that_are_asked_for_are_done_where_the_budget_pays_for_them(unlearner: Unlearner) -> None:
    one, two = (make_input(unlearner, share=1.0, epochs=count, **lively(unlearner)) for count in (1, 2))
    first, second = state(unlearner.run(one)), state(unlearner.run(two))
    assert one.meter.spent < two.meter.spent <= two.meter.limit
    assert not same(first, second)


@pytest.mark.parametrize("unlearner", STEPPING, ids=name_of)
def test_epochs_that_are_asked_for_never_exceed_the_budget(unlearner: Unlearner) -> None:
    given = make_input(unlearner, share=0.5, epochs=1000, **lively(unlearner))
    unlearner.run(given)
    assert 0 < given.meter.spent <= given.meter.limit


@pytest.mark.parametrize("unlearner", STEPPING, ids=name_of)
def test_images_are_augmented_as_in_training(unlearner: Unlearner) -> None:
    plain = Recipe(epochs=2, batch_size=16, learning_rate=0.1, momentum=0.9, weight_decay=0.0, schedule="constant")
    flipped = plain.model_copy(update={"augmentation": Augmentation(flip=True)})
    assert not same(
        run(unlearner, recipe=plain, **lively(unlearner)), run(unlearner, recipe=flipped, **lively(unlearner))
    )


def test_a_network_that_is_no_longer_finite_is_reported() -> None:
    with pytest.raises(TrainingDiverged, match="not finite after unlearning"):
        run(NEGGRAD_PLUS, learning_rate=1e30)


def test_an_unknown_schedule_is_refused() -> None:
    with pytest.raises(UsageProblem, match="schedule is 'warm'; expected one of constant, cosine"):
        run(GD, schedule="warm")
