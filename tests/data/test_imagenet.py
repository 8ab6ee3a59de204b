"""ImageNet-100 from folders: which files are taken, how they become pixels, and where these are kept."""

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.data import image_files, load_data
from bench.data.dataset import split_digest
from bench.data.identity import pin_measured
from bench.data.image_files import decode_image
from bench.data.imagenet import find_imagenet100, load_imagenet100
from bench.data.places import data_folders
from bench.errors import DataMismatch, DatasetMissing, UsageProblem
from bench.protocol import Dataset, Selection, Split, load_protocol

CLASSES = ("n01", "n02")
SIZE = 7
REAL_IMAGES = "tinyimagenet_subset.npz"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with two classes of three training and two validation images."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for split, count in (("train", 3), ("val", 2)):
        for label, name in enumerate(CLASSES):
            for index in range(count):
                # A flat color says which image it is.
                write_image(tmp_path / "imagenet100" / split / name / f"{index}.JPEG", 100 * label + 10 * index)
    return tmp_path / "imagenet100"


def write_image(path: Path, value: int, size: tuple[int, int] = (9, 12)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value,) * 3).save(path, "JPEG", quality=100)


def make_dataset(*, train: int = 2, test: int = 1) -> Dataset:
    return Dataset(
        name="imagenet100",
        classes=2,
        channels=3,
        height=SIZE,
        width=SIZE,
        class_names=CLASSES,
        train=Split(images=2 * train, select=Selection(per_class=train)),
        test=Split(images=2 * test, select=Selection(per_class=test)),
    )


def kept_files(root: Path) -> list[Path]:
    return sorted((root.parent / "cache" / "unlearnability-bench" / "pixels").iterdir())


def values(images: np.ndarray) -> list[int]:
    """The one value of each flat image."""
    assert all(image.min() == image.max() for image in images)
    return [int(image[0, 0, 0]) for image in images]


def test_the_first_files_of_each_class_by_name_are_taken(root: Path) -> None:
    data, source = load_imagenet100(make_dataset())
    assert source == str(root)
    assert data.train.images.shape == (4, 3, SIZE, SIZE)
    assert values(data.train.images) == [0, 10, 100, 110]
    assert data.train.labels.tolist() == [0, 0, 1, 1]
    assert values(data.test.images) == [0, 100]


def test_other_files_and_other_classes_are_passed_over(root: Path) -> None:
    folder = root / "train" / "n01"
    for name in (".0.JPEG", "._0.jpeg", "0.txt", "Thumbs.db"):
        (folder / name).write_bytes(b"no image")
    (root / "train" / "n00").mkdir()
    assert values(load_imagenet100(make_dataset())[0].train.images) == [0, 10, 100, 110]


def test_links_to_files_and_folders_are_followed(root: Path, tmp_path: Path) -> None:
    before = load_imagenet100(make_dataset())[0]
    shutil.move(root / "train" / "n01", tmp_path / "elsewhere")
    (root / "train" / "n01").symlink_to(tmp_path / "elsewhere")
    shutil.move(tmp_path / "elsewhere" / "0.JPEG", tmp_path / "image")
    (tmp_path / "elsewhere" / "0.JPEG").symlink_to(tmp_path / "image")
    assert split_digest(load_imagenet100(make_dataset())[0].train) == split_digest(before.train)


def test_a_link_to_nothing_is_named_and_not_passed_over(root: Path) -> None:
    (root / "train" / "n01" / "0.JPEG").unlink()
    (root / "train" / "n01" / "0.JPEG").symlink_to("nowhere")
    with pytest.raises(DataMismatch, match=r"n01/0\.JPEG: cannot be read \(No such file"):
        load_imagenet100(make_dataset())


def test_every_class_that_lacks_images_is_named(root: Path) -> None:
    shutil.rmtree(root / "train" / "n01")
    (root / "train" / "n02" / "1.JPEG").unlink()
    with pytest.raises(DatasetMissing) as caught:
        load_imagenet100(make_dataset(train=3))
    text = str(caught.value)
    assert "2 of 2 classes lack images, each needs at least 3" in text
    assert f"{root / 'train' / 'n01'}: no such folder" in text
    assert f"{root / 'train' / 'n02'}: 2 images" in text


def test_every_damaged_image_is_named_and_nothing_is_kept(root: Path) -> None:
    whole = (root / "train" / "n01" / "0.JPEG").read_bytes()
    (root / "train" / "n01" / "0.JPEG").write_bytes(whole[: len(whole) - 40])
    (root / "train" / "n02" / "1.JPEG").write_bytes(b"GIF89a")
    with pytest.raises(DataMismatch) as caught:
        load_imagenet100(make_dataset())
    assert "n01/0.JPEG: is no JPEG or PNG image, or is damaged" in str(caught.value)
    assert "n02/1.JPEG: is no JPEG or PNG image, or is damaged" in str(caught.value)
    assert kept_files(root) == []


def test_a_folder_that_is_not_there_is_looked_for_everywhere(root: Path) -> None:
    shutil.rmtree(root / "val")
    with pytest.raises(DatasetMissing) as caught:
        find_imagenet100(None)
    assert f"{root.parent}: lacks imagenet100/val/" in str(caught.value)
    assert f"{root.parent / 'data'}: no such folder" in str(caught.value)
    assert "imagenet100/train/<class>/" in str(caught.value)


@pytest.mark.parametrize("select", [Selection(first=2), Selection(per_class=1, exclude=(0,))])
def test_a_selection_that_would_need_all_images_is_refused(root: Path, select: Selection) -> None:
    dataset = make_dataset()
    with pytest.raises(UsageProblem, match="`per_class` alone"):
        load_imagenet100(dataset.model_copy(update={"train": dataset.train.model_copy(update={"select": select})}))


def test_pixels_are_decoded_once_and_mapped(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_data(make_dataset())
    assert [file.suffix for file in kept_files(root)] == [".npy", ".sha256"] * 2
    monkeypatch.setattr(image_files, "decode_image", None)
    again = load_data(make_dataset())
    assert split_digest(again.train) == split_digest(before.train)
    assert isinstance(again.train.images, np.memmap)


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: content[:-1] + b"\xff"])
def test_damaged_pixels_are_decoded_again(root: Path, damage: Callable[[bytes], bytes]) -> None:
    before = split_digest(load_data(make_dataset()).train)
    for file in kept_files(root):
        if file.suffix == ".npy":
            file.write_bytes(damage(file.read_bytes()))
    assert split_digest(load_data(make_dataset()).train) == before


def test_a_file_that_changes_is_decoded_again(root: Path) -> None:
    dataset = make_dataset()
    before = pin_measured(dataset).train.sha256
    path = root / "train" / "n01" / "0.JPEG"
    write_image(path, 200)
    os.utime(path, (1, 1))
    assert values(load_data(dataset).train.images) == [200, 10, 100, 110]
    # A worker that was told the digest refuses the new images.
    with pytest.raises(DataMismatch, match=str(before)):
        load_data(pin_measured(dataset))


def test_a_cache_that_cannot_be_written_costs_only_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root.parent / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(root.parent / "file"))
    assert values(load_data(make_dataset()).train.images) == [0, 10, 100, 110]


def test_a_full_disk_costs_only_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(root)._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert values(load_data(make_dataset()).train.images) == [0, 10, 100, 110]
    assert kept_files(root) == []


@pytest.mark.parametrize(("width", "height"), [(300, 400), (401, 300), (64, 64), (33, 1000)])
def test_an_image_becomes_what_torchvision_makes_of_it(tmp_path: Path, width: int, height: int) -> None:
    from torchvision.transforms import v2

    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    image.save(tmp_path / "image.png")
    expected = v2.Compose([v2.Resize(256), v2.CenterCrop(224), v2.PILToTensor()])(image)
    assert np.array_equal(decode_image(tmp_path / "image.png", 224), expected.numpy())


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
def test_gray_and_print_colors_become_rgb(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (20, 20)).save(tmp_path / "image.jpg")
    assert decode_image(tmp_path / "image.jpg", 7).shape == (3, 7, 7)


@pytest.mark.data
def test_real_jpeg_files_load_in_the_protocols_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = next((folder / REAL_IMAGES for folder in data_folders() if (folder / REAL_IMAGES).is_file()), None)
    if archive is None:
        pytest.skip(f"{REAL_IMAGES} is in no data folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    dataset = load_protocol("ue-imagenet100-v1").dataset
    write_real_images(archive, tmp_path / "imagenet100", dataset.class_names[:4])
    small = dataset.model_copy(
        update={
            "classes": 4,
            "class_names": dataset.class_names[:4],
            "train": Split(images=12, select=Selection(per_class=3)),
            "test": Split(images=8, select=Selection(per_class=2)),
        }
    )
    data = load_data(small)
    assert data.train.images.shape == (12, 3, 224, 224)
    assert np.bincount(data.test.labels).tolist() == [2] * 4
    # Photographs, not noise and not flat: neighbors are alike, and images differ.
    assert 10 < data.train.images.std() < 120
    assert np.abs(np.diff(data.train.images.astype(np.int16))).mean() < 8
    assert len({image.tobytes() for image in data.train.images}) == 12


def write_real_images(source: Path, folder: Path, names: tuple[str, ...]) -> None:
    archive = dict(np.load(source, allow_pickle=False))
    for split in ("train", "val"):
        heads, starts = archive[f"{split}_headers"], archive[f"{split}_header_offsets"]
        body, offsets = archive[f"{split}_body"], archive[f"{split}_offsets"]
        for index, label in enumerate(archive[f"{split}_label"]):
            if label >= len(names):
                continue
            kind = int(archive[f"{split}_header_id"][index])
            content = heads[starts[kind] : starts[kind + 1]].tobytes()
            content += body[offsets[index] : offsets[index + 1]].tobytes()
            path = folder / split / names[label] / f"{index:05}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.open(io.BytesIO(content)).verify()
            path.write_bytes(content)
