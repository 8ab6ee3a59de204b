import math

import pytest
import torch
from torch.nn import functional as F
from tuning_factory import CLASSES, RECIPE, linear_net, make_input, make_set, original, run, same, small_net, state

from bench.training import Labeled
from bench.unlearners.finetune import FINETUNE
from bench.unlearners.gd import GD
from bench.unlearners.ngd import NGD


def test_one_step_of_gd_is_the_gradient_worked_out_by_hand() -> None:
    # One image of ones, twice, class 0: softmax of zero logits is 1/3, so dL/dz = (1/3 - 1, 1/3, 1/3) and dL/dW = that
    # times 1 in each of 16 columns.
    pair = Labeled(torch.ones(2, 1, 4, 4), torch.zeros(2, dtype=torch.int64))
    after = run(GD, net=linear_net, retain=pair, epochs=1, learning_rate=0.3, weight_decay=0.0)
    expected = torch.tensor([0.2, -0.1, -0.1])
    assert torch.allclose(after["1.weight"], expected[:, None].expand(CLASSES, 16))
    assert torch.allclose(after["1.bias"], expected)


def test_gd_is_sgd_with_momentum_and_weight_decay() -> None:
    retain = make_set("retain", 16)
    after = run(GD, retain=retain, net=linear_net, epochs=3, learning_rate=0.1, momentum=0.5, weight_decay=0.01)
    weight, bias = torch.zeros(CLASSES, 16), torch.zeros(CLASSES)
    speed = [torch.zeros_like(weight), torch.zeros_like(bias)]
    for _ in range(3):
        error = torch.softmax(retain.images.flatten(1) @ weight.T + bias, 1) - F.one_hot(retain.labels, CLASSES)
        gradients = error.T @ retain.images.flatten(1) / 16 + 0.01 * weight, error.mean(0) + 0.01 * bias
        speed = [0.5 * old + new for old, new in zip(speed, gradients, strict=True)]
        weight, bias = weight - 0.1 * speed[0], bias - 0.1 * speed[1]
    assert torch.allclose(after["1.weight"], weight, atol=1e-6)  # Sums in another order.
    assert torch.allclose(after["1.bias"], bias, atol=1e-6)


def test_gd_and_fine_tuning_never_see_the_forget_set() -> None:
    for unlearner in (GD, FINETUNE):
        assert same(run(unlearner), run(unlearner, forget=make_set("other", 12)))
        assert not same(run(unlearner), run(unlearner, retain=make_set("other", 64)))


def test_gd_normalizes_by_batches_and_goes_on_recording_them() -> None:
    after = run(GD, learning_rate=0.0)
    before = state(original())
    assert all(torch.equal(after[name], before[name]) for name, _ in original().named_parameters())
    assert not torch.equal(after["1.running_mean"], before["1.running_mean"])


def test_gd_counts_three_units_an_image_and_plans_by_them() -> None:
    given = make_input(GD, share=0.1 * 50 / 4)
    GD.run(given)
    # The budget is 0.1 * 50 epochs of 76 images; 64 of them are retained: 380 / 64 = 5.9, so 5 passes.
    assert given.meter.spent == 5 * 64 * 3


def test_fine_tuning_is_gd_on_another_schedule() -> None:
    shared = {"learning_rate": 0.02, "epochs": 3}
    assert same(run(FINETUNE, schedule="constant", **shared), run(GD, **shared))
    assert same(run(FINETUNE, **shared), run(GD, schedule="cosine", **shared))
    assert not same(run(FINETUNE, **shared), run(GD, **shared))


def test_the_cosine_schedule_lowers_the_rate_after_each_pass() -> None:
    # Without momentum a step that no gradient drives is -rate * decay * weight; zero images give the weight none.
    nothing = Labeled(torch.zeros(16, 1, 4, 4), torch.zeros(16, dtype=torch.int64))
    given = make_input(
        FINETUNE, net=linear_net, retain=nothing, epochs=2, learning_rate=0.1, momentum=0.0, weight_decay=1.0
    )
    given.model.get_parameter("1.weight").data.fill_(1.0)
    after = FINETUNE.run(given).get_parameter("1.weight").detach()
    assert float(after[0, 0]) == pytest.approx((1 - 0.1) * (1 - 0.1 * (1 + math.cos(math.pi / 2)) / 2))


def test_ngd_without_noise_is_gd_bit_for_bit() -> None:
    assert same(run(NGD, noise_variance=0.0), run(GD))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_noise_of_ngd_has_the_stated_spread_and_stays_out_of_the_velocity(momentum: float) -> None:
    # Zero images give the weight no gradient, so all that moves it is noise: one draw a step, 200 steps of 48 weights.
    nothing = Labeled(torch.zeros(16, 1, 4, 4), torch.zeros(16, dtype=torch.int64))
    after = run(
        NGD,
        net=linear_net,
        retain=nothing,
        epochs=200,
        learning_rate=0.1,
        momentum=momentum,
        weight_decay=0.0,
        noise_variance=0.04,
    )["1.weight"]
    expected = 0.1 * 0.2 * math.sqrt(200)
    # 48 draws: the standard error of a standard deviation is 1 / sqrt(96), about 10 %; with noise in the velocity of
    # momentum 0.9 it would be nearly 10 times as large.
    assert float(after.std()) == pytest.approx(expected, rel=0.4)
    assert abs(float(after.mean())) < 4 * expected / math.sqrt(48)


def test_ngd_adds_fresh_noise_to_every_parameter_at_every_step() -> None:
    one = Labeled(*(part[:16] for part in (make_set("retain", 64).images, make_set("retain", 64).labels)))
    settings = {"retain": one, "learning_rate": 0.1, "noise_variance": 1.0, "momentum": 0.0, "weight_decay": 0.0}
    noisy, plain = (run(unlearner, epochs=1, **rest) for unlearner, rest in _pairs(settings))
    parameters = [name for name, _ in small_net("original").named_parameters()]
    shift = torch.cat([(noisy[name] - plain[name]).flatten() for name in parameters])
    assert float(shift.std()) == pytest.approx(0.1, rel=0.15)
    assert len(shift.unique()) == len(shift)


def _pairs(settings: dict[str, object]):  # type: ignore[no-untyped-def]
    quiet = {name: value for name, value in settings.items() if name != "noise_variance"}
    return (NGD, settings), (GD, quiet)


def test_ngd_costs_what_gd_costs() -> None:
    noisy, plain = make_input(NGD, share=1.0), make_input(GD, share=1.0)
    NGD.run(noisy)
    GD.run(plain)
    assert noisy.meter.spent == plain.meter.spent == RECIPE.epochs * 76 // 64 * 64 * 3
