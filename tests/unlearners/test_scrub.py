from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tuning_factory import CLASSES, linear_net, make_input, make_set, original, run, same, state

from bench.runtime import generator_for
from bench.unlearners.descent import optimizer_for
from bench.unlearners.layers import statistics_kept
from bench.unlearners.scrub import SCRUB, follow_teacher, leave_teacher
from bench.unlearners.steps import distillation
from bench.unlearners.unlearner import Meter, UnlearnInput

RATE = 0.1
TEMPERATURE = 2.0
BY_HAND: dict[str, float] = {
    "learning_rate": RATE,
    "momentum": 0.0,
    "weight_decay": 0.0,
    "temperature": TEMPERATURE,
    "alpha": 0.3,
    "beta": 0.7,
    "gamma": 0.4,
    "forget_batch_size": 16,
}


@dataclass
class Diary(Meter):
    """A meter that remembers how many examples each step had."""

    steps: list[int] = field(default_factory=list)

    def count(self, examples: int, *, forward: float = 1.0, backward: float = 1.0) -> None:
        self.steps.append(examples)
        super().count(examples, forward=forward, backward=backward)


def pair() -> tuple[nn.Module, nn.Module]:
    """A linear student of zeros and a linear teacher whose weights it does not have."""
    teacher = linear_net()
    teacher.get_parameter("1.weight").data = torch.randn(CLASSES, 16, generator=generator_for("teacher", "weights"))
    return linear_net(), teacher.requires_grad_(False)


def one_step(given: UnlearnInput, student: nn.Module, teacher: nn.Module, *, leave: bool) -> Tensor:
    optimizer = optimizer_for(given, list(student.parameters()))
    (leave_teacher if leave else follow_teacher)(given, student, teacher, optimizer, generator_for("a", "draws"))
    return student.get_parameter("1.weight").detach()


def softened(logits: Tensor) -> Tensor:
    return torch.softmax(logits / TEMPERATURE, 1)


def test_a_max_step_ascends_on_the_divergence_alone() -> None:
    given = make_input(SCRUB, **BY_HAND)
    student, teacher = pair()
    images = given.forget.images
    # d T^2 KL(p || q) / d student logits = T (q - p), and q is uniform.
    slope = TEMPERATURE * (1 / CLASSES - softened(teacher(images))).T @ images.flatten(1) / len(images)
    assert torch.allclose(one_step(given, student, teacher, leave=True), RATE * 0.7 * slope, atol=1e-7)


def test_a_min_step_descends_on_divergence_and_cross_entropy() -> None:
    given = make_input(SCRUB, retain=make_set("retain", 16), **BY_HAND)
    student, teacher = pair()
    images, labels = given.retain.images, given.retain.labels
    near = TEMPERATURE * (1 / CLASSES - softened(teacher(images)))
    error = 1 / CLASSES - F.one_hot(labels, CLASSES)
    slope = (0.3 * near + 0.4 * error).T @ images.flatten(1) / len(images)
    assert torch.allclose(one_step(given, student, teacher, leave=False), -RATE * slope, atol=1e-7)


@pytest.mark.parametrize("leave", [True, False])
def test_a_step_moves_the_student_and_not_the_teacher(leave: bool) -> None:
    # A published optimizer held the teacher's parameters: nothing was unlearned.
    given = make_input(SCRUB, **BY_HAND)
    student, teacher = pair()
    before = state(teacher)
    moved = one_step(given, student, teacher, leave=leave)
    assert float(moved.abs().max()) > 0
    assert same(state(teacher), before)


def test_the_whole_run_moves_every_weight_of_the_student() -> None:
    after, before = run(SCRUB, epochs=1, weight_decay=0.0), state(original())
    for name, _ in original().named_parameters():
        assert not torch.equal(after[name], before[name]), name


def test_more_max_passes_never_bring_the_student_nearer_on_the_forget_set() -> None:
    given = make_input(SCRUB, learning_rate=0.05, beta=1.0, momentum=0.0, weight_decay=0.0)
    teacher, student = original().eval(), given.model.train()
    optimizer = optimizer_for(given, list(student.parameters()))
    found = []
    for _ in range(6):
        with torch.no_grad(), statistics_kept(student):
            found.append(float(distillation(student(given.forget.images), teacher(given.forget.images), 4.0)))
        leave_teacher(given, student, teacher, optimizer, generator_for("a", "draws"))
    assert found == sorted(found)
    assert found[-1] > 1.5 * found[0]


def test_a_student_that_equals_its_teacher_cannot_leave_it() -> None:
    given = make_input(SCRUB, net=linear_net, **BY_HAND)
    twin = original(linear_net)
    assert float(one_step(given, given.model, twin, leave=True).abs().max()) < 1e-7  # Rounding.


def test_max_passes_come_first_and_every_epoch_ends_on_retained_data() -> None:
    given = replace(make_input(SCRUB, epochs=3, msteps=2, forget_batch_size=6), meter=Diary(1e6))
    SCRUB.run(given)
    retained, forgotten = [16] * 4, [6] * 2
    assert isinstance(given.meter, Diary)
    assert given.meter.steps == [*forgotten, *retained, *forgotten, *retained, *retained]


def test_without_max_passes_the_forget_set_plays_no_part() -> None:
    other = make_set("other", 12)
    assert same(run(SCRUB, msteps=0), run(SCRUB, msteps=0, forget=other))
    assert not same(run(SCRUB, msteps=1), run(SCRUB, msteps=1, forget=other))


def test_max_passes_leave_running_statistics_alone() -> None:
    given = make_input(SCRUB)
    student, teacher = given.model.train(), original().eval()
    optimizer = optimizer_for(given, list(student.parameters()))
    leave_teacher(given, student, teacher, optimizer, generator_for("a", "draws"))
    before = dict(original().named_buffers())
    assert all(torch.equal(values, before[name]) for name, values in student.named_buffers())


def test_the_teachers_forward_pass_is_counted() -> None:
    given = make_input(SCRUB, epochs=3, msteps=1)
    SCRUB.run(given)
    assert given.meter.spent == 4 * (3 * 64 + 12)


@pytest.mark.parametrize(
    ("units", "msteps", "epochs", "passes"),
    [(4 * (76 + 64 + 64), 1, 3, 1), (4 * (76 + 64 + 63), 1, 2, 1), (4 * 76, 3, 1, 1), (4 * 76 * 2 + 10, 5, 2, 2)],
)
def test_the_budget_pays_for_both_kinds_of_passes(units: int, msteps: int, epochs: int, passes: int) -> None:
    given = replace(make_input(SCRUB, msteps=msteps), meter=Meter(float(units)))
    SCRUB.run(given)
    assert given.meter.spent == 4 * (epochs * 64 + passes * 12)
