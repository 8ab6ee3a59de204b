"""What readers find: every file of a folder that a reader looks at, and whether each of them is whole."""

import json
import shutil
from pathlib import Path

from bench.execution.cache import CachedCell
from bench.kit_files import SEAL_NAME
from bench.leaderboard.publishing import LISTING
from bench.ledger import LEDGER_NAME, read_ledger
from bench.store import read_runs

EVALUATION = ("submissions", ".bench/cells")
"""Folders that an evaluation writes to."""


def files(root: Path, *folders: str) -> dict[str, bytes]:
    """Return all files below folders by path, without locks and without temporary files, which no reader opens."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for folder in folders
        for path in sorted((root / folder).rglob("*"))
        if path.is_file() and path.suffix != ".lock" and not is_temporary(path.relative_to(root / folder))
    }


def is_temporary(path: Path) -> bool:
    """Say whether a file is one that a writer had not finished, or lies in a folder that it had not finished."""
    return any(part.startswith(".") and part != LISTING for part in path.parts)


def leftovers(root: Path) -> list[str]:
    """Return what killed writers left anywhere below a folder."""
    found = (path.relative_to(root) for path in root.rglob("*"))
    return [str(path) for path in found if any(p.startswith(".") and p not in (LISTING, ".bench") for p in path.parts)]


def content(root: Path, *folders: str) -> dict[str, object]:
    """Return what lies below folders, by path, without times and costs, which differ from run to run.

    A finished cell stands for itself, a runs file for the ids that its runs found, a ledger for the results that it has
    a line of, the cost of a kit for its fields, the seal of a kit for the files it lists, any other file for its bytes.
    Raises ValidationError and CorruptResult for a file that is not whole.
    """
    found: dict[str, object] = {}
    for name, raw in files(root, *folders).items():
        if name.endswith(LEDGER_NAME):
            lines = read_ledger((root / name).parent).evaluations
            found |= {f"{name} {line.result}": (line.protocol, line.tier, line.key, line.value) for line in lines}
        elif not name.endswith(LISTING):  # names what is still to come while a rendering goes on
            found[name] = _meaning(root / name, raw)
    return found


def _meaning(path: Path, raw: bytes) -> object:
    if path.name.endswith(".runs.jsonl"):
        runs = read_runs(path)
        assert all(run.seal == run.expected_seal for run in runs)
        return {run.id for run in runs}
    if path.name == "cost.json":
        return tuple(sorted(json.loads(raw)))
    if path.name == SEAL_NAME:
        return tuple(sorted(json.loads(raw)["files"]))
    if "cells" in path.parts and path.suffix == ".json":
        return CachedCell.model_validate_json(raw).cell
    return raw


def forget(root: Path, *folders: str) -> None:
    """Remove folders, and the record below `submissions`, so that everything is to be done again."""
    for folder in folders:
        if folder == "submissions":
            for ledger in (root / folder).glob(f"*/{LEDGER_NAME}"):
                ledger.unlink()
            for results in (root / folder).glob("*/results"):
                shutil.rmtree(results)
        else:
            shutil.rmtree(root / folder, ignore_errors=True)
