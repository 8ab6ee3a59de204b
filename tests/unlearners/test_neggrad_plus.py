import pytest
import torch
from tuning_factory import CLASSES, linear_net, make_input, make_set, original, run, same, state

from bench.errors import UsageProblem
from bench.training import Labeled
from bench.unlearners.ga import GA
from bench.unlearners.gd import GD
from bench.unlearners.neggrad_plus import NEGGRAD_PLUS
from bench.unlearners.steps import mean_loss

SHARED = {"learning_rate": 0.01, "momentum": 0.9, "weight_decay": 1e-3}


def test_beta_one_is_gd_bit_for_bit() -> None:
    assert same(run(NEGGRAD_PLUS, beta=1.0, epochs=3, **SHARED), run(GD, epochs=3, **SHARED))


def test_beta_zero_goes_the_way_of_ga() -> None:
    # One batch on each side, so one step each; statistics are recorded on retained data by one and never by the other.
    mixed = run(NEGGRAD_PLUS, beta=0.0, epochs=1, retain=make_set("retain", 16), **SHARED)
    alone = run(GA, epochs=1, stop_forget_accuracy=-1.0, stop_retain_drop=2.0, **SHARED)
    for name, _ in original().named_parameters():
        # Order within the batch may differ by the draws, and sums with it.
        assert torch.allclose(mixed[name], alone[name], atol=1e-6), name
        assert not torch.allclose(mixed[name], state(original())[name], atol=1e-6), name


def test_one_step_is_the_difference_worked_out_by_hand() -> None:
    ones = torch.ones(2, 1, 4, 4)
    given = {"retain": Labeled(ones, torch.zeros(2, dtype=torch.int64)), "forget": Labeled(ones, torch.tensor([1, 1]))}
    after = run(NEGGRAD_PLUS, net=linear_net, beta=0.75, epochs=1, learning_rate=0.12, **given)
    # Gradients of the logits are (-2/3, 1/3, 1/3) and (1/3, -2/3, 1/3); 0.75 of the first less 0.25 of the second
    # is (-7/12, 5/12, 2/12).
    expected = torch.tensor([0.07, -0.05, -0.02])
    assert torch.allclose(after["1.weight"], expected[:, None].expand(CLASSES, 16))


def test_a_smaller_beta_forgets_more() -> None:
    losses = []
    for beta in (1.0, 0.8, 0.6):
        model = NEGGRAD_PLUS.run(make_input(NEGGRAD_PLUS, beta=beta, epochs=3))
        with torch.no_grad():
            losses.append(float(mean_loss(model, make_set("forget", 12))))
    assert losses == sorted(losses)
    assert losses[-1] > losses[0] + 0.1


@pytest.mark.parametrize(("forget", "seen"), [(12, 4 * 12), (20, 16 + 4 + 16 + 4), (64, 4 * 16)])
def test_an_epoch_is_a_pass_over_retained_data_and_the_forget_set_is_gone_through_again(forget: int, seen: int) -> None:
    given = make_input(NEGGRAD_PLUS, forget=make_set("forget", forget), epochs=1)
    NEGGRAD_PLUS.run(given)
    assert given.meter.spent == 3 * (64 + seen)


def test_the_whole_forget_set_takes_part() -> None:
    forget = make_set("forget", 40)
    changed = Labeled(forget.images.clone(), forget.labels)
    changed.images[-1] = 1 - changed.images[-1]
    # 40 images in batches of 16: one pass over the retained data, 4 steps, goes through all of them.
    assert not same(run(NEGGRAD_PLUS, forget=forget, epochs=1), run(NEGGRAD_PLUS, forget=changed, epochs=1))


def test_only_retained_data_enter_the_running_statistics() -> None:
    still = {"learning_rate": 0.0, "epochs": 2}
    assert same(run(NEGGRAD_PLUS, **still), run(GD, **still))
    assert same(run(NEGGRAD_PLUS, **still), run(NEGGRAD_PLUS, forget=make_set("other", 12), **still))


def test_one_image_is_too_few_to_ascend_on() -> None:
    with pytest.raises(UsageProblem, match="1 images in batches of 1: a batch needs at least two"):
        run(NEGGRAD_PLUS, forget=make_set("forget", 1), epochs=1)
