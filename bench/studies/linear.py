"""Linear regression with a known answer: two halves that want different weights, and poisons that cancel a gradient.

May import torch and numpy. All numbers are float64; linear algebra is done by torch, see bench.studies.logistic.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

PINV_TOLERANCE = 1e-12
"""Eigenvalues of X^T X below this share of the largest one count as 0."""


@dataclass(frozen=True)
class Points:
    """Inputs float64 (N, D) and real targets (N,)."""

    inputs: Tensor
    targets: Tensor

    def chosen(self, keep: Tensor) -> "Points":
        """Return some points, by index or mask."""
        return Points(self.inputs[keep], self.targets[keep])

    def joined(self, other: "Points") -> "Points":
        """Return these points and others."""
        return Points(torch.cat([self.inputs, other.inputs]), torch.cat([self.targets, other.targets]))


@dataclass(frozen=True)
class Quadratic:
    """L(theta) = 1/2 (theta - minimizer)^T hessian (theta - minimizer) + constant: the mean squared loss, halved."""

    hessian: Tensor
    minimizer: Tensor

    def gradient(self, theta: Tensor) -> Tensor:
        """Return the gradient of L, (D,)."""
        return self.hessian @ (theta - self.minimizer)


def draw_halves(count: int, dimension: int, informative: int, generator: torch.Generator) -> Points:
    """Return points whose first half follows theta_a and second half theta_b, orthogonal unit vectors, without noise.

    Inputs are standard normal in the first `informative` coordinates and 0 in the others, and so are both thetas.
    """
    inputs = torch.zeros(count, dimension, dtype=torch.float64)
    inputs[:, :informative] = torch.randn(count, informative, generator=generator, dtype=torch.float64)
    pair = torch.linalg.qr(torch.randn(informative, 2, generator=generator, dtype=torch.float64))[0]
    targets = inputs[:, :informative] @ pair[:, 0]
    targets[count // 2 :] = inputs[count // 2 :, :informative] @ pair[:, 1]
    return Points(inputs, targets)


def quadratic(points: Points) -> Quadratic:
    """Return the mean squared loss, halved, of points as a quadratic with the shortest minimizer."""
    hessian = points.inputs.T @ points.inputs / len(points.targets)
    return Quadratic(hessian, _solve(hessian, points.inputs.T @ points.targets / len(points.targets)))


def least_squares(points: Points) -> Tensor:
    """Return the shortest weights (D,) of least squared error."""
    return _solve(points.inputs.T @ points.inputs, points.inputs.T @ points.targets)


def _solve(matrix: Tensor, right: Tensor) -> Tensor:
    found: Tensor = torch.linalg.pinv(matrix, rtol=PINV_TOLERANCE, hermitian=True) @ right
    return found


def residual_gradient(target: Tensor, clean: Tensor, poisons: Points, scale: int) -> Tensor:
    """Return R = clean + 1/scale sum_p (<target, x_p> - y_p) x_p, (D,); the canceling objective is J = |R|^2 / 2."""
    return clean + (poisons.inputs @ target - poisons.targets) @ poisons.inputs / scale


def cancel_linear(target: Tensor, clean: Tensor, poisons: Points, scale: int, epochs: int) -> Points:
    """Return poisons after some steps of steepest descent on J over their inputs, with exact line search.

    Along a line, R is a quadratic polynomial of the step and J one of degree 4, so its smallest value is at a root of
    a cubic. Targets are kept. target, clean: weights and the gradient of the clean loss there.
    """
    inputs = poisons.inputs
    for _ in range(epochs):
        errors = inputs @ target - poisons.targets  # (P,)
        rest = clean + errors @ inputs / scale
        way = -(errors[:, None] * rest + (inputs @ rest)[:, None] * target)
        pulled = way @ target
        first = (pulled @ inputs + errors @ way) / scale
        second = pulled @ way / scale
        step = _best_step(rest, first, second)
        if step == 0:
            break
        inputs = inputs + step * way
    return Points(inputs, poisons.targets)


def _best_step(rest: Tensor, first: Tensor, second: Tensor) -> float:
    """Return the step t >= 0 or < 0 where |rest + t first + t^2 second| is smallest; 0 where nothing gets better."""
    slope = [2 * second @ second, 3 * first @ second, first @ first + 2 * rest @ second, rest @ first]
    roots = np.roots([float(item) for item in slope])
    steps = [0.0, *(float(root.real) for root in roots if abs(root.imag) <= 1e-9 * abs(root))]
    return min(steps, key=lambda step: float((rest + step * first + step**2 * second).norm()))


def linear_floor(target: Tensor, clean: Tensor, targets: Tensor, scale: int) -> float:
    """Return a value that J cannot go below, whatever the inputs of poisons with these real targets are.

    With z = <target, x>, a poison adds (z - y) z >= -y^2 / 4 to <target, R>.
    """
    left = float(target @ clean) - float((targets**2).sum()) / 4 / scale
    return (max(0.0, left) / float(target.norm())) ** 2 / 2


def cosine(first: Tensor, second: Tensor, *, smallest: float = 0.0) -> float | None:
    """Return the cosine of two vectors; None where one of them is not longer than `smallest`."""
    lengths = float(first.norm()), float(second.norm())
    if min(lengths) <= smallest:
        return None
    return float(first @ second) / lengths[0] / lengths[1]


def descend(loss: Quadratic, start: Tensor, learning_rate: float, steps: int) -> list[Tensor]:
    """Return the weights before gradient descent and after each step of it."""
    path = [start]
    for _ in range(steps):
        path.append(path[-1] - learning_rate * loss.gradient(path[-1]))
    return path
