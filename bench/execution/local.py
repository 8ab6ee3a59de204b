"""Runs cells on this machine: one thread for each worker process, which is replaced when it is lost.

May import bench.errors and its own family; torch lives in the workers alone.
"""

import multiprocessing
import queue
import signal
import threading
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from bench.errors import BenchError, CellFailed, EnvironmentProblem
from bench.execution.cache import CachedCell, CellCache
from bench.execution.events import CellFinished, CellProgress, CellRetried, Listener
from bench.execution.lifeline import uninterrupted_start
from bench.execution.worker import serve_cells
from bench.records import with_tuples
from bench.tracks.ue import CellJob
from bench.tracks.unlearning import CheckpointJob

Job = CellJob | CheckpointJob

ATTEMPTS = 2

LAST_WRITE_SECONDS = 1.0
"""How long an ending run waits for a cell that is being written; whatever is not, is measured again."""


@dataclass
class _Run:
    """What the threads of one run share."""

    device: str
    cache: CellCache
    fresh: bool
    listener: Listener
    jobs: queue.SimpleQueue[Job]
    stop: threading.Event = field(default_factory=threading.Event)
    failures: list[BenchError] = field(default_factory=list)
    workers: list["_Worker"] = field(default_factory=list)


class _Worker:
    """A worker process and the connection to it."""

    def __init__(self, device: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection: Connection
        self.connection, other = context.Pipe()
        self.process: SpawnProcess = context.Process(target=serve_cells, args=(other, device), daemon=True)
        with uninterrupted_start():
            self.process.start()
        other.close()

    def receive(self) -> tuple[str, Any]:
        """Return the next message. Raises EOFError when the process is gone."""
        kind, payload = self.connection.recv()
        return kind, payload

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self.process.terminate()
        self.process.join(5)
        self.connection.close()


def run_cells(
    jobs: Sequence[Job], *, workers: int, device: str, cache: CellCache, fresh: bool, listener: Listener
) -> None:
    """Measure cells into the cache, `workers` at a time.

    fresh: measure also what the cache has. A lost worker costs its cell one more attempt in a fresh worker.
    The first failure stops the run; finished cells stay in the cache.
    Raises the BenchError of a cell, CellFailed where a cell crashed or lost its worker ATTEMPTS times, and
    EnvironmentProblem where a finished cell cannot be written.
    """
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    run = _Run(device, cache, fresh, listener, waiting)
    threads = [threading.Thread(target=_work, args=(run,), daemon=True) for _ in range(min(workers, len(jobs)))]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                # A join without a limit would hold back Ctrl-C.
                thread.join(0.2)
    finally:
        run.stop.set()
        for worker in run.workers:
            worker.end()
        for thread in threads:
            if thread.ident is not None:
                thread.join(LAST_WRITE_SECONDS)
    if run.failures:
        raise run.failures[0]


def _work(run: _Run) -> None:
    """Take jobs until there are none left, in a worker of one's own."""
    worker: _Worker | None = None
    while not run.stop.is_set():
        try:
            job = run.jobs.get_nowait()
        except queue.Empty:
            return
        try:
            with run.cache.lock(job.key):
                if run.fresh or run.cache.read(job.key) is None:
                    worker = _measure(run, worker, job)
        except BenchError as error:
            run.failures.append(error)
            run.stop.set()
        except OSError as error:
            # A full disk or a folder that cannot be written to: the machine's fault, and nothing half is left.
            run.failures.append(EnvironmentProblem(f"{job.label}: {error}; finished cells are kept"))
            run.stop.set()
        except Exception:
            # A thread that ended without a word would leave the run waiting for a cell that nobody measures.
            text = f"{job.label}: a bug in the evaluation, please report it\n{traceback.format_exc()}"
            run.failures.append(CellFailed(text))
            run.stop.set()


def _measure(run: _Run, worker: _Worker | None, job: Job) -> _Worker:
    """Measure one job, in a fresh worker again if its worker is lost; return the worker that is left."""
    for attempt in range(1, ATTEMPTS + 1):
        if worker is None:
            worker = _Worker(run.device)
            run.workers.append(worker)
        try:
            _converse(run, worker, job)
        except (EOFError, ConnectionError):
            worker.process.join(5)
            reason = _ending(worker.process.exitcode)
            worker = None
            if run.stop.is_set() or attempt == ATTEMPTS:
                raise CellFailed(f"{job.label}: {reason}, {attempt} times; finished cells are kept") from None
            run.listener(CellRetried(job.label, reason))
        else:
            return worker
    raise AssertionError("unreachable: the last attempt returns or raises")


def _converse(run: _Run, worker: _Worker, job: Job) -> None:
    """Send a job and follow it to its end. Raises EOFError when the worker is lost."""
    worker.connection.send(job)
    while True:
        kind, payload = worker.receive()
        if kind == "progress":
            run.listener(CellProgress(job.label, *payload))
        elif kind == "refused":
            raise _refusal(job, *payload)
        elif kind == "crashed":
            raise CellFailed(f"{job.label}: a bug in the evaluation, please report it\n{payload}")
        elif kind == "done":
            cached = CachedCell.model_validate(with_tuples(payload))
            run.cache.write(cached)
            run.listener(CellFinished(job.label, payload["run"]["seconds"]))
            return


def _ending(exit_code: int | None) -> str:
    """Say how a worker ended. Linux kills with -9 what takes the last memory."""
    hint = " (killed, perhaps because memory ran out)" if exit_code == -signal.SIGKILL else ""
    return f"worker process ended with exit code {exit_code}{hint}"


def _refusal(job: Job, exit_code: int, message: str) -> BenchError:
    """Return a worker's refusal as an error here, with the exit code of its kind."""
    error = CellFailed(f"{job.label}: {message}")
    error.exit_code = exit_code
    return error
