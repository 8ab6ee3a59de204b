"""The nursery: one for all tests, because importing everything takes seconds."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from nursing import Nursery

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (HERE, HERE.parent, HERE.parent.parent))),
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
