import pytest
import torch
from tuning_factory import CLASSES, linear_net, make_input, make_set, original, run, same, state

from bench.training import Labeled, accuracy
from bench.unlearners.ga import GA
from bench.unlearners.gd import GD
from bench.unlearners.steps import mean_loss

NEVER = {"stop_forget_accuracy": -1.0, "stop_retain_drop": 2.0}


def test_one_step_of_ga_is_the_gradient_worked_out_by_hand_and_goes_up() -> None:
    # As for GD: zero logits, class 0, an image of ones; the sign is the other one.
    pair = Labeled(torch.ones(2, 1, 4, 4), torch.zeros(2, dtype=torch.int64))
    after = run(GA, net=linear_net, forget=pair, epochs=1, learning_rate=0.3, **NEVER)
    expected = torch.tensor([-0.2, 0.1, 0.1])
    assert torch.allclose(after["1.weight"], expected[:, None].expand(CLASSES, 16))


def test_ga_raises_the_loss_of_the_forget_set() -> None:
    model = GA.run(make_input(GA, epochs=3, learning_rate=0.01, **NEVER))
    forget = make_set("forget", 12)
    with torch.no_grad():
        assert float(mean_loss(model, forget)) > float(mean_loss(original(), forget))


def test_ga_at_rate_zero_is_the_identity_statistics_included() -> None:
    assert same(run(GA, learning_rate=0.0, weight_decay=0.1, **NEVER), state(original()))


def test_ga_never_learns_from_retained_data() -> None:
    with_other = run(GA, retain=make_set("other", 64), epochs=2, learning_rate=0.01, **NEVER)
    assert same(with_other, run(GA, epochs=2, learning_rate=0.01, **NEVER))


def test_ga_stops_at_once_where_the_forget_set_is_already_unknown() -> None:
    given = make_input(GA, stop_forget_accuracy=1.0, learning_rate=0.1)
    assert same(state(GA.run(given)), state(original()))
    assert given.meter.spent == 12 + 64  # It had to look.


def test_ga_stops_when_forget_accuracy_has_fallen() -> None:
    trained = _trained()
    unstopped = _from(trained, epochs=100, learning_rate=0.1, **NEVER)
    start = accuracy(trained, make_set("forget", 12))
    target = start - 0.2
    stopped = _from(trained, epochs=100, learning_rate=0.1, stop_forget_accuracy=target, stop_retain_drop=2.0)
    assert accuracy(stopped[0], make_set("forget", 12)) <= target < start
    assert 0 < stopped[1] < unstopped[1]


def test_ga_stops_when_retained_accuracy_suffers() -> None:
    trained = _trained()
    stopped = _from(trained, epochs=60, learning_rate=0.1, stop_forget_accuracy=-1.0, stop_retain_drop=0.05)
    unstopped = _from(trained, epochs=60, learning_rate=0.1, **NEVER)
    assert accuracy(unstopped[0], make_set("retain", 64)) < accuracy(trained, make_set("retain", 64)) - 0.3
    assert stopped[1] < unstopped[1] / 2


def test_looking_at_retained_data_is_limited_and_counted() -> None:
    given = make_input(GA, retain=make_set("retain", 1200), epochs=2, **NEVER)
    GA.run(given)
    # Two passes over 12 images, and three looks at them and at 1,000 of the 1,200.
    assert given.meter.spent == 2 * 12 * 3 + 3 * (12 + 1000)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1, 0.5])
def test_ga_takes_no_step_that_the_budget_does_not_pay_for(share: float) -> None:
    given = make_input(GA, share=share, **NEVER)
    GA.run(given)
    look, step = 12 + 64, 12 * 3
    left = given.meter.limit - given.meter.spent
    assert 0 <= left < (look + step if given.meter.spent else 2 * look + step)


def _trained() -> torch.nn.Module:
    return GD.run(make_input(GD, epochs=40, learning_rate=0.05, retain=_everything()))


def _everything() -> Labeled:
    retain, forget = make_set("retain", 64), make_set("forget", 12)
    return Labeled(torch.cat([retain.images, forget.images]), torch.cat([retain.labels, forget.labels]))


def _from(model: torch.nn.Module, **settings: float) -> tuple[torch.nn.Module, float]:
    given = make_input(GA, **settings)
    given.model.load_state_dict(model.state_dict())
    return GA.run(given), given.meter.spent
