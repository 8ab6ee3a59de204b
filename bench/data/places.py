"""Where data sets are looked for, where decoded pixels are kept, and file digests that are checked before use.

May import bench.errors and the standard library; no torch, no numpy.
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from bench.errors import DataMismatch, DatasetMissing

DATA_VARIABLE = "BENCH_DATA"


def data_folders() -> list[Path]:
    """Return the folders that data sets are looked for in, first match wins.

    In this order: each folder of $BENCH_DATA, `./data`, `../shared/data`, `data` in the cache folder.
    """
    named = [Path(entry) for entry in os.environ.get(DATA_VARIABLE, "").split(os.pathsep) if entry]
    return [*named, Path("data"), Path("..") / "shared" / "data", cache_folder() / "data"]


def cache_folder() -> Path:
    """Return the folder for decoded pixels and data sets: in $XDG_CACHE_HOME, otherwise in `~/.cache`."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "unlearnability-bench"


def file_digest(path: Path, algorithm: str) -> str:
    """Return the hex digest of a whole file. algorithm: `sha256` or `md5`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def check_file(path: Path, algorithm: str, expected: str) -> Path:
    """Return the path if the file's digest is the expected one. Raises DataMismatch with both digests."""
    found = file_digest(path, algorithm)
    if found != expected:
        raise DataMismatch(
            f"{path}: not the file that is expected here, it was not opened\n"
            f"  expected {algorithm} {expected}\n"
            f"  found    {algorithm} {found}\n"
            "  replace it with the original file"
        )
    return path


def missing(dataset: str, seen: Iterable[tuple[Path, str]], remedy: str) -> DatasetMissing:
    """Return the error for a data set that is in no folder.

    seen: each folder that was looked at and what it lacks. remedy: how to provide the data, one sentence a line.
    """
    places = "".join(f"\n  {folder.resolve()}: {lack}" for folder, lack in seen)
    return DatasetMissing(f"{dataset}: not found, looked in{places}\n{remedy}")
