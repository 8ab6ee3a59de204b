"""A process that has imported everything and forks the command line on request, so that starting it costs no seconds.

Run as a program: one JSON request a line on stdin, one JSON answer a line on stdout. A command runs in a session of its
own with its worker processes, which are forked too, so that one signal to its group kills it as a whole.

Requests name a folder, an argument list and environment variables, and how the command comes to its end:
  kill_after   seconds after which its group is killed
  kill_at      number, from 1, of the change to files below the folder before which the group kills itself
  half         with kill_at: a file that is being brought onto the disk at that moment keeps half its bytes
  call         name of a function in `crash_calls` that is called with the request instead of the command line
  patches      names of such functions that are called before the command runs
Answers give the exit status (negative: the signal), what was said, and how many changes to files were begun.
"""

import contextlib
import importlib
import io
import json
import mmap
import multiprocessing
import os
import signal
import stat
import struct
import sys
import time
import traceback
from pathlib import Path
from typing import Any

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "tempfile.mkstemp", "tempfile.mkdtemp"}
"""Audit events of changes to files, each raised before the change; bringing a file onto the disk is counted apart."""


class Counter:
    """How many changes to files a command and its workers have begun, in memory that they share."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8)

    def add(self) -> int:
        """Count one more and return the count."""
        count = self.value + 1
        self._memory[:8] = struct.pack("q", count)
        return count

    @property
    def value(self) -> int:
        """The count so far."""
        return int(struct.unpack("q", self._memory[:8])[0])


def watch(folder: str, counter: Counter, kill_at: int | None, *, half: bool) -> None:
    """Count changes below a folder in this process and those forked from it; kill the group before one of them."""

    def begin(descriptor: int | None = None) -> None:
        if counter.add() == kill_at:
            if half and descriptor is not None:
                os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            os.killpg(0, signal.SIGKILL)

    def heard(event: str, arguments: tuple[Any, ...]) -> None:
        if event in CHANGES and str(Path(os.fsdecode(arguments[0])).absolute()).startswith(folder):
            begin()

    def fsync(descriptor: int) -> None:
        begin(descriptor if stat.S_ISREG(os.fstat(descriptor).st_mode) else None)
        synced(descriptor)

    synced = os.fsync
    os.fsync = fsync
    sys.addaudithook(heard)


def serve() -> None:
    """Answer requests until there are none left."""
    prepare()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        answers.write(json.dumps(run(json.loads(line))) + "\n")
        answers.flush()


def prepare() -> None:
    """Import what commands import, and let multiprocessing fork instead of starting anew."""
    for name in (
        *("bench.cli", "bench.evaluation", "bench.execution.local", "bench.execution.progress", "bench.tracks.ue_cell"),
        *(
            "bench.tracks.unlearning_cell",
            "bench.unlearning_crafting",
            "bench.verification",
            "bench.leaderboard.building",
        ),
    ):
        importlib.import_module(name)
    importlib.import_module("torch._inductor")  # seconds, and asked for by deterministic algorithms
    forking = multiprocessing.get_context("fork")
    multiprocessing.get_context = lambda _method=None: forking
    # A process with threads cannot be forked safely; the allocator that pandas may load minds its own thread.
    threads = {(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()}
    assert len(threads - {"jemalloc_bg_thd"}) == 1, threads


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Fork one command and follow it to its end."""
    counter, said = Counter(), os.memfd_create("said")
    child = os.fork()
    if child == 0:
        os.setsid()
        os.dup2(said, 1)
        os.dup2(said, 2)
        os._exit(command(request, counter))
    if (seconds := request.get("kill_after")) is not None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            time.sleep(0.002)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.lseek(said, 0, os.SEEK_SET)
    text = os.fdopen(said, errors="replace").read()
    return {"code": os.waitstatus_to_exitcode(status), "said": text, "changes": counter.value}


def command(request: dict[str, Any], counter: Counter) -> int:
    """Run the command line in this process and return its exit code."""
    os.chdir(request["folder"])
    os.environ.update(request.get("environment", {}))
    sys.stdout, sys.stderr = (io.TextIOWrapper(os.fdopen(number, "wb", 0), write_through=True) for number in (1, 2))
    calls = importlib.import_module("crash_calls")
    for name in request.get("patches", ()):
        getattr(calls, name)(request)
    watch(request["folder"], counter, request.get("kill_at"), half=bool(request.get("half")))
    from bench.cli import main

    try:
        if "call" in request:
            getattr(calls, request["call"])(request)
        else:
            main(request["arguments"])
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
        return 70
    return 0


if __name__ == "__main__":
    serve()
