"""The quick seal against the plain one."""

from typing import Any

from factories import make_result
from hypothesis import given
from hypothesis import strategies as st
from unlearning_factory import Left, make_checkpoint_result

from bench.results import leaves, seal_of
from bench.seals import flat_leaves, quick_seal

NUMBERS = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**53) + 1, 2**53 - 1))
DOCUMENTS: st.SearchStrategy[Any] = st.dictionaries(
    st.text("ab~/\u05e9"),
    st.recursive(
        st.one_of(st.none(), st.booleans(), NUMBERS, st.text()),
        lambda inner: st.one_of(st.lists(inner), st.lists(inner).map(tuple), st.dictionaries(st.text("ab~/"), inner)),
        max_leaves=20,
    ),
)


@given(DOCUMENTS)
def test_any_document_has_the_same_leaves_and_the_same_seal(document: Any) -> None:
    assert flat_leaves(document) == list(leaves(document))
    assert quick_seal(flat_leaves(document)) == seal_of(document)


def test_results_have_the_seal_that_they_carry() -> None:
    for result in (make_result(), make_checkpoint_result(Left(gus=0.4, patch=0.2))):
        body = result.model_dump(
            mode="json", by_alias=True, exclude_none=True, include={"schema_", "subject", "outcome"}
        )
        assert quick_seal(flat_leaves(body)) == result.seal
