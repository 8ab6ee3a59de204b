import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bench.studies.linear import (
    Points,
    Quadratic,
    cancel_linear,
    cosine,
    descend,
    draw_halves,
    least_squares,
    linear_floor,
    quadratic,
    residual_gradient,
)

INFORMATIVE, DIMENSION = 4, 7


def make_points(seed: int = 0, count: int = 200) -> Points:
    return draw_halves(count, DIMENSION, INFORMATIVE, torch.Generator().manual_seed(seed))


def vector(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def draw(size: int, seed: int) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_halves_follow_orthogonal_unit_weights_and_silent_inputs_are_zero() -> None:
    points = make_points()
    first, second = (
        least_squares(points.chosen(torch.arange(100))),
        least_squares(points.chosen(torch.arange(100, 200))),
    )
    assert bool((points.inputs[:, INFORMATIVE:] == 0).all())
    assert float(first.norm()) == pytest.approx(1)
    assert float(second.norm()) == pytest.approx(1)
    assert float(first @ second) == pytest.approx(0, abs=1e-12)
    torch.testing.assert_close(points.inputs[:100] @ first, points.targets[:100])


def test_least_squares_is_that_of_numpy_and_the_minimizer() -> None:
    points = make_points()
    expected = np.linalg.lstsq(points.inputs.numpy(), points.targets.numpy(), rcond=None)[0]
    np.testing.assert_allclose(least_squares(points).numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(quadratic(points).minimizer.numpy(), expected, atol=1e-12)


def test_the_gradient_is_that_of_half_the_mean_squared_error() -> None:
    points, theta = make_points(), draw(DIMENSION, 3)
    found = torch.autograd.functional.jacobian(
        lambda t: (points.inputs @ t - points.targets).square().mean() / 2, theta
    )
    torch.testing.assert_close(quadratic(points).gradient(theta), found)


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_the_cosine_of_step_and_way_back_follows_from_the_gradient(seed: int) -> None:
    # v = -H^-1 g, hence cos = g H^-1 g / (|g| |H^-1 g|), on the coordinates where H is invertible.
    loss = quadratic(make_points(seed))
    theta = torch.cat([draw(INFORMATIVE, seed + 1), torch.zeros(DIMENSION - INFORMATIVE, dtype=torch.float64)])
    g = loss.gradient(theta)[:INFORMATIVE]
    solved = torch.linalg.solve(loss.hessian[:INFORMATIVE, :INFORMATIVE], g)
    found = cosine(-loss.gradient(theta), loss.minimizer - theta)
    assert found == pytest.approx(float(g @ solved / g.norm() / solved.norm()))


def test_the_cosine_is_one_exactly_along_an_eigenvector() -> None:
    loss = quadratic(make_points())
    values, vectors = torch.linalg.eigh(loss.hessian)
    along = cosine(-loss.gradient(loss.minimizer + vectors[:, -1]), -vectors[:, -1])
    mixed = vectors[:, -1] + vectors[:, -INFORMATIVE]
    assert along == pytest.approx(1, abs=1e-12)
    assert float(values[-1] - values[-INFORMATIVE]) > 0.01
    found = cosine(-loss.gradient(loss.minimizer + mixed), -mixed)
    assert found is not None
    assert found < 1 - 1e-6


def test_descent_never_moves_silent_coordinates() -> None:
    loss = quadratic(make_points())
    start = loss.minimizer + draw(DIMENSION, 5)
    path = descend(loss, start, 0.1, 200)
    assert all(torch.equal(theta[INFORMATIVE:], start[INFORMATIVE:]) for theta in path)
    assert float((path[-1] - loss.minimizer)[:INFORMATIVE].norm()) < 1e-4


def test_descent_shrinks_an_eigenvector_by_one_minus_rate_times_eigenvalue() -> None:
    loss = Quadratic(torch.diag(vector(2.0, 0.5)), vector(0.0, 0.0))
    path = descend(loss, vector(1.0, 1.0), 0.1, 3)
    torch.testing.assert_close(path[3], vector(0.8**3, 0.95**3))


def make_poisons(count: int = 60, change: Tensor | None = None) -> tuple[Points, Quadratic, Tensor, Points]:
    points = make_points()
    loss = quadratic(points)
    target = loss.minimizer + (0.05 * draw(DIMENSION, 7) if change is None else change)
    return points, loss, target, points.chosen(torch.arange(count))


def test_canceling_reduces_j_step_by_step_and_never_below_the_floor() -> None:
    points, loss, target, start = make_poisons(change=2 * draw(DIMENSION, 7))
    clean = loss.gradient(target)
    values = [
        float(residual_gradient(target, clean, cancel_linear(target, clean, start, 200, epochs), 200).square().sum())
        / 2
        for epochs in (0, 1, 2, 5, 20)
    ]
    assert values == sorted(values, reverse=True)
    assert values[-1] < values[0]
    assert 0 < linear_floor(target, clean, start.targets, len(points.targets)) <= values[-1]


def test_canceled_poisons_make_the_target_stationary_and_clean_and_poison_gradients_opposite() -> None:
    points, loss, target, start = make_poisons()
    made = cancel_linear(target, loss.gradient(target), start, 200, 500)
    found = least_squares(points.joined(made))
    torch.testing.assert_close(found, target, atol=1e-6, rtol=0)
    poison = (made.inputs @ found - made.targets) @ made.inputs
    torch.testing.assert_close(200 * loss.gradient(found), -poison, atol=1e-9, rtol=0)


def test_one_step_of_canceling_is_the_best_on_its_line() -> None:
    _, loss, target, start = make_poisons()
    clean = loss.gradient(target)

    def objective(inputs: Tensor) -> Tensor:
        return residual_gradient(target, clean, Points(inputs, start.targets), 200).square().sum() / 2

    way = -torch.autograd.functional.jacobian(objective, start.inputs)
    made = cancel_linear(target, clean, start, 200, 1)
    step = float((made.inputs - start.inputs).flatten() @ way.flatten() / way.square().sum())
    torch.testing.assert_close(made.inputs, start.inputs + step * way)
    best = float(objective(made.inputs))
    assert all(best <= float(objective(start.inputs + step * share * way)) for share in (0.0, 0.9, 1.1, 2.0))


def test_floor_by_hand() -> None:
    # <target, clean> = 6, one target 4: 4^2 / 4 / 2 = 2 can go; (4 / 2)^2 / 2 = 2.
    assert linear_floor(vector(2.0, 0.0), vector(3.0, 5.0), vector(4.0), 2) == pytest.approx(2)
    assert linear_floor(vector(2.0, 0.0), vector(0.5, 5.0), vector(4.0), 2) == 0


def test_cosine_of_a_zero_vector_is_undefined() -> None:
    assert cosine(vector(0.0, 0.0), vector(1.0, 0.0)) is None
    assert cosine(vector(1e-15, 0.0), vector(1.0, 0.0), smallest=1e-12) is None
    assert cosine(vector(1.0, 1.0), vector(1.0, 0.0)) == pytest.approx(0.5**0.5)
