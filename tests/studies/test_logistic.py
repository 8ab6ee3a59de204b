import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional as F

from bench.errors import SearchDiverged
from bench.studies import logistic
from bench.studies.logistic import Logistic, share_correct, with_bias
from bench.studies.poison_shift import removal_shift, solve_problem

TOLERANCE = 1e-9


def make_problem(*, count: int = 60, size: int = 4, weight_decay: float = 1e-2, seed: int = 0) -> Logistic:
    generator = torch.Generator().manual_seed(seed)
    inputs = with_bias(torch.randn(count, size, generator=generator, dtype=torch.float64))
    labels = torch.randint(0, 3, (count,), generator=generator)
    return Logistic(inputs, labels, 3, count, weight_decay)


def objective(problem: Logistic, theta: Tensor, weights: Tensor) -> Tensor:
    losses = F.cross_entropy(problem.inputs @ theta.T, problem.labels, reduction="none")
    return (losses * weights).sum() / problem.scale + problem.weight_decay / 2 * theta.square().sum()


def test_value_gradient_and_hessian_are_those_of_autograd() -> None:
    problem = make_problem()
    theta = torch.randn(3, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weights = problem.without(torch.tensor([0, 7]))
    value, gradient = problem.value(theta, weights)
    assert value == pytest.approx(float(objective(problem, theta, weights)))
    found = torch.autograd.functional.jacobian(lambda t: objective(problem, t, weights), theta)
    torch.testing.assert_close(gradient, found)
    second = torch.autograd.functional.hessian(lambda t: objective(problem, t.view(3, 5), weights), theta.reshape(-1))
    torch.testing.assert_close(problem.hessian(theta, weights), second)


def test_the_optimum_is_that_of_scikit_learn() -> None:
    problem = make_problem()
    found = problem.solve(problem.everything(), problem.zero(), TOLERANCE)
    # C is over the sum of losses; the column of ones makes the bias a weight like the others.
    model = LogisticRegression(
        C=1 / (problem.weight_decay * problem.scale), fit_intercept=False, tol=1e-10, max_iter=999
    )
    model.fit(problem.inputs.numpy(), problem.labels.numpy())
    np.testing.assert_allclose(found.numpy(), model.coef_, atol=1e-6)


def test_the_optimum_is_that_of_l_bfgs_also_far_from_isotropic() -> None:
    problem = make_problem(weight_decay=1e-4)
    problem.inputs[:5] *= 200
    weights = problem.everything()

    def flat(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = problem.value(torch.from_numpy(theta).view(3, 5), weights)
        return value, gradient.reshape(-1).numpy()

    options = {"maxiter": 20000, "maxfun": 20000, "ftol": 0, "gtol": 1e-9, "maxcor": 30}
    expected = minimize(flat, np.zeros(15), jac=True, method="L-BFGS-B", options=options).x
    found = problem.solve(weights, problem.zero(), TOLERANCE)
    np.testing.assert_allclose(found.reshape(-1).numpy(), expected, atol=1e-4)
    assert problem.value(found, weights)[1].abs().max() <= TOLERANCE


def test_leaving_out_is_the_same_as_never_having_had() -> None:
    problem = make_problem()
    smaller = Logistic(problem.inputs[10:], problem.labels[10:], 3, problem.scale, problem.weight_decay)
    without = problem.solve(problem.without(torch.arange(10)), problem.zero(), TOLERANCE)
    torch.testing.assert_close(without, smaller.solve(smaller.everything(), smaller.zero(), TOLERANCE))


def test_a_tolerance_below_rounding_is_an_error_and_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logistic, "MAX_STEPS", 20)
    problem = make_problem()
    with pytest.raises(SearchDiverged, match="above"):
        problem.solve(problem.everything(), problem.zero(), 0.0)


@pytest.mark.parametrize("count", [1, 3])
def test_influence_agrees_with_retraining_for_small_removals(count: int) -> None:
    solved = solve_problem(make_problem(count=600, weight_decay=1e-1), make_problem().zero(), TOLERANCE)
    shift, predicted = removal_shift(solved, torch.arange(count), TOLERANCE)
    assert float((shift - predicted).norm() / shift.norm()) < 0.02


def test_the_error_of_the_influence_shrinks_with_the_square_of_what_is_removed() -> None:
    problem = make_problem()
    errors = []
    for copies in (20, 40):
        # One point among ever more: its removal is a change of 1 / copies.
        many = Logistic(problem.inputs.repeat(copies, 1), problem.labels.repeat(copies), 3, 60 * copies, 1e-2)
        shift, predicted = removal_shift(solve_problem(many, many.zero(), 1e-11), torch.tensor([0]), 1e-11)
        errors.append(float((shift - predicted).norm()))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)


def test_share_correct_counts_largest_logits() -> None:
    theta = torch.eye(2, dtype=torch.float64)
    inputs = torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0], [0.0, 5.0]], dtype=torch.float64)
    assert share_correct(theta, inputs, torch.tensor([0, 1, 1, 1])) == 0.75
