"""The ascent on the sphere against closed forms and the secular equation of a quadratic."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from torch import Tensor

from bench.errors import SearchDiverged
from bench.metrics.sphere_ascent import Ascent, Climb, _Model, climb

CLOSE = Ascent(tolerance=1e-10, steps=200)


def quadratic(curvature: Tensor, slope: Tensor):
    return lambda x: (float(0.5 * x @ curvature @ x + slope @ x), curvature @ x + slope)


def secular_maximum(curvature: np.ndarray, slope: np.ndarray) -> float:
    """The largest value on the unit sphere: (mu I - A) x = b with mu above every eigenvalue and ||x|| = 1."""
    values, vectors = np.linalg.eigh(curvature)
    shares = vectors.T @ slope

    def excess(mu: float) -> float:
        return float(np.sum((shares / (mu - values)) ** 2) - 1)

    low, high = values[-1] + 1e-12, values[-1] + np.linalg.norm(slope) + 1
    mu = brentq(excess, low, high, xtol=1e-14)
    x = vectors @ (shares / (mu - values))
    return float(0.5 * x @ curvature @ x + slope @ x)


def random_problem(seed: int, size: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(size, size, generator=generator, dtype=torch.float64)
    return root @ root.T, torch.randn(size, generator=generator, dtype=torch.float64)


def test_a_plane_is_climbed_in_one_evaluation():
    slope = torch.tensor([3.0, -4.0], dtype=torch.float64)
    summit = climb(quadratic(torch.zeros(2, 2, dtype=torch.float64), slope), slope, CLOSE)
    assert summit.value == pytest.approx(5.0)
    assert summit.evaluations == 1
    assert summit.direction.tolist() == pytest.approx([0.6, -0.8])


def test_a_plane_is_climbed_from_anywhere_but_its_foot():
    slope = torch.tensor([3.0, -4.0], dtype=torch.float64)
    start = torch.tensor([1.0, 2.0], dtype=torch.float64)
    summit = climb(quadratic(torch.zeros(2, 2, dtype=torch.float64), slope), start, CLOSE)
    assert summit.value == pytest.approx(5.0, rel=1e-9)


@given(st.integers(0, 10_000), st.integers(2, 12))
def test_a_convex_quadratic_reaches_a_maximum_of_the_sphere(seed, size):
    curvature, slope = random_problem(seed, size)
    summit = climb(quadratic(curvature, slope), slope, CLOSE)
    gradient = curvature @ summit.direction + slope
    # Stationary: the gradient points outward, whichever maximum it is.
    assert float(gradient @ summit.direction) == pytest.approx(float(gradient.norm()), rel=1e-6)
    assert summit.value <= secular_maximum(curvature.numpy(), slope.numpy()) * (1 + 1e-9)
    assert summit.direction.norm() == pytest.approx(1.0)


@given(st.integers(0, 10_000), st.integers(2, 12))
def test_a_steep_plane_over_a_quadratic_has_one_maximum_and_it_is_found(seed, size):
    curvature, slope = random_problem(seed, size)
    slope = slope / slope.norm() * 4 * torch.linalg.matrix_norm(curvature, 2)
    summit = climb(quadratic(curvature, slope), slope, CLOSE)
    assert summit.value == pytest.approx(secular_maximum(curvature.numpy(), slope.numpy()), rel=1e-7)


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_more_steps_never_lower_the_value_and_the_start_is_a_floor(seed, steps):
    curvature, slope = random_problem(seed, 6)
    start = torch.randn(6, generator=torch.Generator().manual_seed(seed + 1), dtype=torch.float64)
    few = climb(quadratic(curvature, slope), start, Ascent(1e-12, steps))
    more = climb(quadratic(curvature, slope), start, Ascent(1e-12, steps + 3))
    unit = start / start.norm()
    floor = quadratic(curvature, slope)(unit)[0]
    assert more.value >= few.value
    assert few.value >= floor - 1e-12 * abs(floor)
    assert few.evaluations <= steps


def test_the_length_of_the_start_does_not_matter():
    curvature, slope = random_problem(3, 5)
    short, long = (climb(quadratic(curvature, slope), scale * slope, Ascent()) for scale in (1e-6, 1e6))
    assert short.value == pytest.approx(long.value, rel=1e-9)


def test_ascents_that_are_answered_in_turns_end_as_each_would_alone():
    problems = [random_problem(seed, 7) for seed in range(4)]
    alone = [climb(quadratic(*problem), problem[1], CLOSE) for problem in problems]
    together = [Climb(slope, CLOSE) for _, slope in problems]
    while any(item.asked is not None for item in together):
        for item, problem in zip(together, problems, strict=True):
            if item.asked is not None:
                item.tell(*quadratic(*problem)(item.asked))
    assert [item.value for item in together] == [item.value for item in alone]
    assert [item.evaluations for item in together] == [item.evaluations for item in alone]


def test_an_ascent_can_be_given_up_and_keeps_what_it_found():
    curvature, slope = random_problem(5, 8)
    ascent = Climb(-slope, CLOSE)
    for _ in range(3):
        ascent.tell(*quadratic(curvature, slope)(ascent.asked))
    reached = ascent.value
    ascent.give_up()
    assert ascent.asked is None
    assert ascent.evaluations == 3
    assert quadratic(curvature, slope)(ascent.direction)[0] == pytest.approx(reached)


def two_loops(pairs: list[tuple[Tensor, Tensor]], gradient: Tensor) -> Tensor:
    """Algorithm 7.4 word for word, on vectors."""
    ahead, shares = gradient.clone(), []
    for step, decrease in reversed(pairs):
        shares.append((step @ ahead) / (step @ decrease))
        ahead -= shares[-1] * decrease
    step, decrease = pairs[-1]
    ahead *= (step @ decrease) / (decrease @ decrease)
    for (step, decrease), share in zip(pairs, reversed(shares), strict=True):
        ahead += step * (share - (decrease @ ahead) / (step @ decrease))
    return ahead


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 5))
def test_the_step_in_inner_products_is_that_of_the_two_loops(seed, count, memory):
    curvature, _ = random_problem(seed, 7)
    generator = torch.Generator().manual_seed(seed)
    steps = torch.randn(count, 7, generator=generator, dtype=torch.float64)
    gradient = torch.randn(7, generator=generator, dtype=torch.float64)
    model, pairs = _Model(memory), [(step, curvature @ step + 0.5 * step) for step in steps]
    for step, decrease in pairs:
        model.remember(step, decrease)
    expected = two_loops(pairs[-memory:], gradient)
    torch.testing.assert_close(model.step(gradient, 1.0), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_value_that_is_not_finite_ends_the_ascent(bad):
    with pytest.raises(SearchDiverged):
        climb(lambda x: (bad, x), torch.ones(3), Ascent())
    with pytest.raises(SearchDiverged):
        climb(lambda x: (1.0, torch.full_like(x, bad)), torch.ones(3), Ascent())
