"""Submission folders that are valid by default, over a tiny protocol: 6 images, 2 classes, 2 channels, 3 x 4 pixels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.artifacts import Integers, write_perturbation
from bench.errors import DatasetMissing
from bench.problems import Problem
from bench.protocol import Dataset, Protocol, parse_protocol
from bench.submission import Artifact, parse_manifest
from bench.validation import validate_folder

SHAPE = (6, 2, 3, 4)

_PROTOCOL = """
schema = "bench.protocol/1"
id = "ue-tiny-v1"
track = "ue"
title = "Tiny"
summary = "Six images."

[dataset]
name = "tiny"
classes = 2
channels = 2
height = 3
width = 4
class_names = ["a", "b"]
train = { images = 6, sha256 = "%(zeros)s" }
test = { images = 2, sha256 = "%(zeros)s" }

[budgets]
%(budgets)s

[recipe]
epochs = 1
batch_size = 2
learning_rate = 0.1
momentum = 0.9
weight_decay = 0.0
schedule = "constant"

[sal]
estimator = "exact"
epsilon = 0.05
epochs = [1]
probe_images = 2
max_steps = 2
tolerance = 0.01

[[conditions]]
model = "toy"
defense = "none"
primary = true
seeds = { quick = 1, full = 2 }
"""

MANIFEST = """\
schema = "bench.submission/1"
track = "ue"
slug = "fog"
protocols = ["ue-tiny-v1"]
submitted = 2026-01-31

[method]
name = "Fog"
family = "synthetic-shortcut"
summary = "A pattern that is the same for nobody."
uses_labels = false

[[authors]]
name = "A. Author"

[[artifact]]
role = "perturbation"
protocol = "ue-tiny-v1"
path = "delta.safetensors"
sha256 = "{sha256}"
bytes = {size}
kind = "sample-wise"
norm = "linf"

[[reported]]
metric = "test_accuracy"
condition = "toy/none"
value = 0.19
source = "Table 1"

[disclosure]
test_set_used = false

[agreement]
artifact_license = "CC-BY-4.0"
publish = true
"""


@dataclass(frozen=True)
class TinyData:
    """Training images as validation wants them."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]


def tiny_protocol(budgets: str = "linf = 8\nl0 = 1\nl2 = 0.5") -> Protocol:
    return parse_protocol(_PROTOCOL % {"zeros": "0" * 64, "budgets": budgets})


def tiny_data(level: int = 128) -> TinyData:
    return TinyData(np.full(SHAPE, level, dtype=np.uint8), np.array([0, 0, 0, 1, 1, 1]))


def tiny_values(seed: int = 0) -> NDArray[np.int8]:
    return np.random.default_rng(seed).integers(-8, 9, SHAPE, dtype=np.int8)


def tiny_artifact(**changes: object) -> Artifact:
    artifact = parse_manifest(MANIFEST.format(sha256="0" * 64, size=1)).artifact[0]
    return artifact.model_copy(update=changes)


def make_submission(
    root: Path, values: Integers | None = None, *, edits: dict[str, str] | None = None, slug: str = "fog"
) -> Path:
    """Write a submission; edits: what to replace in its manifest, each of which must occur there."""
    folder = root / "submissions" / slug
    sha256, size = write_perturbation(folder / "delta.safetensors", tiny_values() if values is None else values)
    text = MANIFEST.format(sha256=sha256, size=size)
    for old, new in (edits or {}).items():
        assert old in text, f"{old!r} is not in the manifest of the factory"
        text = text.replace(old, new)
    (folder / "submission.toml").write_text(text, encoding="utf-8")
    return folder


def validate_tiny(folder: Path, data: TinyData | None = None, protocol: Protocol | None = None) -> list[Problem]:
    protocol = protocol or tiny_protocol()
    return validate_folder(folder, protocols={protocol.id: protocol}, load_data=lambda _: data or tiny_data())


def no_data(dataset: Dataset) -> TinyData:
    raise DatasetMissing(f"{dataset.name} is not on this machine")


def codes(problems: list[Problem]) -> list[str]:
    """Return the codes of problems, in their order."""
    return [problem.code for problem in problems]


def one_problem(folder: Path, **given: Any) -> Problem:
    """Return the only problem of the tiny submission in a folder."""
    (problem,) = validate_tiny(folder, **given)
    return problem


def line_of(folder: Path, text: str) -> int:
    """Return the number of the first line of a manifest that holds a text."""
    lines = (folder / "submission.toml").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)
