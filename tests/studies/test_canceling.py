import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.studies.canceling import bad_weights, cancel_gradient, canceling, objective_floor
from bench.studies.logistic import Logistic, with_bias
from bench.studies.poison_shift import solve_problem

TOLERANCE = 1e-9


def make_problem() -> Logistic:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(90, 4, generator=generator, dtype=torch.float64)
    labels = inputs[:, :3].argmax(1)
    return Logistic(with_bias(inputs), labels, 3, 90, 1e-2)


def make_target(problem: Logistic, radius: float) -> tuple[Tensor, Tensor]:
    optimum = problem.solve(problem.everything(), problem.zero(), TOLERANCE)
    draw = torch.Generator().manual_seed(1)
    return optimum, bad_weights(problem, optimum, radius, steps=20, batch_size=16, generator=draw)


def test_j_and_its_gradient_are_those_of_autograd() -> None:
    problem = make_problem()
    _, target = make_target(problem, 1.0)
    clean = problem.value(target, problem.everything())[1]
    poisons, labels = problem.inputs[:7, :-1].clone(), problem.labels[:7]

    def objective(inputs: Tensor) -> Tensor:
        theta = target.clone().requires_grad_()
        loss = F.cross_entropy(with_bias(inputs) @ theta.T, labels, reduction="sum") / problem.scale
        return (clean + torch.autograd.grad(loss, theta, create_graph=True)[0]).square().sum() / 2

    value, gradient = canceling(target, clean, poisons, labels, problem.scale)
    assert value == pytest.approx(objective(poisons).item())
    torch.testing.assert_close(gradient, torch.autograd.functional.jacobian(objective, poisons))


def test_bad_weights_are_worse_and_within_the_radius() -> None:
    problem = make_problem()
    optimum, target = make_target(problem, 0.7)
    assert float((target - optimum).norm()) <= 0.7 + 1e-12
    weights = problem.everything()
    assert problem.value(target, weights)[0] > problem.value(optimum, weights)[0]


def test_canceling_makes_a_target_the_optimum_where_poisons_are_many() -> None:
    problem = make_problem()
    optimum, target = make_target(problem, 0.3)
    points = torch.arange(40)
    made = cancel_gradient(problem, target, points, 2000)
    assert made.floor <= made.end < 1e-9 * made.start
    poisoned = problem.with_points(with_bias(made.poisons), problem.labels[points])
    found = solve_problem(poisoned, optimum, TOLERANCE).optimum
    assert float((found - target).norm()) < 1e-3 * float((optimum - target).norm())


def test_canceling_reduces_j_but_never_below_the_floor() -> None:
    problem = make_problem()
    _, target = make_target(problem, 20.0)
    made = cancel_gradient(problem, target, torch.arange(2), 200)
    assert 0 < made.floor <= made.end < made.start


def test_the_floor_of_two_classes_by_hand() -> None:
    # max of z e^-z / (1 + e^-z) is W(1 / e) = 0.27846...; <target, clean> = 2 and |target| = 2.
    target = torch.tensor([[2.0], [0.0]], dtype=torch.float64)
    clean = torch.tensor([[1.0], [0.0]], dtype=torch.float64)
    best = max(z / 1000 * math.exp(-z / 1000) / (1 + math.exp(-z / 1000)) for z in range(5000))
    assert objective_floor(target, clean, 0.5) == pytest.approx(((2 - best / 2) / 2) ** 2 / 2, rel=1e-6)
    assert objective_floor(target, clean, 100.0) == 0
