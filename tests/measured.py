"""A protocol on real digits so small that a cell takes a second, and submissions made for it."""

from pathlib import Path

import numpy as np

from bench.artifacts import write_perturbation
from bench.attacks.attack import CraftInput
from bench.attacks.random_noise import craft_random
from bench.data.dataset import select_images, split_digest
from bench.data.digits import load_digits
from bench.protocol import Budgets, Protocol, Selection, load_protocol

PROTOCOL_ID = "ue-small-v1"

_PROTOCOL = """
schema = "bench.protocol/1"
id = "{id}"
track = "ue"
title = "Sixty digits"
summary = "For tests only: real digits, two epochs, a second a cell."

[dataset]
name = "digits"
classes = 10
channels = 1
height = 8
width = 8
class_names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]

[dataset.train]
images = 60
sha256 = "{train}"
select = {{ per_class = 6 }}

[dataset.test]
images = 30
sha256 = "{test}"
select = {{ per_class = 3 }}

[budgets]
linf = 32
l0 = 1

[recipe]
epochs = 2
batch_size = 20
learning_rate = 0.05
momentum = 0.9
weight_decay = 0.0005
schedule = "cosine"

[sal]
estimator = "exact"
epsilon = 0.05
epochs = [1, 2]
probe_images = 20
max_steps = 1
tolerance = 0.01

[[conditions]]
model = "resnet-narrow"
defense = "none"
primary = true
seeds = {{ quick = 1, full = 2 }}
"""

_MANIFEST = """
schema = "bench.submission/1"
track = "ue"
slug = "{slug}"
protocols = ["{protocol}"]
submitted = 2026-01-02

[method]
name = "{slug}"
family = "{family}"
summary = "For tests only."
uses_labels = false

[[authors]]
name = "Tests"
{artifact}
[disclosure]
test_set_used = false

[agreement]
artifact_license = "CC0-1.0"
publish = true
"""

_ARTIFACT = """
[[artifact]]
role = "perturbation"
protocol = "{protocol}"
path = "delta.safetensors"
sha256 = "{sha256}"
bytes = {size}
kind = "sample-wise"
norm = "linf"
"""


def write_protocol(folder: Path) -> None:
    """Write the small protocol, its digests computed from the images themselves."""
    data, _ = load_digits(load_protocol("ue-digits-v1").dataset)
    train, test = (
        select_images(split, Selection(per_class=count)) for split, count in ((data.train, 6), (data.test, 3))
    )
    text = _PROTOCOL.format(id=PROTOCOL_ID, train=split_digest(train), test=split_digest(test))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{PROTOCOL_ID}.toml").write_text(text)


def write_clean(root: Path) -> Path:
    """Write the reference submission and return its folder."""
    return _write(root, "clean", "reference", "")


def write_noise(root: Path, slug: str = "noise", seed: int = 0) -> Path:
    """Write a submission of random noise within the budget and return its folder."""
    folder = root / "submissions" / slug
    folder.mkdir(parents=True, exist_ok=True)
    images = np.zeros((60, 1, 8, 8), np.uint8)
    values = craft_random(CraftInput(images, np.zeros(60, np.int64), Budgets(linf=32), seed))
    sha256, size = write_perturbation(folder / "delta.safetensors", values)
    return _write(root, slug, "control", _ARTIFACT.format(protocol=PROTOCOL_ID, sha256=sha256, size=size))


def small_protocol() -> Protocol:
    """Return the small protocol, once it is written and $BENCH_PROTOCOLS names its folder."""
    return load_protocol(PROTOCOL_ID)


def _write(root: Path, slug: str, family: str, artifact: str) -> Path:
    folder = root / "submissions" / slug
    folder.mkdir(parents=True, exist_ok=True)
    manifest = _MANIFEST.format(slug=slug, protocol=PROTOCOL_ID, family=family, artifact=artifact)
    (folder / "submission.toml").write_text(manifest)
    return folder
