"""CIFAR: two forms, one order; nothing is opened that is not the original file."""

import hashlib
import pickle
from dataclasses import replace
from pathlib import Path

import cifar_factory as factory
import numpy as np
import pytest

from bench.data import cifar, load_data
from bench.data.cifar_archives import CIFAR10_ARCHIVES, CIFAR100_ARCHIVES, lacking_archives, read_archives
from bench.data.cifar_batches import CIFAR10_BATCHES, CIFAR100_BATCHES, lacking_batches, pin_batches, read_batches
from bench.data.dataset import ImageData, ImageSplit, split_digest
from bench.errors import DataMismatch, DatasetMissing
from bench.protocol import ReleaseFile, Selection, load_protocol


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def same(found: ImageSplit, expected: ImageSplit) -> bool:
    return split_digest(found) == split_digest(expected)


def test_official_files_and_archives_give_the_same_images_in_the_same_order(tmp_path: Path) -> None:
    data = factory.make_data()
    official = read_batches(tmp_path, factory.write_batches(tmp_path, data), 12)
    archived = read_archives(tmp_path, factory.write_archives(tmp_path, data), 12)
    for found in (official, archived):
        assert same(found.train, data.train)
        assert same(found.test, factory.interleaved(data.test))


def test_test_images_alternate_between_classes(tmp_path: Path) -> None:
    found = read_batches(tmp_path, factory.write_batches(tmp_path, factory.make_data()), 1)
    assert found.test.labels.tolist() == [0, 1, 2, 0, 1, 2]


def test_classes_of_unequal_size_cannot_alternate(tmp_path: Path) -> None:
    data = factory.make_data()
    odd = ImageData(data.train, ImageSplit(data.test.images, np.array([0, 0, 0, 1, 1, 2])))
    batches = factory.write_batches(tmp_path, odd)
    with pytest.raises(DataMismatch, match=r"found sizes \[3, 2, 1\]"):
        read_batches(tmp_path, batches, 12)


@pytest.mark.parametrize(("needed", "expected"), [(1, 6), (6, 6), (7, 12), (12, 12)])
def test_only_the_files_that_are_needed_are_read(tmp_path: Path, needed: int, expected: int) -> None:
    data = factory.make_data()
    batches, archives = factory.write_batches(tmp_path, data), factory.write_archives(tmp_path, data)
    if expected == 6:
        (tmp_path / "batches" / "part_1").unlink()
        (tmp_path / "train1.npz").unlink()
    assert not lacking_batches(tmp_path, batches, needed)
    assert not lacking_archives(tmp_path, archives, needed)
    assert len(read_batches(tmp_path, batches, needed).train.labels) == expected
    assert len(read_archives(tmp_path, archives, needed).train.labels) == expected


def test_a_changed_batch_file_is_not_opened(tmp_path: Path) -> None:
    batches = factory.write_batches(tmp_path, factory.make_data())
    (tmp_path / "batches" / "part_0").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(DataMismatch, match=r"part_0: not the file that is expected(.|\n)*expected md5"):
        read_batches(tmp_path, batches, 12)


def test_a_protocols_md5_replaces_the_published_one(tmp_path: Path) -> None:
    batches = factory.write_batches(tmp_path, factory.make_data())
    pinned = pin_batches(batches, [ReleaseFile(name="batches/part_1", md5="0" * 32)])
    assert pinned.train[0] == batches.train[0]
    with pytest.raises(DataMismatch, match=r"part_1: not the file(.|\n)*expected md5 0{32}"):
        read_batches(tmp_path, pinned, 12)


def test_a_pinned_file_that_a_data_set_does_not_have_is_named(tmp_path: Path) -> None:
    batches = factory.write_batches(tmp_path, factory.make_data())
    with pytest.raises(DataMismatch, match="batches/part_9: pinned by the protocol, but not a file of batches"):
        pin_batches(batches, [ReleaseFile(name="batches/part_9", md5="0" * 32)])


def test_cifar100_is_pinned_by_the_published_files() -> None:
    dataset = load_protocol("ue-cifar100-v1").dataset
    assert pin_batches(CIFAR100_BATCHES, (*dataset.train.files, *dataset.test.files)) == CIFAR100_BATCHES
    assert dataset.train.sha256 is None


def test_a_pickle_that_asks_for_more_than_arrays_is_refused_even_if_its_checksum_is_right(tmp_path: Path) -> None:
    batches = factory.write_batches(tmp_path, factory.make_data())
    hostile = b"cos\nsystem\n(S'false'\ntR."
    (tmp_path / "batches" / "part_0").write_bytes(hostile)
    forged = replace(batches.train[0], md5=hashlib.md5(hostile, usedforsecurity=False).hexdigest())
    with pytest.raises(pickle.UnpicklingError, match=r"os\.system is not part of an image file"):
        read_batches(tmp_path, replace(batches, train=(forged,)), 1)


def test_an_array_of_objects_is_refused(tmp_path: Path) -> None:
    data = factory.make_data()
    batches = factory.write_batches(tmp_path, data)
    forged = factory.write_batch(tmp_path / "batches" / "part_0", data.train, dtype=b"O8")
    with pytest.raises(pickle.UnpicklingError, match="uint8 only"):
        read_batches(tmp_path, replace(batches, train=(forged,)), 1)


def test_a_changed_archive_is_not_opened(tmp_path: Path) -> None:
    archives = factory.write_archives(tmp_path, factory.make_data())
    with (tmp_path / "test.npz").open("ab") as file:
        file.write(b"x")
    with pytest.raises(DataMismatch, match=r"test\.npz: not the file that is expected"):
        read_archives(tmp_path, archives, 1)


def test_a_changed_decoder_is_not_run(tmp_path: Path) -> None:
    archives = factory.write_archives(tmp_path, factory.make_data())
    (tmp_path / "pixpack.py").write_text("raise SystemExit('was run')")
    with pytest.raises(DataMismatch, match="not the decoder that is expected, it was not run"):
        read_archives(tmp_path, archives, 1)


def test_pixels_that_decode_to_something_else_are_refused(tmp_path: Path) -> None:
    archives = factory.write_archives(tmp_path, factory.make_data())
    other = factory.DECODER.replace(b"255", b"254")
    (tmp_path / "pixpack.py").write_bytes(other)
    with pytest.raises(DataMismatch, match="decoded pixels do not have the digest"):
        read_archives(tmp_path, replace(archives, decoder_sha256=hashlib.sha256(other).hexdigest()), 1)


def test_decoded_pixels_are_kept_and_a_damaged_copy_is_decoded_again(tmp_path: Path) -> None:
    data = factory.make_data()
    archives = factory.write_archives(tmp_path, data)
    read_archives(tmp_path, archives, 12)
    decoder = (tmp_path / "pixpack.py").read_bytes()
    (tmp_path / "pixpack.py").unlink()
    assert same(read_archives(tmp_path, archives, 12).train, data.train)
    (tmp_path / "pixpack.py").write_bytes(decoder)
    kept = sorted((tmp_path / "cache" / "unlearnability-bench" / "pixels").iterdir())
    assert [file.name for file in kept] == sorted(
        f"{item.sha256[:16]}.npy" for item in (*archives.train, archives.test)
    )
    for file in kept:
        file.write_bytes(file.read_bytes()[:-1])
    assert same(read_archives(tmp_path, archives, 12).train, data.train)


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    data = factory.make_data()
    assert same(read_archives(tmp_path, factory.write_archives(tmp_path, data), 12).train, data.train)


def test_images_that_exist_in_no_archive_are_named(tmp_path: Path) -> None:
    assert "training images 10000 to 49999" in lacking_archives(tmp_path, CIFAR100_ARCHIVES, 50_000)[-1]


def test_missing_data_names_every_place_and_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    partly = tmp_path / "partly" / CIFAR10_BATCHES.folder
    partly.mkdir(parents=True)
    (partly / "test_batch").touch()
    monkeypatch.setenv("BENCH_DATA", f"{tmp_path / 'nothing'}:{tmp_path / 'partly'}")
    with pytest.raises(DatasetMissing) as caught:
        cifar.find_cifar10(10_000)
    text = str(caught.value)
    assert caught.value.exit_code == 5
    assert f"{tmp_path / 'nothing'}: no such folder" in text
    assert f"{tmp_path / 'partly'}: lacks cifar-10-batches-py/data_batch_1; and lacks cifar10_train1.npz" in text
    assert f"{tmp_path / 'data'}: no such folder" in text
    assert f"{tmp_path / 'cache' / 'unlearnability-bench' / 'data'}: no such folder" in text
    assert "$BENCH_DATA" in text


def test_the_first_folder_that_holds_enough_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = factory.make_data()
    for name in ("a", "b", "c"):
        archives = factory.write_archives(tmp_path / name, data)
    batches = factory.write_batches(tmp_path / "c", data)
    (tmp_path / "a" / "train1.npz").unlink()
    monkeypatch.setattr(cifar, "CIFAR10", ("cifar10", batches, archives))
    monkeypatch.setattr(cifar, "TRAIN_IMAGES", 12)
    monkeypatch.setenv("BENCH_DATA", f"{tmp_path / 'a'}:{tmp_path / 'b'}:{tmp_path / 'c'}")
    assert cifar.find_cifar10(6) == str(tmp_path / "a")
    assert cifar.find_cifar10(None) == str(tmp_path / "b")
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "c"))
    assert cifar.find_cifar10(None) == str(tmp_path / "c" / "batches")
    asked = load_protocol("ue-cifar10-mini-v1").dataset
    asked = asked.model_copy(update={"train": asked.train.model_copy(update={"select": Selection(first=6)})})
    found, source = cifar.load_cifar10(asked)
    assert source == str(tmp_path / "c" / "batches")
    assert same(found.train, factory.parts(data.train)[0])


@pytest.mark.data
@pytest.mark.slow
def test_the_mini_protocol_pins_images_that_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    dataset = load_protocol("ue-cifar10-mini-v1").dataset
    try:
        cifar.find_cifar10(dataset.train.select.first)
    except DatasetMissing as reason:
        pytest.skip(str(reason))
    data = load_data(dataset)
    assert np.bincount(data.train.labels).tolist() == [500] * 10
    assert np.bincount(data.test.labels).tolist() == [200] * 10


@pytest.mark.data
@pytest.mark.slow
def test_the_full_protocol_pins_all_images_that_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    dataset = load_protocol("ue-cifar10-v1").dataset
    try:
        cifar.find_cifar10(None)
    except DatasetMissing as reason:
        pytest.skip(str(reason))
    data = load_data(dataset)
    assert (len(data.train.labels), len(data.test.labels)) == (50_000 - 86, 10_000 - 25)


@pytest.mark.data
@pytest.mark.slow
def test_cifar100_test_images_are_the_pinned_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    dataset = load_protocol("ue-cifar100-v1").dataset
    part = dataset.train.model_copy(update={"images": 10_000, "select": Selection(first=10_000)})
    try:
        data = load_data(dataset.model_copy(update={"train": part}))
    except DatasetMissing as reason:
        pytest.skip(str(reason))
    assert len(data.test.labels) == 10_000


def test_the_pinned_archives_are_complete_for_cifar10() -> None:
    assert sum(archive.images for archive in CIFAR10_ARCHIVES.train) == cifar.TRAIN_IMAGES
