"""Copies are recognized whatever their scale, and independent noise is not taken for one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from submission_factory import SHAPE, make_submission, tiny_values

from bench import similarity
from bench.similarity import ALIKE, cosine, likenesses, neighbors, similarity_problems
from bench.submission import load_submission

BIG = (400, 1, 8, 8)


def noise(seed: int, *, bound: int = 30) -> np.ndarray:
    return np.random.default_rng(seed).integers(-bound, bound + 1, BIG).astype(np.int8)


def test_cosine_of_a_value_worked_out_by_hand():
    one, other = np.array([[3, 4]], np.int8), np.array([[4, 3]], np.int8)
    assert cosine(one, other) == pytest.approx(24 / 25)
    assert cosine(one, np.array([[0, 0]], np.int8)) is None
    with pytest.raises(ValueError, match="shapes differ"):
        cosine(one, other.T)


def test_large_values_do_not_overflow():
    full = np.full((2, 3, 40, 40), 127, np.int8)
    assert cosine(full, full) == pytest.approx(1)
    assert cosine(np.full((4, 3), -32768, np.int16), np.full((4, 3), 32767, np.int16)) == pytest.approx(-1)


def test_a_copy_a_scaled_copy_and_a_noised_copy_are_alike():
    own = noise(0)
    slightly = np.clip(own.astype(int) + noise(1, bound=6), -32, 32).astype(np.int8)
    noised = (own.astype(int) + noise(2)).astype(np.int16)  # as much noise as there was signal
    for other in (own, (own // 2).astype(np.int8), (-own).astype(np.int8), slightly, noised):
        assert abs(cosine(own.astype(np.int16), other.astype(np.int16))) >= ALIKE


def test_independent_noise_is_not_alike():
    # The cosine of independent vectors of 25,600 values has a standard deviation of 1/160.
    assert all(abs(cosine(noise(0), noise(seed))) < 6 / 160 for seed in range(1, 20))


@given(st.integers(1, 300))
def test_chunks_do_not_change_the_cosine(size):
    own, other = tiny_values(0), tiny_values(1)
    whole = cosine(own, other)
    kept = similarity.CHUNK_VALUES
    similarity.CHUNK_VALUES = size
    try:
        assert cosine(own, other) == pytest.approx(whole, abs=1e-12)
    finally:
        similarity.CHUNK_VALUES = kept
    assert cosine(other, own) == pytest.approx(whole, abs=1e-12)
    assert -1 <= whole <= 1


def test_a_copy_under_another_name_is_told_with_the_name_of_the_first(tmp_path):
    fog = make_submission(tmp_path)
    copy = make_submission(tmp_path, edits={'slug = "fog"': 'slug = "mist"'}, slug="mist")
    scaled = make_submission(tmp_path, tiny_values() // 2, edits={'slug = "fog"': 'slug = "haze"'}, slug="haze")
    other = make_submission(
        tmp_path, tiny_values(7).astype(np.int8), edits={'slug = "fog"': 'slug = "rain"'}, slug="rain"
    )
    (found,) = [item for item in similarity_problems(copy) if "fog" in item.message]
    assert (found.severity, found.code) == ("warning", "alike")
    assert "'delta.safetensors' equals fog/delta.safetensors: cosine 1.000" in found.message
    assert any("is alike to fog/delta.safetensors" in item.message for item in similarity_problems(scaled))
    assert similarity_problems(other) == []
    assert [item.slug for item in neighbors(fog)] == ["haze", "mist", "rain"]


def test_another_data_set_another_shape_and_an_absent_file_are_no_reason_to_stop(tmp_path):
    fog = make_submission(tmp_path)
    elsewhere = make_submission(
        tmp_path,
        edits={'slug = "fog"': 'slug = "mist"', 'protocol = "ue-tiny-v1"': 'protocol = "ue-other-v1"'},
        slug="mist",
    )
    smaller = np.ones((SHAPE[0] - 1, *SHAPE[1:]), np.int8)
    make_submission(tmp_path, smaller, edits={'slug = "fog"': 'slug = "haze"'}, slug="haze")
    absent = make_submission(tmp_path, tiny_values(3), edits={'slug = "fog"': 'slug = "rain"'}, slug="rain")
    (absent / "delta.safetensors").unlink()
    assert likenesses(load_submission(fog), neighbors(fog)) == []
    assert likenesses(load_submission(elsewhere), neighbors(elsewhere)) == []


def test_an_absent_copy_is_recognized_by_its_digest(tmp_path):
    fog = make_submission(tmp_path)
    copy = make_submission(tmp_path, edits={'slug = "fog"': 'slug = "mist"'}, slug="mist")
    (copy / "delta.safetensors").unlink()
    (found,) = likenesses(load_submission(fog), neighbors(fog))
    assert (found.slug, found.equal, found.alike) == ("mist", True, True)


def test_a_file_that_two_protocols_of_a_data_set_take_is_compared_once(tmp_path):
    for slug in ("fog", "mist"):
        edits = {'slug = "fog"': f'slug = "{slug}"', "ue-tiny-v1": "ue-digits-v1"}
        manifest = make_submission(tmp_path, edits=edits, slug=slug) / "submission.toml"
        text = manifest.read_text(encoding="utf-8")
        again = text[text.index("[[artifact]]") : text.index("[[reported]]")].replace("ue-digits-v1", "ue-digits-v2")
        text = text.replace('["ue-digits-v1"]', '["ue-digits-v1", "ue-digits-v2"]')
        manifest.write_text(f"{text}\n{again}", encoding="utf-8")
    fog = tmp_path / "submissions" / "fog"
    assert len(load_submission(fog).manifest.artifact) == 2
    assert [item.slug for item in likenesses(load_submission(fog), neighbors(fog))] == ["mist"]
