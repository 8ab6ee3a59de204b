"""Findings about this machine: packages, torch with torchvision, devices, data sets, folders.

Imports no torch when imported; the checks import what they check.
"""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from bench import __version__
from bench.data import FINDERS
from bench.data.places import cache_folder
from bench.errors import DatasetMissing
from bench.files import find_leftovers
from bench.unlearning_protocol import all_protocol_ids, load_any_protocol

PYTHON = (3, 11)
PACKAGES = (
    "altair",
    "filelock",
    "jinja2",
    "kornia",
    "markdown-it-py",
    "numpy",
    "pandas",
    "pillow",
    "pyarrow",
    "pydantic",
    "rfc8785",
    "rich",
    "safetensors",
    "scikit-learn",
    "scipy",
    "torch",
    "torchvision",
    "typer",
    "vl-convert-python",
)
"""What the project needs to run; the same names as in pyproject.toml."""

BUNDLED = ("digits",)
"""Data sets that come with a package; where one is missing, the installation is broken."""

LOW_DISK_GIB = 2


@dataclass(frozen=True)
class Finding:
    """One fact about the machine. `broken` keeps the bench from working, `note` may matter or not."""

    name: str
    status: Literal["ok", "note", "broken"]
    detail: str


def run_checks() -> list[Finding]:
    """Check this machine and return every finding, in the order in which one would repair them."""
    return [finding for check in CHECKS for finding in check()]


def check_python() -> Iterator[Finding]:
    """Check the interpreter."""
    found = platform.python_version()
    if sys.version_info < PYTHON:
        yield Finding("python", "broken", f"{found}; needs {PYTHON[0]}.{PYTHON[1]} or newer")
    else:
        yield Finding("python", "ok", f"{found} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    yield Finding("bench", "ok", __version__)


def check_packages() -> Iterator[Finding]:
    """Check that every needed package is installed, and report versions."""
    for package in PACKAGES:
        try:
            yield Finding(package, "ok", metadata.version(package))
        except metadata.PackageNotFoundError:
            yield Finding(
                package, "broken", "not installed; see README.md for the two commands that install everything"
            )


def check_torch() -> Iterator[Finding]:
    """Check that torch and torchvision fit together, by running one compiled operator, and list CUDA devices."""
    try:
        import torch  # noqa: PLC0415 (bench.doctor stays light)
        from torchvision.ops import nms  # noqa: PLC0415 (as above)

        box = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
        kept = nms(box, torch.tensor([1.0]), 0.5)
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        # A torch built for CPU beside a torchvision built for CUDA fails here first, in one of these ways.
        yield Finding("torch with torchvision", "broken", f"do not work together ({error}); install both from the pins")
        return
    yield Finding("torch with torchvision", "ok", f"work together ({kept.numel()} of 1 box kept)")
    if not torch.cuda.is_available():
        yield Finding("cuda", "note", "no device; cells are measured on the CPU")
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        yield Finding("cuda", "ok", f"device {index}: {properties.name}, {properties.total_memory / 2**30:.0f} GiB")


def check_data_sets() -> Iterator[Finding]:
    """Check which data sets are there, as far as the protocols need them; opens no file."""
    protocols = [load_any_protocol(protocol_id) for protocol_id in all_protocol_ids()]
    for name, find in FINDERS.items():
        asked = {item.dataset.train.select.first for item in protocols if item.dataset.name == name}
        for first in sorted(asked or {None}, key=lambda count: count or sys.maxsize):
            label = f"data {name}" if first is None else f"data {name}, first {first} training images"
            try:
                yield Finding(label, "ok", find(first))
            except DatasetMissing as error:
                yield Finding(label, "broken" if name in BUNDLED else "note", str(error))


def check_folders() -> Iterator[Finding]:
    """Check that the cache folder can be written, that the disk is not full, and what killed commands left."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        yield Finding("cache folder", "ok", str(folder))
    except OSError as error:
        yield Finding("cache folder", "note", f"{folder}: {error}; data sets are decoded again each time")
    left = [path for name in (".bench", "submissions", "site") for path in find_leftovers(Path.cwd() / name)]
    if left:
        detail = f"{len(left)}, such as {left[0]}: the next command that writes there removes what nobody is writing"
        yield Finding("unfinished files", "note", detail)
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    status: Literal["ok", "note"] = "ok" if free >= LOW_DISK_GIB else "note"
    yield Finding("free disk", status, f"{free:.1f} GiB in {Path.cwd()}")


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    check_python,
    check_packages,
    check_torch,
    check_data_sets,
    check_folders,
)
