import torch
from tuning_factory import FORGET, RETAIN, make_input, make_set, original, run, same, small_net, state

from bench.protocol import Augmentation, Recipe
from bench.training import Labeled
from bench.unlearners.references import ORIGINAL, RETRAIN, RETRAIN_SECOND

FLIPPING = Recipe(
    epochs=2,
    batch_size=16,
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=0.0,
    schedule="constant",
    augmentation=Augmentation(flip=True, crop_padding=1),
)


def test_the_original_is_returned_as_it_is_and_costs_nothing() -> None:
    given = make_input(ORIGINAL)
    before = state(given.model)
    assert ORIGINAL.run(given) is given.model
    assert same(state(given.model), before)
    assert given.meter.spent == 0


def test_retraining_starts_from_new_weights_in_every_layer() -> None:
    # A published baseline drew only the last layer anew and trained on from the original.
    still = RETRAIN.run(make_input(RETRAIN, recipe=FLIPPING.model_copy(update={"learning_rate": 1e-30})))
    fresh, old = small_net("a/retrain"), original()
    weights = [name for name, values in fresh.named_parameters() if values.dim() > 1]
    for name in weights:
        assert torch.equal(still.get_parameter(name), fresh.get_parameter(name))
        assert not torch.equal(still.get_parameter(name), old.get_parameter(name))


def test_retraining_never_sees_the_forget_set() -> None:
    other = make_set("other", FORGET)
    strange = Labeled(1 - other.images, (other.labels + 1) % 3)
    assert same(run(RETRAIN), run(RETRAIN, forget=strange))
    assert not same(run(RETRAIN), run(RETRAIN, retain=make_set("other", RETAIN)))


def test_retraining_ignores_the_weights_of_the_original() -> None:
    given = make_input(RETRAIN)
    for parameter in given.model.parameters():
        parameter.data.fill_(7.0)
    assert same(state(RETRAIN.run(given)), run(RETRAIN))


def test_a_second_retraining_draws_weights_order_and_augmentation_anew() -> None:
    asked: dict[str, set[str]] = {}
    for unlearner in (RETRAIN, RETRAIN_SECOND):
        purposes = asked.setdefault(unlearner.name, set())
        given = make_input(unlearner, recipe=FLIPPING)
        make_model, generator = given.make_model, given.generator
        object.__setattr__(
            given, "make_model", lambda purpose, p=purposes, f=make_model: (p.add(purpose), f(purpose))[1]
        )
        object.__setattr__(given, "generator", lambda purpose, p=purposes, f=generator: (p.add(purpose), f(purpose))[1])
        unlearner.run(given)
    assert len(asked[RETRAIN.name]) == len(asked[RETRAIN_SECOND.name]) == 3
    assert not asked[RETRAIN.name] & asked[RETRAIN_SECOND.name]
    assert not same(run(RETRAIN), run(RETRAIN_SECOND))


def test_retraining_counts_every_image_it_trains_on() -> None:
    given = make_input(RETRAIN, share=0.1, retain=make_set("retain", 70))
    RETRAIN.run(given)
    # 4 full batches of 16; the 6 images left over wait for the next epoch's order.
    assert given.meter.spent == 4 * 64 * 3
    assert given.meter.spent > given.meter.limit
