"""Fractions become whole numbers as the releases mean them; signs are kept or dropped as asked."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from release_factory import import_release, make_delta, write_npy, write_tensor

from bench.errors import InvalidSubmission, UsageProblem
from bench.importing.quantizing import apply_sign, narrowest, to_pixels, to_whole_numbers


@given(st.lists(st.integers(-255, 255), min_size=1), st.sampled_from(["nearest", "truncate"]))
def test_whole_numbers_survive_as_single_precision_fractions(numbers, rounding):
    fractions = (np.array(numbers) / 255).astype(np.float32)
    assert to_whole_numbers(fractions, None, rounding).tolist() == numbers


def test_halves_go_up_and_truncating_goes_down():
    units = np.array([-1.5, -0.7, -0.2, 0.2, 0.5, 1.5]) / 255
    assert to_whole_numbers(units, None, "nearest").tolist() == [-1, -1, 0, 0, 1, 2]
    assert to_whole_numbers(units, None, "truncate").tolist() == [-2, -1, -1, 0, 0, 1]


@given(st.integers(0, 255), st.floats(-8, 8))
def test_truncating_a_change_is_truncating_the_image(clean, change):
    total = clean + change
    if not 0 <= total <= 255 or abs(total - round(total)) < 0.01:
        return
    assert clean + to_whole_numbers(np.array([change / 255]), None, "truncate")[0] == int(total)


def test_images_are_clipped_above_and_refused_below():
    assert to_pixels(np.array([0.0, 1.0005]), None, "nearest").tolist() == [0, 255]
    with pytest.raises(InvalidSubmission, match="negative"):
        to_pixels(np.array([-0.1]), None, "nearest")


def test_the_official_sign_drops_what_is_negative():
    delta = np.array([-8, 0, 8], np.int16)
    assert apply_sign(delta, "official").tolist() == [0, 0, 8]
    assert apply_sign(delta, "signed").tolist() == [-8, 0, 8]


def test_the_smallest_type_that_holds_a_change_is_taken():
    assert narrowest(np.array([-128, 127], np.int16)).dtype == np.int8
    assert narrowest(np.array([-129], np.int16)).dtype == np.int16


def test_em_as_its_loader_applies_it_is_its_positive_half_truncated(root):
    delta = make_delta() + np.random.default_rng(0).choice([0, 0.2, 0.5, 0.8], (1437, 1, 8, 8)).astype(np.float32)
    file = write_tensor(root / "em.pt", torch.tensor(delta / 255))
    report = import_release(root, "pt", file, sign="official")
    by_hand = np.floor(np.clip(delta, 0, 255)).astype(np.int8)
    own = import_release(root, "npy", write_npy(root / "own.npy", by_hand), slug="own")
    assert report.sha256 == own.sha256
    assert report.rounding == "truncate"
    assert report.negative_share == pytest.approx(0.5, abs=0.05)  # of the file; 3,840 values, so 0.05 is six sigma
    assert report.hints == ()


def test_a_file_without_negative_values_gets_a_hint(root):
    report = import_release(root, "npy", write_npy(root / "own.npy", np.abs(make_delta())))
    assert "released loader of EM" in report.hints[0]


def test_fractions_without_negative_values_need_a_word(root):
    file = write_npy(root / "own.npy", np.abs(make_delta()) / 255)
    with pytest.raises(UsageProblem, match="--content images or --content delta"):
        import_release(root, "npy", file)
    assert import_release(root, "npy", file, content="delta").content == "delta"


def test_fractions_in_units_of_255_need_their_scale(root):
    file = write_npy(root / "own.npy", make_delta().astype(np.float32))
    other = write_npy(root / "other.npy", make_delta())
    assert (
        import_release(root, "npy", file, scale=255).sha256 == import_release(root, "npy", other, slug="other").sha256
    )


def test_the_norm_can_be_chosen_among_those_of_the_protocol(root):
    delta = np.zeros((1437, 1, 8, 8), np.int8)
    delta[:, 0, 0, 0] = 20
    file = write_npy(root / "own.npy", delta)
    assert import_release(root, "npy", file).norm == "linf"
    assert import_release(root, "npy", file, norm="l0", slug="other").norm == "l0"
    with pytest.raises(UsageProblem, match="no l2 budget"):
        import_release(root, "npy", file, norm="l2", slug="third")
