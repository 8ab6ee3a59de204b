import pytest
from hypothesis import given
from hypothesis import strategies as st
from protocol_factory import DEFENSES

from bench.leaderboard.wording import (
    DEFENSE_WORDS,
    NO_INTERVAL,
    control_sentence,
    cost_words,
    drop_sentence,
    interval_text,
    list_words,
    machine_words,
    number,
    short_names,
    show,
    time_words,
    with_unit,
)
from bench.metrics.catalog import METRICS
from bench.results import Measurement, summarize

DROP = METRICS["accuracy_drop"]
ACCURACY = METRICS["test_accuracy"]


def drop(*values: float) -> Measurement:
    return summarize("accuracy_drop", "m/none", values)


@pytest.mark.parametrize(
    ("value", "text"), [(0.9649, "96.5"), (0.0, "0.0"), (-0.0004, "0.0"), (-0.012, "\u22121.2"), (1.0, "100.0")]
)
def test_number_rounds_to_the_catalog_with_a_true_minus(value: float, text: str) -> None:
    assert number(ACCURACY, value) == text


def test_unit_follows_the_catalog() -> None:
    assert with_unit(ACCURACY, 0.5) == "50.0\u202f%"
    assert with_unit(DROP, 0.5) == "50.0 points"
    assert with_unit(METRICS["ud"], 0.5) == "0.50"


def test_interval_reads_low_to_high() -> None:
    assert interval_text(DROP, (-0.01, 0.02)) == "\u22121.0 to 2.0"


def test_one_seed_has_a_mean_and_says_that_there_is_no_interval() -> None:
    shown = show(ACCURACY, summarize("test_accuracy", "m/none", [0.0]))
    assert (shown.text, shown.interval, shown.sort, shown.n) == ("0.0\u202f%", NO_INTERVAL, "0.0", 1)


def test_a_missing_number_is_a_word_with_its_reason() -> None:
    failed = Measurement(metric="ud", condition="m/none", status="failed", reason="loss is not finite")
    shown = show(METRICS["ud"], failed)
    assert (shown.text, shown.reason, shown.sort) == ("failed", "loss is not finite", "")
    assert show(METRICS["ud"], None).text == "not measured yet"


def test_drop_sentence_states_points_and_interval() -> None:
    # 0.85, 0.87, 0.86: mean 0.86, sd 0.01, half width 4.302653 * 0.01 / sqrt(3) = 0.02484.
    text = drop_sentence("LSP", "Clean", drop(0.85, 0.87, 0.86), DROP)
    assert text == "LSP lowers clean test accuracy by 86.0 points against Clean (95\u202f% interval 83.5 to 88.5)."


def test_drop_sentence_turns_a_negative_drop_around() -> None:
    text = drop_sentence("X", "Clean", drop(-0.01, -0.02, -0.03), DROP)
    assert text == "X raises clean test accuracy by 2.0 points against Clean (95\u202f% interval \u22120.5 to 4.5)."


def test_drop_sentence_with_one_seed_and_with_none() -> None:
    assert NO_INTERVAL in drop_sentence("X", "Clean", drop(0.1), DROP)
    assert drop_sentence("X", "Clean", None, DROP).endswith("not measured yet.")


NO_EFFECT = "shows no effect larger than 3 points, as it must not"
EFFECT = "shows an effect: this board needs an explanation"
UNDECIDED = "the seeds do not decide whether the control has an effect of 3 points"


# Half width of three seeds: 4.302653 sd / sqrt(3) = 2.484 sd.
@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((0.01, -0.01, 0.0), NO_EFFECT),  # -2.5 to 2.5 points
        ((0.009, 0.010, 0.011), NO_EFFECT),  # 0.8 to 1.2 points: away from 0 and still no effect of 3 points
        ((0.10, 0.11, 0.12), EFFECT),  # 8.5 to 13.5 points
        ((-0.10, -0.11, -0.12), EFFECT),
        ((0.10, -0.10, 0.0), UNDECIDED),  # -24.8 to 24.8 points: contains 0 and proves nothing
        ((0.03, 0.04, 0.05), UNDECIDED),  # 1.5 to 6.5 points
    ],
)
def test_control_sentence_reads_the_whole_interval_against_the_margin(values: tuple[float, ...], words: str) -> None:
    assert [text for text in (NO_EFFECT, EFFECT, UNDECIDED) if text in control_sentence(drop(*values))] == [words]


def test_control_sentence_without_an_interval_decides_nothing() -> None:
    assert "does not decide" in control_sentence(drop(0.0))
    assert "not been measured" in control_sentence(None)


def test_intervals_on_pages_end_at_the_bounds_of_the_metric() -> None:
    # 0.999, 1, 1: mean 0.99967, half width 4.302653 * 0.000577 / sqrt(3) = 0.00143, so the interval passes 1.
    measured = summarize("train_accuracy", "m/none", (0.999, 1.0, 1.0))
    assert measured.ci95 is not None
    assert measured.ci95[1] > 1
    shown = show(METRICS["train_accuracy"], measured)
    assert shown.interval == "99.8 to 100.0"
    assert shown.bounds == (measured.ci95[0], 1.0)
    assert interval_text(METRICS["ud"], (-0.2, 1.4)) == "0.00 to 1.40"


def test_every_defense_has_words() -> None:
    assert set(DEFENSES) <= set(DEFENSE_WORDS)
    assert DEFENSE_WORDS["jpeg"] == "JPEG, quality 10"


def test_short_names_leave_out_brackets_unless_two_would_be_the_same() -> None:
    assert short_names({"lsp": "LSP (linear)", "ops": "OPS"}) == {"lsp": "LSP", "ops": "OPS"}
    assert short_names({"lsp-a": "LSP (a)", "lsp-b": "LSP (b)"}) == {"lsp-a": "LSP, a", "lsp-b": "LSP, b"}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("EM (noise, sample-wise)", "EM (noise, class-wise)"), ("EM, sample-wise", "EM, class-wise")),
        (("EM", "EM (class-wise)"), ("EM", "EM, class-wise")),
        (("EM (noise)", "EM (noise)", "TAP (noise)"), ("EM, s0", "EM, s1", "TAP")),
        (("EM (a)", "EM (b)", "EM, a"), ("EM, s0", "EM, b", "EM, a, s2")),
        (("EM", "EM", "EM, s0"), ("s0", "EM, s1", "s2")),
    ],
)
def test_short_names_that_clash_say_what_differs(names: tuple[str, ...], expected: tuple[str, ...]) -> None:
    found = short_names({f"s{index}": name for index, name in enumerate(names)})
    assert tuple(found.values()) == expected


@given(st.lists(st.sampled_from(("EM", "EM (a)", "EM (a, b)", "EM, s1", "s2", "EM, a", "A (")), max_size=6))
def test_short_names_are_all_different(names: list[str]) -> None:
    found = short_names({f"s{index}": name for index, name in enumerate(names)})
    assert len(set(found.values())) == len(names)


def test_list_words_joins_as_one_speaks() -> None:
    assert [list_words(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "none",
        "a",
        "a and b",
        "a, b and c",
    ]


def test_a_machine_is_described_in_words():
    assert (
        machine_words({"cpu": "X", "cores": 2, "memory_bytes": 25_276_514_304}) == "X, 2 cores, 25 GB, no accelerator"
    )
    assert (
        machine_words({"cpu": "X", "cores": 16, "memory_bytes": 128_000_000_000, "gpu": "G"})
        == "G; X, 16 cores, 128 GB"
    )
    assert machine_words({}) == "not recorded"


def test_costs_are_minutes_shares_and_gigabytes():
    cost = {"seconds": 192.0, "sal_seconds": 96.0, "peak_memory_bytes": 790_073_344.0}
    assert cost_words(cost) == "3.2 minutes in all, SAL 50% of it, 0.8 GB of memory"
    assert cost_words({}) == "not recorded"


def test_times_are_shown_to_the_minute():
    assert time_words("2026-11-21T04:53:02+00:00") == "2026-11-21 04:53"
    assert time_words("") == "not recorded"
