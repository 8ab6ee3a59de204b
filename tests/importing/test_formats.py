"""Every released format gives back the change that was put in, for the protocol's rows, with the digest recorded."""

import numpy as np
import pytest
import torch
from PIL import Image
from release_factory import (
    import_release,
    make_delta,
    perturb,
    png_bytes,
    whole_target,
    write_npy,
    write_pickle,
    write_tensor,
    write_zip,
)

from bench.artifacts import encode_perturbation, read_perturbation
from bench.importing import FORMATS, WITHOUT_FILES
from bench.manifest_problems import is_fill_in
from bench.submission import Artifact, manifest_table


def delta_releases(path, delta):
    fractions = torch.tensor(delta / 255, dtype=torch.float32)
    nhwc = delta.transpose(0, 2, 3, 1)
    return {
        "em": lambda: ("pt", write_tensor(path / "em.pt", fractions)),
        "em-channels-last-memory": lambda: (
            "pt",
            write_tensor(path / "em.pt", fractions.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)),
        ),
        "em-before-zip": lambda: ("pt", write_tensor(path / "em.pt", fractions, legacy=True)),
        "rem": lambda: ("pkl", write_pickle(path / "rem.pkl", delta)),
        "rem-protocol-2": lambda: ("pkl", write_pickle(path / "rem.pkl", delta, 2)),
        "rem-protocol-5": lambda: ("pkl", write_pickle(path / "rem.pkl", delta, 5)),
        "ops": lambda: ("npy", write_npy(path / "ops.npy", nhwc / 255)),
        "big-endian": lambda: ("npy", write_npy(path / "big.npy", (nhwc / 255).astype(">f4"))),
        "fortran": lambda: ("npy", write_npy(path / "fortran.npy", np.asfortranarray(delta))),
    }


def image_releases(path, images, labels):
    fractions = torch.tensor(images / 255, dtype=torch.float32)
    pictures = {f"{index}.png": png_bytes(image) for index, image in enumerate(images)}
    return {
        "pil": lambda: ("pt", write_tensor(path / "pil.pt", {"data": fractions, "labels": torch.tensor(labels)})),
        "pil-list": lambda: ("pt", write_tensor(path / "pil.pt", {"data": fractions, "labels": labels.tolist()})),
        "avatar": lambda: ("npz", _savez(path, data=images.transpose(0, 2, 3, 1), targets=labels)),
        "tap": lambda: (
            "png",
            write_zip(path / "tap.zip", {f"tap/data/{name}": png for name, png in pictures.items()}),
        ),
        "iss": lambda: ("png", write_zip(path / "iss.zip", dict(reversed(pictures.items())))),
        "folder": lambda: ("png", _write_folder(path / "iss", pictures)),
        "apbench-classes": lambda: ("png", write_zip(path / "classes.zip", _by_class(images, labels))),
    }


DELTA_RELEASES = sorted(delta_releases(None, np.zeros((1, 1, 1, 1))))
IMAGE_RELEASES = sorted(image_releases(None, np.zeros((0, 1, 8, 8), np.uint8), np.zeros(0)))


def _savez(path, **arrays):
    np.savez_compressed(path / "avatar.npz", **arrays)
    return path / "avatar.npz"


def _write_folder(folder, pictures):
    (folder / "data").mkdir(parents=True)
    for name, content in pictures.items():
        (folder / "data" / name).write_bytes(content)
    (folder / "README.txt").write_text("about")
    return folder


def _by_class(images, labels):
    rank = [int((labels[:at] == labels[at]).sum()) for at in range(len(labels))]
    return {f"c/{label}/{rank[at]}.png": png_bytes(images[at]) for at, label in enumerate(labels)}


def read_back(root, report):
    artifact = Artifact(
        role="perturbation",
        protocol=report.protocol,
        path="delta.safetensors",
        sha256=report.sha256,
        bytes=report.bytes,
        kind=report.kind,
        norm=report.norm,
    )
    found = read_perturbation(root / "submissions" / "fog", artifact)
    assert (found.sha256, found.size) == (report.sha256, report.bytes)
    return found.values


@pytest.mark.parametrize("release", DELTA_RELEASES)
def test_changes_come_back_for_the_rows_of_the_protocol(root, release):
    delta = make_delta()
    report = import_release(root, *delta_releases(root, delta)[release]())
    expected = delta[whole_target().positions]
    assert (read_back(root, report) == expected).all()
    assert (report.rows, report.used, report.unused, report.norm) == (1437, 60, 1377, "linf")


@pytest.mark.parametrize("release", IMAGE_RELEASES)
def test_images_come_back_as_their_difference_from_the_clean_ones(root, release):
    target, images = whole_target(), perturb(make_delta())
    report = import_release(root, *image_releases(root, images, target.labels)[release]())
    expected = images.astype(np.int16) - target.images
    assert (read_back(root, report) == expected[target.positions]).all()
    assert report.labels is None or report.labels.agreeing == report.labels.rows == 60


def test_equal_changes_give_equal_bytes_whatever_the_format(root):
    delta = make_delta()
    digests = {
        import_release(root, *build(), slug=f"fog-{number}").sha256
        for number, build in enumerate(delta_releases(root, delta).values())
    }
    assert len(digests) == 1
    assert len(encode_perturbation(delta[:60])) == (root / "submissions/fog-0/delta.safetensors").stat().st_size


def test_a_file_with_the_rows_of_the_protocol_is_taken_in_its_order(root):
    delta = make_delta()[:60]
    report = import_release(root, "npy", write_npy(root / "own.npy", delta))
    assert (read_back(root, report) == delta).all()
    assert report.unused == 0


@pytest.mark.parametrize("kind", ["array", "bytes", "tensor", "picture"])
def test_lists_of_image_and_label_are_put_in_order(root, kind):
    target = whole_target()
    delta = np.sign(make_delta()) * 2
    images = perturb(delta)
    write = {
        "array": lambda image: image,
        "bytes": lambda image: image.tobytes(),
        "tensor": lambda image: torch.tensor(image / 255),
        "picture": lambda image: Image.fromarray(image[0]),
    }[kind]
    by_class = np.argsort(target.labels, kind="stable")
    content = [(write(images[at]), int(target.labels[at])) for at in by_class]
    report = import_release(root, "pkl", write_pickle(root / "dune.pkl", content), tolerance=4)
    assert (read_back(root, report) == (images.astype(np.int16) - target.images)[target.positions]).all()
    assert (report.order, report.labels.agreeing) == ("match", 60)


def test_a_change_a_class_is_given_to_every_image_of_the_class(root):
    table = np.random.default_rng(1).integers(-30, 31, (10, 1, 8, 8))
    file = write_tensor(root / "class.pt", torch.tensor(table / 255, dtype=torch.float32))
    report = import_release(root, "pt", file)
    target = whole_target()
    assert (read_back(root, report) == table[target.labels[target.positions]]).all()
    assert (report.kind, report.form) == ("class-wise", "a row a class")


def test_a_bank_gives_each_image_a_drawn_member_of_its_class(root):
    table = np.random.default_rng(1).integers(-30, 31, (3, 10, 1, 8, 8))
    file = write_tensor(root / "bank.pt", torch.tensor(table / 255, dtype=torch.float32))
    report = import_release(root, "pt", file, seed=5)
    target = whole_target()
    values, labels = read_back(root, report), target.labels[target.positions]
    members = [
        np.flatnonzero((table[:, label] == row).all(axis=(1, 2, 3))) for row, label in zip(values, labels, strict=True)
    ]
    assert all(len(member) == 1 for member in members)
    assert {int(member[0]) for member in members} == {0, 1, 2}
    assert report.form == "a bank of classes"


def test_the_manifest_lacks_only_what_the_author_knows(root):
    import_release(root, "npy", write_npy(root / "own.npy", make_delta()))
    table = manifest_table((root / "submissions/fog/submission.toml").read_text())
    Artifact.model_validate(table["artifact"][0])
    open_keys = {key for key, value in table["method"].items() if is_fill_in(value)}
    assert open_keys == {"name", "family", "summary", "uses_labels"}


def test_the_documentation_names_every_format():
    from pathlib import Path

    text = (Path(__file__).resolve().parents[2] / "docs" / "importing.md").read_text(encoding="utf-8")
    assert [name for name in (*FORMATS, *WITHOUT_FILES) if f"`{name}`" not in text] == []
