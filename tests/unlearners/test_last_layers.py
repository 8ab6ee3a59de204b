"""EUk and CFk, and the layers that they count."""

import pytest
import torch
from torch import nn
from tuning_factory import make_input, make_set, original, run, same, small_net, state

from bench.models.build import build_model
from bench.runtime import generator_for
from bench.unlearners.cfk import CFK
from bench.unlearners.descent import descend_on_retained, finished
from bench.unlearners.euk import EUK
from bench.unlearners.gd import GD
from bench.unlearners.layers import copy_layers, last_layers, statistics_kept, train_only, weighted_layers
from bench.unlearners.unlearner import Unlearner

BOTH = pytest.mark.parametrize("unlearner", [EUK, CFK], ids=["EUk", "CFk"])
LAST_TWO = ("3.", "4.", "7.")
"""Prefixes of what the last two of the small network's three layers hold."""


def test_a_batch_normalization_belongs_to_the_layer_before_it() -> None:
    assert weighted_layers(small_net("a")) == [["0", "1"], ["3", "4"], ["7"]]


def test_the_last_six_layers_of_resnet18_are_its_last_stage_and_its_classifier() -> None:
    model = build_model("resnet-narrow", in_channels=1, classes=10, generator=generator_for("a", "b"))
    names = last_layers(model, 6)
    owned = {name for name, _ in model.named_parameters() if name.rpartition(".")[0] in names}
    assert owned == {name for name, _ in model.named_parameters() if name.startswith(("layer4.", "linear."))}
    assert len(weighted_layers(model)) == 21


def test_layers_of_a_transformer_hold_every_parameter_once() -> None:
    model = build_model("vit", in_channels=3, classes=10, generator=generator_for("a", "b"))
    names = [name for layer in weighted_layers(model) for name in layer]
    modules = dict(model.named_modules())
    assert len(set(names)) == len(names)
    held = sum(parameter.numel() for name in names for parameter in modules[name].parameters(recurse=False))
    assert held == sum(parameter.numel() for parameter in model.parameters())


@BOTH
def test_frozen_layers_keep_weights_and_statistics_bit_for_bit(unlearner: Unlearner) -> None:
    before = state(original())
    after = run(unlearner, layers=2, learning_rate=0.05)
    for name, values in after.items():
        assert torch.equal(values, before[name]) != name.startswith(LAST_TWO), name


def test_cfk_with_all_layers_is_gd() -> None:
    shared = {"learning_rate": 0.01, "weight_decay": 1e-3}
    assert same(run(CFK, layers=99, **shared), run(GD, **shared))
    assert not same(run(CFK, layers=2, **shared), run(GD, **shared))


def test_euk_with_all_layers_is_training_from_new_weights() -> None:
    given = make_input(GD, learning_rate=0.01)
    given.model.load_state_dict(small_net("a/euk").state_dict())
    given.model.train()
    descend_on_retained(given, given.model)
    assert same(run(EUK, layers=99, learning_rate=0.01), state(finished(given.model)))


def test_euk_with_all_layers_ignores_the_original() -> None:
    given = make_input(EUK, layers=99)
    for values in given.model.state_dict().values():
        values.fill_(3)
    assert same(state(EUK.run(given)), run(EUK, layers=99))


def test_euk_draws_its_layers_anew_before_the_first_step() -> None:
    start, old, fresh = run(EUK, layers=2, share=0.0), state(original()), state(small_net("a/euk"))
    for name, values in start.items():
        if name.startswith(LAST_TWO):
            assert torch.equal(values, fresh[name])
        else:
            assert torch.equal(values, old[name])
    for name in ("3.weight", "7.weight", "4.running_mean"):
        assert not torch.equal(start[name], old[name])


def test_cfk_starts_from_the_original() -> None:
    assert same(run(CFK, layers=2, share=0.0), state(original()))


@BOTH
def test_the_forget_set_is_never_seen(unlearner: Unlearner) -> None:
    assert same(run(unlearner, layers=1), run(unlearner, layers=1, forget=make_set("other", 12)))


@BOTH
def test_backward_passes_are_counted_for_the_share_of_weights_that_train(unlearner: Unlearner) -> None:
    given = make_input(unlearner, layers=1, epochs=2)
    unlearner.run(given)
    total = 36 + 8 + 144 + 8 + 64 * 3 + 3
    assert given.meter.spent == pytest.approx(2 * 64 * (1 + 2 * (64 * 3 + 3) / total))


@BOTH
def test_fewer_trained_layers_buy_more_epochs(unlearner: Unlearner) -> None:
    few, all_of_them = (make_input(unlearner, layers=count, share=1.0) for count in (1, 99))
    unlearner.run(few)
    unlearner.run(all_of_them)
    # 76 * 4 * 3 = 912 units: 4 passes of 64 * 3, and 7 of 64 * (1 + 2 * 195 / 391).
    assert all_of_them.meter.spent == 4 * 64 * 3
    assert few.meter.spent == pytest.approx(7 * 64 * (1 + 2 * 195 / 391))


def test_freezing_reaches_a_module_but_not_what_is_inside_it() -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.offset = nn.Parameter(torch.zeros(3))
            self.inner = nn.BatchNorm1d(3)

    outer = Outer()
    assert train_only(outer, {"inner"}) == 6 / 9
    assert outer.inner.training
    assert not outer.training
    assert [parameter.requires_grad for parameter in outer.parameters()] == [False, True, True]


def test_copying_layers_leaves_the_others_alone() -> None:
    source, target = small_net("x"), small_net("y")
    source[1].running_var.fill_(5.0)
    before = state(target)
    copy_layers(source, target, {"1"})
    changed = {name for name, values in state(target).items() if not torch.equal(values, before[name])}
    assert changed == {"1.running_var"}


def test_statistics_are_kept_while_batches_are_still_normalized_by_their_own() -> None:
    model, images = small_net("x").train(), make_set("retain", 8).images
    before = state(model)
    with statistics_kept(model):
        kept = model(images)
    assert same(state(model), before)
    assert torch.equal(kept, model(images))
    assert not same(state(model), before)
