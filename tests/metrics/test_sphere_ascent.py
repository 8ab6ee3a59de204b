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
from bench.metrics.sphere_ascent import Ascent, climb

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


def test_an_ascent_that_cannot_reach_what_is_known_is_given_up():
    curvature, slope = random_problem(5, 8)
    free = climb(quadratic(curvature, slope), -slope, CLOSE)
    beaten = climb(quadratic(curvature, slope), -slope, CLOSE, beaten_at=1e9)
    assert beaten.evaluations == 3 < free.evaluations


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_value_that_is_not_finite_ends_the_ascent(bad):
    with pytest.raises(SearchDiverged):
        climb(lambda x: (bad, x), torch.ones(3), Ascent())
    with pytest.raises(SearchDiverged):
        climb(lambda x: (1.0, torch.full_like(x, bad)), torch.ones(3), Ascent())
