"""Gradient canceling on logistic regression: poisons that make bad weights an optimum.

May import torch, numpy, scipy and bench.studies. Source: arXiv:2406.17216, A.1.3.
"""

import math
from dataclasses import dataclass

import torch
from scipy.optimize import minimize
from scipy.special import lambertw
from torch import Tensor

from bench.studies.logistic import Logistic, prediction_errors, with_bias


@dataclass(frozen=True)
class Canceled:
    """Poisons (P, D) without the bias column, and the objective J at their start, at their end, and its floor."""

    poisons: Tensor
    start: float
    end: float
    floor: float


def bad_weights(
    problem: Logistic, optimum: Tensor, radius: float, *, steps: int, batch_size: int, generator: torch.Generator
) -> Tensor:
    """Return weights with a high loss at L2 distance `radius` or less from the optimum, (classes, D).

    The first step follows the loss of one random batch, since the gradient of all points is 0 at the optimum; the
    others follow the loss of all points, each a fifth of the radius long, and are projected onto the ball.
    """
    batch = torch.randperm(len(problem.labels), generator=generator)[:batch_size]
    weights = problem.everything()
    direction = problem.point_gradients(optimum, batch)
    change = direction * (radius / 5 / direction.norm())
    for _ in range(steps):
        gradient = problem.value(optimum + change, weights)[1]
        change = change + gradient * (radius / 5 / gradient.norm())
        change = change * min(1.0, radius / float(change.norm()))
    target: Tensor = optimum + change
    return target


def cancel_gradient(problem: Logistic, target: Tensor, points: Tensor, iterations: int) -> Canceled:
    """Return poisons that begin as some points of a problem, by index, and minimize J over their features.

    J = 1/2 |grad F(target) + 1/scale sum_p grad CE(target x_p, y_p)|^2; labels are kept, features are not limited.
    """
    clean = problem.value(target, problem.everything())[1]
    labels = problem.labels[points]
    start = problem.inputs[points, :-1]
    # L-BFGS stops by itself where a gradient is tiny; J is counted in units of what the clean points have.
    unit = max(float((clean * clean).sum()) / 2, 1e-300)

    def objective(flat: "object") -> tuple[float, "object"]:
        value, gradient = canceling(target, clean, torch.as_tensor(flat).view_as(start), labels, problem.scale)
        return value / unit, (gradient / unit).reshape(-1).numpy()

    before = canceling(target, clean, start, labels, problem.scale)[0]
    options = {"maxiter": iterations, "maxfun": 2 * iterations, "ftol": 0, "gtol": 0, "maxcor": 20}
    found = minimize(objective, start.reshape(-1).numpy(), jac=True, method="L-BFGS-B", options=options)
    poisons = torch.as_tensor(found.x).view_as(start).clone()
    after = canceling(target, clean, poisons, labels, problem.scale)[0]
    return Canceled(poisons, before, after, objective_floor(target, clean, len(points) / problem.scale))


def canceling(target: Tensor, clean: Tensor, poisons: Tensor, labels: Tensor, scale: int) -> tuple[float, Tensor]:
    """Return J and its gradient by the poisons (P, D).

    target, clean: weights and the gradient of the clean objective there, (classes, D + 1).
    """
    inputs = with_bias(poisons)
    logits = inputs @ target.T
    shares, errors = logits.softmax(1), prediction_errors(logits, labels)
    rest = clean + errors.T @ inputs / scale  # (classes, D + 1)
    pulled = inputs @ rest.T  # (P, classes)
    through = shares * pulled
    through = through - shares * through.sum(1, keepdim=True)
    gradient = (errors @ rest + through @ target)[:, :-1] / scale
    return float((rest * rest).sum()) / 2, gradient


def objective_floor(target: Tensor, clean: Tensor, share: float) -> float:
    """Return a value that J cannot go below, whatever the poisons are; share: poisons over scale.

    <target, grad CE(target x, y)> = (p - e_y) . z is never below -W((classes - 1) / e), so the part of the gradient
    along the target can be canceled only so far.
    """
    largest = float(lambertw((target.shape[0] - 1) / math.e).real)
    left = float((target * clean).sum()) - share * largest
    return (max(0.0, left) / float(target.norm())) ** 2 / 2
