"""What all hostile cases share: the command line as a process that is measured, and valid folders to start from."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from checkpoint_factory import write_checkpoint_submission
from nursing import nursery
from submission_factory import _PROTOCOL, make_submission
from unlearned import PROTOCOL_ID, protocol_text

from bench.attempts import enter_stored

__all__ = ["nursery"]

ROOT = Path(__file__).resolve().parents[2]
MEMORY_LIMIT_MEGABYTES = 512
_LARGEST: dict[str, tuple[float, str]] = {}


@dataclass(frozen=True)
class Ran:
    """How a command line ended. megabytes: peak of it and its children; seconds: processor time of both."""

    code: int
    out: str
    err: str
    megabytes: float
    seconds: float
    wall: float

    @property
    def text(self) -> str:
        return self.out + self.err


Bench = Callable[..., Ran]


@pytest.fixture(scope="session")
def protocols(tmp_path_factory) -> Path:
    """A folder of private protocols: one of either track."""
    folder = tmp_path_factory.mktemp("protocols")
    tiny = _PROTOCOL % {"zeros": "0" * 64, "budgets": "linf = 8\nl0 = 1\nl2 = 0.5"}
    (folder / "ue-tiny-v1.toml").write_text(tiny)
    (folder / f"{PROTOCOL_ID}.toml").write_text(protocol_text())
    return folder


@pytest.fixture(scope="session")
def command(protocols) -> Iterator[Callable[[list[str], Path], dict[str, Any]]]:
    """The process that runs command lines."""
    environment = {**os.environ, "BENCH_PROTOCOLS": str(protocols), "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
    program = [sys.executable, str(Path(__file__).with_name("runner.py"))]
    runner = subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    )
    assert runner.stdin is not None
    assert runner.stdout is not None

    def ask(arguments: list[str], folder: Path) -> dict[str, Any]:
        runner.stdin.write(json.dumps({"arguments": arguments, "folder": str(folder)}) + "\n")
        runner.stdin.flush()
        answer: dict[str, Any] = json.loads(runner.stdout.readline())
        return answer

    yield ask
    runner.stdin.close()
    runner.wait()
    runner.stdout.close()


@pytest.fixture
def bench(command, tmp_path, request) -> Bench:
    """Run a command line in the test's folder; it must end by itself, without a traceback and within its memory."""

    def run(*arguments: str, megabytes: float = MEMORY_LIMIT_MEGABYTES) -> Ran:
        ran = Ran(**command(list(arguments), tmp_path))
        for kind in ("megabytes", "seconds"):
            _LARGEST[kind] = max(_LARGEST.get(kind, (0.0, "")), (getattr(ran, kind), request.node.name))
        assert ran.code >= 0, f"killed by signal {-ran.code} after {ran.wall:.0f} s"
        assert "Traceback" not in ran.text, ran.text[-2000:]
        assert ran.megabytes < megabytes, f"{ran.megabytes:.0f} MiB"
        assert all(character.isprintable() or character == "\n" for character in ran.text)
        assert len(ran.text) < 1_000_000
        return ran

    return run


@pytest.fixture(scope="session")
def valid(tmp_path_factory, protocols) -> dict[str, Path]:
    """A valid root of each kind that cases start from."""
    os.environ["BENCH_PROTOCOLS"] = str(protocols)
    try:
        names = ("ue", "unlearning", "results", "unlearned")
        ue, unlearning, results, unlearned = map(tmp_path_factory.mktemp, names)
        make_submission(ue)
        write_checkpoint_submission(unlearning / "submissions" / "fog")
        source = ROOT / "submissions" / "clean"
        # One result, so that a case knows which one it breaks.
        others = shutil.ignore_patterns("ue-cifar10-mini-v1", "ue-digits-v2")
        shutil.copytree(source, results / "submissions" / "clean", ignore=others)
        (results / "submissions" / "clean" / "ledger.jsonl").unlink()
        enter_stored(results / "submissions" / "clean")
        for slug in ("original", "retrain", "retrain-second"):
            shutil.copytree(ROOT / "submissions" / slug, unlearned / "submissions" / slug)
        second = unlearned / "submissions" / "retrain-second"
        shutil.rmtree(second / "results" / "unlearning-digits-v1")
        (second / "ledger.jsonl").unlink()
        enter_stored(second)
    finally:
        del os.environ["BENCH_PROTOCOLS"]
    return {"ue": ue, "unlearning": unlearning, "results": results, "unlearned": unlearned}


@pytest.fixture
def folder_of(valid, tmp_path) -> Iterator[Callable[[str], Path]]:
    """Copy a valid root into the test's folder and return the submission's folder; of several, the last one."""

    def copy(base: str) -> Path:
        shutil.copytree(valid[base], tmp_path, dirs_exist_ok=True)
        return max((tmp_path / "submissions").iterdir())

    yield copy
    # Some are deeper than pytest's own cleaning goes, some hold twenty thousand files.
    shutil.rmtree(tmp_path / "submissions")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for kind, (value, name) in sorted(_LARGEST.items()):
        terminalreporter.write_line(f"hostile cases: at most {value:.1f} {kind} ({name})")
