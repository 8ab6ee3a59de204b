"""What tests that break things on purpose use: a nursery of processes, and folders with tiny protocols."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from measured import write_clean, write_noise, write_protocol
from unlearned import write_unlearning_protocol

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Ended:
    """How a command ended. code: exit status, negative for a signal; changes: to files, as far as begun."""

    code: int
    said: str
    changes: int

    @property
    def killed(self) -> bool:
        return self.code == -9


class Nursery:
    """Runs commands in processes that have everything imported."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, folder: Path, *arguments: str, **how: Any) -> Ended:
        """Run a command in a folder; `how` is described in nursery.py."""
        protocols = {"BENCH_PROTOCOLS": str(folder / "protocols")}
        request = {"folder": str(folder), "arguments": arguments, "environment": protocols, **how}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))

    def call(self, folder: Path, name: str, **how: Any) -> Ended:
        """Run a function of crash_calls."""
        return self.run(folder, call=name, **how)


def write_world(root: Path) -> Path:
    """Write tiny protocols of both tracks and two submissions; return the folder."""
    write_protocol(root / "protocols")
    write_unlearning_protocol(root / "protocols")
    write_clean(root)
    write_noise(root)
    return root


MEMORY = Path("/dev/shm")  # noqa: S108 (a file system in memory, of which a folder of this run's own is used)


@pytest.fixture
def quick_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: kill -9 loses nothing that was written, so the disk shows no more there.

    Bringing a file onto a disk takes milliseconds, and a rendering does it more than a thousand times.
    """
    if not os.access(MEMORY, os.W_OK):
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(dir=MEMORY, prefix="bench-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """One for all tests, because importing everything takes seconds."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (HERE / "crash", HERE, HERE.parent))),
        "NO_COLOR": "1",
        "OMP_NUM_THREADS": "1",
    }
    with subprocess.Popen(
        [sys.executable, str(HERE / "nursery.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Nursery(process)
        assert process.stdin is not None
        process.stdin.close()
