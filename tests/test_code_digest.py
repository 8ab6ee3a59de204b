"""The digest of evaluation code changes with what the code does, and with nothing else."""

import pytest

from bench.code_digest import code_digest, source_digest

SOURCE = '''
def scale(values, factor=2.0):
    """Return the values, scaled."""
    return [factor * value for value in values]  # in order
'''


def test_wording_does_not_count():
    reworded = SOURCE.replace("Return the values, scaled.", "Scale values.").replace("  # in order", "")
    assert source_digest(reworded) == source_digest(SOURCE)
    assert source_digest("\n\n" + SOURCE.replace("values, factor", "values,\n    factor")) == source_digest(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"), [("2.0", "2.5"), ("2.0", "2"), ("factor * value", "factor + value"), ("scale(", "scale2(")]
)
def test_a_change_of_meaning_counts(old, new):
    assert source_digest(SOURCE.replace(old, new)) != source_digest(SOURCE)


def test_a_string_that_is_used_counts():
    assert source_digest("x = 'a'") != source_digest("x = 'b'")


def test_the_digest_is_the_same_on_every_supported_python():
    """Pinned, so that a syntax tree that a new Python builds differently shows here and not as a stale board."""
    assert source_digest(SOURCE) == "40c24c856edee5280c58602725707005cde7834b69b4ec99451d41a2c629b9e9"


def test_order_and_repetition_of_modules_do_not_matter():
    one, other = "bench.metrics.sal", "bench.metrics.distance"
    assert code_digest([one, other]) == code_digest([other, one, one])
    assert code_digest([one]) != code_digest([other])


def test_an_unknown_module_is_an_error():
    with pytest.raises(ModuleNotFoundError, match=r"bench\.metrics\.none"):
        code_digest(["bench.metrics.none"])
