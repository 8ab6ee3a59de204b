"""Logistic: multinomial logistic regression as a convex problem whose points can be left out, solved to a tolerance.

May import torch and bench.errors. All numbers are float64. Linear algebra is done by torch, whose number
of threads the process fixes: numpy's own would move the last bits with the number of cores.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.errors import SearchDiverged

MAX_STEPS = 400
MAX_BISECTIONS = 60
SLOPE_SHARE = 0.1
FAST = 0.2
"""Largest ratio of two gradients in a row at which an old Hessian still does."""


@dataclass(frozen=True)
class Logistic:
    """F(theta) = 1/scale sum_i w_i CE(theta x_i, y_i) + weight_decay / 2 |theta|^2, theta of shape (classes, D).

    inputs: float64 (N, D), a column of ones included where a bias is wanted. labels: int64 (N,).
    scale: fixed, not the number of points that are left, so that leaving a point out removes its term alone.
    """

    inputs: Tensor
    labels: Tensor
    classes: int
    scale: int
    weight_decay: float

    def with_points(self, inputs: Tensor, labels: Tensor) -> "Logistic":
        """Return the problem with more points."""
        return Logistic(
            torch.cat([self.inputs, inputs]),
            torch.cat([self.labels, labels]),
            self.classes,
            self.scale,
            self.weight_decay,
        )

    def zero(self) -> Tensor:
        """Return the weights 0, (classes, D)."""
        return torch.zeros(self.classes, self.inputs.shape[1], dtype=torch.float64)

    def value(self, theta: Tensor, weights: Tensor) -> tuple[float, Tensor]:
        """Return F and its gradient (classes, D). weights: w (N,), 0 leaves a point out."""
        logits = self.inputs @ theta.T  # (N, classes)
        total = logits.logsumexp(1)
        losses = total - logits.gather(1, self.labels[:, None])[:, 0]
        errors = prediction_errors(logits, self.labels)
        gradient = (errors * weights[:, None]).T @ self.inputs / self.scale + self.weight_decay * theta
        value = (losses * weights).sum() / self.scale + self.weight_decay / 2 * (theta * theta).sum()
        return float(value), gradient

    def point_gradients(self, theta: Tensor, points: Tensor) -> Tensor:
        """Return 1/scale times the sum of loss gradients of some points, by index, (classes, D); no weight decay."""
        chosen = self.inputs[points]
        return prediction_errors(chosen @ theta.T, self.labels[points]).T @ chosen / self.scale

    def hessian(self, theta: Tensor, weights: Tensor) -> Tensor:
        """Return the second derivative of F, (classes * D, classes * D), in the order of theta.reshape(-1)."""
        shares = (self.inputs @ theta.T).softmax(1)  # (N, classes)
        size = self.inputs.shape[1]
        found = torch.zeros(self.classes, size, self.classes, size, dtype=torch.float64)
        for first in range(self.classes):
            for second in range(first, self.classes):
                curvature = weights * shares[:, first] * (float(first == second) - shares[:, second])
                block = (self.inputs * curvature[:, None]).T @ self.inputs / self.scale
                found[first, :, second] = block
                found[second, :, first] = block.T
        flat: Tensor = found.view(self.classes * size, self.classes * size)
        flat.diagonal().add_(self.weight_decay)
        return flat

    def everything(self) -> Tensor:
        """Return the weights that leave no point out, (N,)."""
        return torch.ones(len(self.labels), dtype=torch.float64)

    def without(self, points: Tensor) -> Tensor:
        """Return the weights that leave some points out, by index, (N,)."""
        weights = self.everything()
        weights[points] = 0
        return weights

    def solve(self, weights: Tensor, start: Tensor, tolerance: float, factor: Tensor | None = None) -> Tensor:
        """Return the minimizer (classes, D): no entry of the gradient there is larger than the tolerance.

        Newton's method with exact line search. factor: Cholesky factor of a Hessian near the start; a factor is kept
        while the gradient shrinks fast with it. L-BFGS finds the same optimum but needs thousands of steps: features
        are far from isotropic, and poisons lie far outside of them.
        Raises SearchDiverged where the tolerance is not reached.
        """
        theta, gradient = start, self.value(start, weights)[1]
        for _ in range(MAX_STEPS):
            largest = float(gradient.abs().max())
            if largest <= tolerance:
                return theta
            if factor is None:
                factor = torch.linalg.cholesky(self.hessian(theta, weights))
            way = -torch.cholesky_solve(gradient.reshape(-1, 1), factor).view_as(theta)
            theta = theta + self._best_step(theta, way, weights) * way
            gradient = self.value(theta, weights)[1]
            if float(gradient.abs().max()) > FAST * largest:
                factor = None
        raise SearchDiverged(f"logistic regression: gradient {largest:.1e} above {tolerance:.1e}")

    def _best_step(self, theta: Tensor, way: Tensor, weights: Tensor) -> float:
        """Return about the step along a descent direction where F is smallest.

        It is sought by the slope, which rises along every line since F is convex: near the optimum, values of F no
        longer differ in float64. A slope a tenth as steep as at the start is flat enough.
        """

        def slope(step: float) -> float:
            return float((self.value(theta + step * way, weights)[1] * way).sum())

        enough = SLOPE_SHARE * abs(slope(0.0))
        low, high, step = 0.0, math.inf, 1.0
        for _ in range(MAX_BISECTIONS):
            found = slope(step)
            if abs(found) <= enough:
                break
            low, high = (step, high) if found < 0 else (low, step)
            step = 2 * step if high == math.inf else (low + high) / 2
        return step


def prediction_errors(logits: Tensor, labels: Tensor) -> Tensor:
    """Return softmax(logits) minus one-hot labels, (N, classes): the gradient of the loss by the logits."""
    errors = logits.softmax(1)
    errors[torch.arange(len(labels)), labels] -= 1
    return errors


def with_bias(features: Tensor) -> Tensor:
    """Return features (N, D) with a last column of ones, (N, D + 1)."""
    return torch.cat([features, torch.ones(len(features), 1, dtype=features.dtype)], 1)


def share_correct(theta: Tensor, inputs: Tensor, labels: Tensor) -> float:
    """Return the share of inputs (N, D) whose largest logit is their label's."""
    return int(((inputs @ theta.T).argmax(1) == labels).sum()) / len(labels)
