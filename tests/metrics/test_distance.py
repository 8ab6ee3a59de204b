"""Threshold, #LP and UD against the worked vector H, scikit-learn, and their invariants."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from bench.errors import UndefinedMetric
from bench.metrics.distance import (
    learnable_counts,
    learnable_layers,
    learnable_threshold,
    two_means,
    unlearnable_distance,
)

CLEAN = [[0.01, 0.02, 0.03, 0.50, 0.60], [0.0, 0.05, 0.10, 0.90, 0.20]]
POISONED = [[0.02, 0.02, 0.03, 0.40, 0.10], [0.0, 0.01, 0.01, 0.02, 0.02]]

REPORTED = [
    # method, #LP and UD as printed in Table 1 (CIFAR-10) of arXiv:2509.08058; clean #LP 3.32
    ("em", 0.62, 0.187),
    ("rem", 1.54, 0.464),
    ("dc", 1.00, 0.301),
    ("tap", 5.44, 1.639),
    ("lsp", 1.14, 0.343),
    ("ops", 0.52, 0.157),
]

values = st.integers(0, 10**6).map(lambda whole: whole / 1e4)
matrices = st.integers(2, 8).flatmap(
    lambda width: st.lists(st.lists(values, min_size=width, max_size=width), min_size=1, max_size=6)
)


def test_vector_h_is_worked_out_by_hand():
    assert two_means(CLEAN[0]) == pytest.approx((0.02, 0.55))
    assert two_means(CLEAN[1]) == pytest.approx((0.0875, 0.90))
    beta = learnable_threshold(CLEAN)
    assert beta == pytest.approx(0.389375)
    assert learnable_layers(CLEAN, beta) == 1.5
    assert learnable_layers(POISONED, beta) == 0.5
    assert unlearnable_distance(POISONED, CLEAN) == pytest.approx(1 / 3)


@pytest.mark.parametrize(("method", "layers", "distance"), REPORTED)
def test_vector_i_the_papers_distances_are_its_layer_counts_divided(method, layers, distance):
    assert layers / 3.32 == pytest.approx(distance, abs=1e-3), method


@given(st.lists(values, min_size=2, max_size=25))
def test_two_means_is_never_worse_than_scikit_learns_clustering(line):
    low, high = two_means(line)
    points = np.array(line).reshape(-1, 1)
    if len(np.unique(points)) < 2:
        assert low == high == pytest.approx(line[0])
        return
    other = KMeans(n_clusters=2, n_init=5, random_state=0).fit(points)
    spread = sum(min((value - low) ** 2, (value - high) ** 2) for value in line)
    assert spread <= other.inertia_ * (1 + 1e-9) + 1e-9


@given(matrices)
def test_a_run_compared_with_itself_has_distance_one_or_none(matrix):
    try:
        assert unlearnable_distance(matrix, matrix) == 1
    except UndefinedMetric:
        assert learnable_layers(matrix, learnable_threshold(matrix)) == 0


@given(matrices, st.floats(0.5, 4), st.floats(0, 3))
def test_the_threshold_follows_scale_and_shift(matrix, scale, shift):
    moved = [[scale * value + shift for value in row] for row in matrix]
    assert learnable_threshold(moved) == pytest.approx(scale * learnable_threshold(matrix) + shift, rel=1e-6, abs=1e-6)


@given(matrices, st.randoms(use_true_random=False))
def test_order_of_layers_and_epochs_and_repeated_epochs_do_not_matter(matrix, random):
    order = list(range(len(matrix[0])))
    random.shuffle(order)
    shuffled = [[row[column] for column in order] for row in reversed(matrix)]
    beta = learnable_threshold(matrix)
    assert learnable_threshold(shuffled) == pytest.approx(beta)
    assert learnable_layers(shuffled, beta) == pytest.approx(learnable_layers(matrix, beta))
    assert learnable_layers(matrix * 3, beta) == pytest.approx(learnable_layers(matrix, beta))


@given(matrices, values)
def test_counts_are_whole_and_between_none_and_all_layers(matrix, beta):
    counts = learnable_counts(matrix, beta)
    assert all(0 <= count <= len(matrix[0]) for count in counts)
    assert learnable_layers(matrix, beta) * len(matrix) == pytest.approx(sum(counts))


def test_a_layer_exactly_at_the_threshold_is_not_learnable():
    assert learnable_counts([[0.5, 0.5, 0.6]], 0.5) == [1]
    assert learnable_threshold([[0.5, 0.5]]) == 0.5


def test_without_a_learnable_clean_layer_the_distance_is_undefined_and_no_number():
    with pytest.raises(UndefinedMetric, match="no denominator"):
        unlearnable_distance(POISONED, [[0.2, 0.2], [0.2, 0.2]])


@pytest.mark.parametrize("matrix", [[], [[]], [[0.1, float("nan")]], [[0.1, float("inf")]]])
def test_an_empty_or_infinite_matrix_is_an_error(matrix):
    with pytest.raises(UndefinedMetric):
        learnable_threshold(matrix)
