"""Which images a result is about: pinned by the protocol, else measured once or taken from a stored result."""

from collections.abc import Iterator

import pytest

from bench.data import DATASETS, FINDERS, identity, load_data
from bench.data.dataset import split_digest
from bench.data.identity import UNKNOWN, data_refs, pin_measured, pin_stated
from bench.errors import DataMismatch, DatasetMissing, UnknownName
from bench.protocol import Dataset, load_protocol
from bench.results import DataRef

PINNED = load_protocol("ue-digits-v1").dataset


def without_pins(*splits: str) -> Dataset:
    """The digits, as if the protocol did not pin these splits."""
    return PINNED.model_copy(
        update={split: getattr(PINNED, split).model_copy(update={"sha256": None}) for split in splits}
    )


@pytest.fixture(autouse=True)
def _nothing_measured_yet() -> Iterator[None]:
    identity._measured.cache_clear()
    yield
    identity._measured.cache_clear()


def refuse(*_: object) -> tuple[None, str]:
    raise DatasetMissing("digits: not here")


def test_pinned_images_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, "digits", refuse)
    monkeypatch.setitem(FINDERS, "digits", refuse)
    assert pin_measured(PINNED) is PINNED


@pytest.mark.parametrize("splits", [("train",), ("test",), ("train", "test")])
def test_a_measured_digest_is_that_of_the_images(splits: tuple[str, ...]) -> None:
    assert pin_measured(without_pins(*splits)) == PINNED
    assert PINNED.train.sha256 == split_digest(load_data(PINNED).train)


def test_images_are_measured_once_for_each_place(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    read = DATASETS["digits"]
    monkeypatch.setitem(DATASETS, "digits", lambda dataset: (loaded.append("read"), read(dataset))[1])
    dataset = without_pins("train")
    assert pin_measured(dataset) == pin_measured(dataset)
    assert len(loaded) == 1
    monkeypatch.setitem(FINDERS, "digits", lambda _: "elsewhere")
    pin_measured(dataset)
    assert len(loaded) == 2


def test_images_that_are_not_there_cannot_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FINDERS, "digits", refuse)
    with pytest.raises(DatasetMissing, match="not here"):
        pin_measured(without_pins("train"))
    with pytest.raises(UnknownName, match="known: cifar10"):
        pin_measured(without_pins("train").model_copy(update={"name": "digit"}))


def test_a_measured_digest_holds_other_images_off_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = pin_measured(without_pins("train"))
    data, source = DATASETS["digits"](PINNED)
    changed = data.train.images ^ 1
    monkeypatch.setitem(
        DATASETS, "digits", lambda _: (type(data)(type(data.train)(changed, data.train.labels), data.test), source)
    )
    load_data(without_pins("train"))
    with pytest.raises(DataMismatch, match="not the ones"):
        load_data(measured)


def test_stated_digests_fill_in_what_is_not_pinned_and_nothing_else() -> None:
    refs = (DataRef(name="digits/train", images=1, sha256="a" * 64), DataRef(name="digits/test", images=1, sha256="b"))
    found = pin_stated(without_pins("train"), refs)
    assert [(ref.name, ref.images, ref.sha256) for ref in data_refs(found)] == [
        ("digits/train", 1437, "a" * 64),
        ("digits/test", 360, PINNED.test.sha256),
    ]
    assert data_refs(pin_stated(without_pins("train"), ()))[0].sha256 == UNKNOWN
