"""Which images a result is about: both splits by digest, pinned by the protocol or measured on the images at hand.

May import numpy, bench.data and records; no torch, so that planning and verification can use it.
"""

from collections.abc import Iterable
from functools import cache

from bench.data import find_data, load_data
from bench.data.dataset import split_digest
from bench.protocol import Dataset
from bench.results import DataRef

UNKNOWN = ""
"""The digest of a split that a stored result says nothing about; no images have it."""


def pin_measured(dataset: Dataset) -> Dataset:
    """Return the data set with a digest for both splits; those that the protocol pins none for are measured.

    The images are read once a process. Raises UnknownName, DatasetMissing, DataMismatch, and nothing where all is
    pinned.
    """
    if dataset.train.sha256 and dataset.test.sha256:
        return dataset
    return _measured(dataset, find_data(dataset))


def pin_stated(dataset: Dataset, refs: Iterable[DataRef]) -> Dataset:
    """Return the data set with a digest for both splits; those that the protocol pins none for come from a result.

    refs: what the result says that it used. No image is read.
    """
    stated = {ref.name: ref.sha256 for ref in refs}
    return _pinned(dataset, *(stated.get(f"{dataset.name}/{split}", UNKNOWN) for split in ("train", "test")))


def data_refs(dataset: Dataset) -> tuple[DataRef, DataRef]:
    """Return both splits by digest. dataset: pinned, if need be by one of the functions above."""
    train, test = dataset.train, dataset.test
    assert train.sha256 is not None, "pin_measured or pin_stated comes first"
    assert test.sha256 is not None, "pin_measured or pin_stated comes first"
    return (
        DataRef(name=f"{dataset.name}/train", images=train.images, sha256=train.sha256),
        DataRef(name=f"{dataset.name}/test", images=test.images, sha256=test.sha256),
    )


# The place is part of the key: another folder may hold other images.
@cache
def _measured(dataset: Dataset, _place: str) -> Dataset:
    data = load_data(dataset)
    return _pinned(dataset, split_digest(data.train), split_digest(data.test))


def _pinned(dataset: Dataset, train: str, test: str) -> Dataset:
    """Return the data set with these digests, each where the protocol has none."""
    return dataset.model_copy(
        update={
            "train": dataset.train.model_copy(update={"sha256": dataset.train.sha256 or train}),
            "test": dataset.test.model_copy(update={"sha256": dataset.test.sha256 or test}),
        }
    )
