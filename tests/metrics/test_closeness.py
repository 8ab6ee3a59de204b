"""Closeness to a retrained model against values worked out by hand, scipy, and invariants."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from bench.errors import UndefinedMetric
from bench.metrics.closeness import (
    Pair,
    absolute_gap,
    activation_distance,
    indiscernibility,
    interclass_confusion,
    interclass_error,
    js_divergences,
    kl_divergence,
    relearn_ratio,
    removal,
    retrain_distance,
    signed_differences,
    tow,
    tow_mia,
    zero_retrain_forgetting,
)

shares = st.floats(0, 1)
pairs = st.builds(Pair, shares, shares)
counts = st.lists(st.integers(0, 9), min_size=3, max_size=3).filter(any)
distributions = st.lists(st.tuples(counts, counts), min_size=1, max_size=6).map(
    lambda rows: tuple(
        np.array([row[side] for row in rows]) / np.array([[sum(row[side])] for row in rows]) for side in (0, 1)
    )
)

LI = [
    # Accuracies (forget, retain, test) printed by Li against a retrained (0.795, 1.00, 0.793), and the ToW they give.
    ((1.00, 1.00, 0.800), 0.789),
    ((0.361, 0.993, 0.733), 0.528),
    ((0.488, 0.491, 0.500), 0.241),
]


@pytest.mark.parametrize(("accuracies", "expected"), LI)
def test_tow_of_printed_accuracies(accuracies, expected):
    forget, retain, test = (Pair(*pair) for pair in zip(accuracies, (0.795, 1.00, 0.793), strict=True))
    assert tow(forget, retain, test) == pytest.approx(expected, abs=1e-3)


@given(shares, shares, shares)
def test_the_retrained_model_itself_scores_one_and_has_no_gap(forget, retain, test):
    same = [Pair(value, value) for value in (forget, retain, test)]
    assert tow(*same) == tow_mia(*same) == 1
    assert absolute_gap(same[0]) == 0
    assert set(signed_differences(forget=same[0], test=same[2]).values()) == {0.0}


@given(pairs, pairs, pairs)
def test_tow_is_a_share_that_does_not_see_direction_or_order(forget, retain, test):
    value = tow(forget, retain, test)
    assert 0 <= value <= 1
    assert value == pytest.approx(tow(Pair(*forget[::-1]), test, Pair(*retain[::-1])))


def test_a_second_retrained_model_stays_below_one_by_its_noise():
    rng = np.random.default_rng(0)
    spread, mean = 0.003, 0.9
    draws = rng.normal(mean, spread, size=(4000, 3, 2))
    values = [tow(*(Pair(*pair) for pair in draw)) for draw in draws]
    assert max(values) < 1
    # Three expected differences of two normal values, 2 / sqrt(pi) standard deviations each; noise floor of the docs.
    assert np.mean(values) == pytest.approx(1 - 3 * 2 / math.sqrt(math.pi) * spread, abs=2e-4)


def test_signed_differences_show_what_tow_hides():
    over, under = Pair(0.6, 0.8), Pair(1.0, 0.8)
    rest = Pair(0.9, 0.9)
    assert tow(over, rest, rest) == pytest.approx(tow(under, rest, rest))
    found = signed_differences(over=over, under=under)
    assert found["over"] == pytest.approx(-0.2)
    assert found["under"] == pytest.approx(0.2)


def test_percentages_are_refused():
    with pytest.raises(UndefinedMetric, match="percentages"):
        tow(Pair(79.5, 80.0), Pair(1, 1), Pair(1, 1))
    with pytest.raises(UndefinedMetric, match="percentages"):
        absolute_gap(Pair(0.5, float("nan")))


@pytest.mark.parametrize(("accuracy", "expected"), [(0.5, 1.0), (1.0, 0.0), (0.0, 0.0), (0.6, 0.8)])
def test_indiscernibility_is_two_sided(accuracy, expected):
    assert indiscernibility(accuracy) == pytest.approx(expected)


def test_removal_and_distance_have_their_ends_at_the_original_and_the_retrained_model():
    ends = {"original": 0.9, "retrained": 0.1}
    assert [removal(value, **ends) for value in (0.9, 0.5, 0.1, -0.3)] == pytest.approx([0, 0.5, 1, 1.5])
    assert [retrain_distance(value, **ends) for value in (0.9, 0.5, 0.1, -0.3)] == pytest.approx([1, 0.5, 0, 0.5])
    # The same for an effect that unlearning raises, such as accuracy.
    assert removal(0.8, original=0.5, retrained=0.9) == pytest.approx(0.75)


def test_a_probe_without_power_has_no_removal():
    for metric in (removal, retrain_distance):
        with pytest.raises(UndefinedMetric, match="no power"):
            metric(0.3, original=0.2, retrained=0.2)


def test_activation_distances_are_worked_out_by_hand():
    first, second = [[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]
    assert activation_distance(first, second, norm="l1") == pytest.approx(1.0)
    assert activation_distance(first, second, norm="l2") == pytest.approx(math.sqrt(2) / 2)


@given(distributions)
def test_activation_distance_is_symmetric_and_bounded_and_zero_on_itself(both):
    first, second = both
    for norm, largest in (("l1", 2.0), ("l2", math.sqrt(2))):
        value = activation_distance(first, second, norm=norm)
        assert value == pytest.approx(activation_distance(second, first, norm=norm))
        assert 0 <= value <= largest + 1e-12
        assert activation_distance(first, first, norm=norm) == 0
    assert activation_distance(first, second, norm="l2") <= activation_distance(first, second, norm="l1") + 1e-12


def test_zrf_is_worked_out_by_hand_and_sums_over_classes():
    # Disjoint certain predictions diverge by one bit, whatever the number of classes.
    assert zero_retrain_forgetting(np.eye(10)[:4], np.eye(10)[1:5]) == 0
    first, second = [[1.0, 0.0]], [[0.5, 0.5]]
    by_hand = (math.log2(1 / 0.75) + 0.5 * math.log2(0.5 / 0.75) + 0.5 * math.log2(0.5 / 0.25)) / 2
    assert js_divergences(first, second) == pytest.approx([by_hand])
    assert zero_retrain_forgetting(first, second) == pytest.approx(1 - by_hand)


@given(distributions)
def test_js_agrees_with_scipy_and_is_symmetric_and_a_share(both):
    first, second = both
    found = js_divergences(first, second)
    assert found == pytest.approx(jensenshannon(first, second, axis=1, base=2) ** 2, abs=1e-9)
    assert found == pytest.approx(js_divergences(second, first))
    assert ((found >= 0) & (found <= 1)).all()
    assert 0 <= zero_retrain_forgetting(first, second) <= 1
    assert zero_retrain_forgetting(first, first) == 1


def test_kl_agrees_with_scipy_and_is_undefined_where_it_is_infinite():
    first, second = np.array([[0.5, 0.5, 0.0], [0.1, 0.2, 0.7]]), np.array([[0.25, 0.25, 0.5], [0.3, 0.3, 0.4]])
    assert kl_divergence(first, second) == pytest.approx(entropy(first, second, axis=1).mean())
    assert kl_divergence(first, first) == 0
    with pytest.raises(UndefinedMetric, match="probability 0"):
        kl_divergence(second, first)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([[2.0, -1.0]], [[0.5, 0.5]], "logits"),
        ([[0.5, 0.6]], [[0.5, 0.5]], "sum 1"),
        ([[0.5, 0.5]], [[0.5, 0.25, 0.25]], "one shape"),
        ([], [], "one shape"),
    ],
)
def test_what_is_no_distribution_is_refused(first, second, message):
    with pytest.raises(UndefinedMetric, match=message):
        activation_distance(first, second, norm="l1")


def test_interclass_errors_are_worked_out_by_hand():
    labels = [3, 3, 3, 5, 5, 7, 7]
    predictions = [3, 5, 7, 3, 5, 3, 7]
    # Of five examples of 3 and 5 three are wrong, two of them with the other of the two.
    assert interclass_error(predictions, labels, 3, 5) == pytest.approx(0.6)
    assert interclass_confusion(predictions, labels, 3, 5) == pytest.approx(0.4)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=20))
def test_interclass_errors_do_not_depend_on_the_order_of_classes(rows):
    predictions, labels = zip(*rows, strict=True)
    if not {0, 1} & set(labels):
        with pytest.raises(UndefinedMetric, match="need examples"):
            interclass_error(predictions, labels, 0, 1)
        return
    for metric in (interclass_error, interclass_confusion):
        assert metric(predictions, labels, 0, 1) == metric(predictions, labels, 1, 0)
    assert interclass_confusion(predictions, labels, 0, 1) <= interclass_error(predictions, labels, 0, 1)


def test_two_equal_classes_are_refused():
    with pytest.raises(UndefinedMetric, match="differ"):
        interclass_error([1], [1], 1, 1)


def test_the_smallest_float_has_a_divergence_too():
    smallest = np.array([[5e-324, 1.0]])
    assert js_divergences(smallest, [[0.0, 1.0]]) == pytest.approx([0.0])


def test_the_relearn_ratio_divides_epochs():
    assert relearn_ratio(7, 7, limit=20) == 1
    assert relearn_ratio(2, 8, limit=20) == 0.25
    # One more than the limit stands for `not within the limit`: a lower bound.
    assert relearn_ratio(21, 7, limit=20) == 3


@pytest.mark.parametrize("retrained", [0, 21])
def test_a_ratio_without_a_count_to_divide_by_is_undefined(retrained):
    with pytest.raises(UndefinedMetric, match="1 to 20"):
        relearn_ratio(3, retrained, limit=20)
