"""Membership attacks against values worked out by hand, plain loops, swaps, and attacks on exchangeable examples."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from bench.errors import UndefinedMetric
from bench.metrics.membership import (
    FEATURES,
    SINGLE_FEATURES,
    best_cut,
    called_nonmembers,
    loss_rates,
    membership_features,
    starting_kit_accuracy,
    svc_membership,
    threshold_membership,
    true_label_losses,
)

values = st.integers(-20, 20).map(lambda whole: whole / 4)
lines = st.lists(values, min_size=1, max_size=12)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def examples(count: int, confidence: float, seed: int, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Logits of a network that is sure of the true label by `confidence` on average, and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    logits = rng.normal(size=(count, classes))
    logits[np.arange(count), labels] += confidence
    return logits, labels


def test_features_are_worked_out_by_hand():
    probabilities = np.array([[0.7, 0.2, 0.1]])
    found = membership_features(np.log(probabilities) + 5, [1])
    assert found["correctness"].tolist() == [[0.0]]
    assert found["confidence"][0, 0] == pytest.approx(0.2)
    assert found["entropy"][0, 0] == pytest.approx(0.801819, abs=1e-6)
    # 0.8 ln 5 + 0.7 ln(1 / 0.3) + 0.1 ln(1 / 0.9): the columns of the other classes, and log(1 - p) for them.
    assert found["modified_entropy"][0, 0] == pytest.approx(2.140868, abs=1e-6)
    assert found["probabilities"] == pytest.approx(probabilities)
    assert true_label_losses(np.log(probabilities) + 5, [1]) == pytest.approx([math.log(5)])


def test_modified_entropy_grows_with_errors_and_entropy_does_not():
    logits = np.log([[0.9, 0.1], [0.9, 0.1]])
    found = membership_features(logits, [0, 1])
    assert found["entropy"][0] == pytest.approx(found["entropy"][1])
    assert found["modified_entropy"][0, 0] == pytest.approx(-0.2 * math.log(0.9))
    assert found["modified_entropy"][1, 0] == pytest.approx(-1.8 * math.log(0.1))


def test_features_agree_with_a_plain_loop():
    logits, labels = examples(30, 1.0, seed=1)
    found = membership_features(logits, labels)
    for row, (line, label) in enumerate(zip(logits, labels, strict=True)):
        p = np.exp(line) / np.exp(line).sum()
        modified = -(1 - p[label]) * math.log(p[label])
        modified -= sum(p[j] * math.log(1 - p[j]) for j in range(len(p)) if j != label)
        assert found["modified_entropy"][row, 0] == pytest.approx(modified)
        assert found["entropy"][row, 0] == pytest.approx(-sum(p * np.log(p)))
        assert found["correctness"][row, 0] == float(line.argmax() == label)


@pytest.mark.parametrize(("label", "modified", "loss"), [(0, 0.0, 0.0), (1, 2000.0, 1000.0)])
def test_features_stay_finite_and_exact_where_probabilities_are_zero_and_one(label, modified, loss):
    found = membership_features([[1000.0, 0.0]], [label])
    assert found["modified_entropy"][0, 0] == pytest.approx(modified)
    assert found["entropy"][0, 0] == 0
    assert true_label_losses([[1000.0, 0.0]], [label]) == pytest.approx([loss])


def test_a_saturated_probability_keeps_the_digits_of_its_complement():
    # 1 - p is e^-50 here, which is 0 in 1 - p: a label with probability e^-50 has modified entropy of about 50 + 50.
    found = membership_features([[50.0, 0.0]], [1])
    assert found["modified_entropy"][0, 0] == pytest.approx(100.0)


@given(st.lists(st.lists(values, min_size=3, max_size=3), min_size=1, max_size=6), st.floats(-50, 50))
def test_features_do_not_depend_on_a_common_shift_of_logits(logits, shift):
    labels = np.arange(len(logits)) % 3
    first, second = membership_features(logits, labels), membership_features(np.array(logits) + shift, labels)
    for name in SINGLE_FEATURES[1:]:
        assert first[name] == pytest.approx(second[name], abs=1e-9)
    assert (first["modified_entropy"] >= 0).all()
    assert (first["entropy"] >= 0).all()


@given(lines, lines)
def test_the_best_cut_is_never_beaten_by_a_loop_over_all_of_them(members, nonmembers):
    cut = best_cut(members, nonmembers)
    tried = [0.5]
    for threshold in {*members, *nonmembers, 100.0}:
        inside = np.mean(np.array(members) >= threshold)
        outside = np.mean(np.array(nonmembers) >= threshold)
        tried += [(inside + 1 - outside) / 2, (1 - inside + outside) / 2]
    assert cut.accuracy == pytest.approx(max(tried))
    if cut.accuracy > 0.5:
        assert 1 - called_nonmembers(cut, members) + called_nonmembers(cut, nonmembers) == pytest.approx(
            2 * cut.accuracy
        )


@given(lines, lines, lines)
def test_swapping_members_and_nonmembers_complements_the_cut(members, nonmembers, forget):
    one = called_nonmembers(best_cut(members, nonmembers), forget)
    other = called_nonmembers(best_cut(nonmembers, members), forget)
    assert one == pytest.approx(1 - other)


@given(lines, lines, lines, st.randoms(use_true_random=False))
def test_order_does_not_matter_to_the_cut(members, nonmembers, forget, random):
    shuffled = [random.sample(line, len(line)) for line in (members, nonmembers, forget)]
    first = called_nonmembers(best_cut(members, nonmembers), forget)
    assert called_nonmembers(best_cut(shuffled[0], shuffled[1]), shuffled[2]) == first


def test_a_cut_lies_between_neighboring_floats_too():
    above = np.nextafter(1.0, 2.0)
    cut = best_cut([above], [1.0])
    assert (cut.threshold, cut.accuracy) == (above, 1.0)


def test_both_attacks_are_worked_out_by_hand_on_separated_sides():
    members = np.array([[4.0, 0.0]] * 6)
    others = np.array([[0.0, 1.0]] * 6)
    forget = np.array([[4.0, 0.0]] * 3 + [[0.0, 1.0]])
    given_ = (members, np.zeros(6, int), others, np.zeros(6, int), forget, np.zeros(4, int))
    assert threshold_membership(*given_, limit=100) == dict.fromkeys(SINGLE_FEATURES, 0.25)
    assert svc_membership(*given_, limit=100) == dict.fromkeys(FEATURES, 0.25)


def test_the_threshold_attack_stands_in_for_the_classifier():
    members, nonmembers, forget = examples(300, 3.0, 1), examples(300, 1.0, 2), examples(200, 2.0, 3)
    slow = svc_membership(*members, *nonmembers, *forget, limit=300)
    fast = threshold_membership(*members, *nonmembers, *forget, limit=300)
    for name in SINGLE_FEATURES:
        assert fast[name] == pytest.approx(slow[name], abs=0.12)
    # With 0 and 1 there is one cut only.
    assert fast["correctness"] == slow["correctness"]


def test_swapping_members_and_nonmembers_complements_the_classifier():
    members, nonmembers, forget = examples(200, 3.0, 1), examples(200, 0.0, 2), examples(200, 1.5, 3)
    one = svc_membership(*members, *nonmembers, *forget, limit=200)
    other = svc_membership(*nonmembers, *members, *forget, limit=200)
    for name in FEATURES:
        # The solver stops at a tolerance of 1e-3, so an example at the boundary may fall on either side.
        assert one[name] == pytest.approx(1 - other[name], abs=0.01)


def test_heldout_examples_are_called_nonmembers_as_often_as_the_attack_is_right_on_nonmembers():
    members, nonmembers, heldout = examples(600, 3.0, 1), examples(600, 1.0, 2), examples(600, 1.0, 3)
    for attack, names in ((svc_membership, ("confidence", "probabilities")), (threshold_membership, SINGLE_FEATURES)):
        fresh = attack(*members, *nonmembers, *heldout, limit=600, features=names)
        own = attack(*members, *nonmembers, *nonmembers, limit=600, features=names)
        for name in names:
            # Two standard errors of a difference of two shares of 600, with room for the fit to its own side.
            assert fresh[name] == pytest.approx(own[name], abs=0.08)


def test_as_many_members_as_nonmembers_are_taken_from_the_front():
    members, nonmembers, forget = examples(90, 3.0, 1), examples(40, 1.0, 2), examples(50, 2.0, 3)
    cut_short = (members[0][:40], members[1][:40])
    for attack in (svc_membership, threshold_membership):
        whole = attack(*members, *nonmembers, *forget, limit=1000)
        assert whole == attack(*cut_short, *nonmembers, *forget, limit=40)
        assert whole == attack(*members, *nonmembers, *forget, limit=40)


def test_the_starting_kit_attack_reads_losses_and_is_repeatable():
    rng = np.random.default_rng(0)
    low, high, fresh = rng.normal(0, 1, 150), rng.normal(4, 1, 200), rng.normal(4, 1, 150)
    assert starting_kit_accuracy(low, high, generator=generator()) > 0.95
    blind = starting_kit_accuracy(fresh, high, generator=generator())
    # Ten splits of 30 tests each: a standard error of 0.03 if they were independent, which they are not.
    assert blind == pytest.approx(0.5, abs=0.1)
    assert blind == starting_kit_accuracy(fresh, high, generator=generator())


def test_the_starting_kit_attack_leaves_the_global_streams_alone():
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    starting_kit_accuracy(np.arange(20.0), np.arange(20.0), generator=generator())
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])


def test_loss_rates_are_worked_out_by_hand():
    # The threshold at 0.05 of 100 is the sixth smallest loss, 6; three of four forget losses lie below.
    found = loss_rates([0.5, 1.0, 5.5, 6.0], np.arange(1.0, 101.0), (0.05,))[0.05]
    assert (found.rate, found.false_positives) == (0.75, 0.05)
    # Clopper and Pearson's limits are quantiles of beta laws.
    assert found.low == pytest.approx(beta.ppf(0.025, 3, 2))
    assert found.high == pytest.approx(beta.ppf(0.975, 4, 1))


def test_loss_rates_keep_ties_out_and_the_false_positive_rate_below_what_is_asked():
    found = loss_rates([1.0, 0.0], [1.0] * 50 + [2.0] * 50, (0.1,))[0.1]
    assert (found.rate, found.false_positives) == (0.5, 0.0)


@given(st.lists(values, min_size=10, max_size=40), st.sampled_from([0.1, 0.29, 0.5]))
def test_a_set_against_itself_has_the_rate_it_asks_for_or_less(losses, asked):
    found = loss_rates(losses, losses, (asked,))[asked]
    assert found.rate == found.false_positives <= asked + 1e-12
    assert found.low <= found.rate <= found.high


def test_exact_limits_cover_the_rate_of_exchangeable_losses():
    rng = np.random.default_rng(3)
    heldout = rng.normal(size=20_000)
    covered = 0
    for _ in range(200):
        found = loss_rates(rng.normal(size=300), heldout, (0.05,))[0.05]
        covered += found.low <= 0.05 <= found.high
    # At least 190 of 200 are expected; eight fewer are two and a half standard errors.
    assert covered >= 182


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: membership_features([[1.0, float("nan")]], [0]), "finite"),
        (lambda: membership_features([[1.0, 2.0]], [2]), "labels must be 0 to 1"),
        (lambda: membership_features([[1.0, 2.0]], [0, 1]), r"\(N, C\)"),
        (lambda: membership_features(np.zeros((0, 2)), []), r"\(N, C\)"),
        (lambda: best_cut([], [1.0]), "members"),
        (lambda: loss_rates([1.0], np.arange(99.0), (0.01,)), "no threshold among 99"),
        (lambda: loss_rates([], np.arange(99.0), (0.1,)), "forget losses"),
        (lambda: starting_kit_accuracy(np.arange(9.0), np.arange(99.0), generator=generator()), "got 9"),
        (lambda: svc_membership(*examples(5, 1, 0), *examples(5, 1, 1), *examples(5, 1, 2), limit=0), "both kinds"),
    ],
)
def test_what_has_no_value_is_an_error_that_says_why(call, message):
    with pytest.raises(UndefinedMetric, match=message):
        call()
