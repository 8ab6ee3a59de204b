"""The worker process: a long-lived process that measures the cells it is sent, one after the other.

Imports torch only once it runs; the parent imports this module without it.
"""

import errno
import traceback
from dataclasses import asdict
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.errors import BenchError, EnvironmentProblem
from bench.execution.lifeline import end_with_parent

_NO_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory")
"""What PyTorch's errors say, in lower case, where memory is missing; on the CPU they have no type of their own."""


MEMORY_GUARD = "fill_uninitialized_memory"
"""Fills new tensors, for kernels that read what nobody wrote. It changes no number and takes a tenth of the time."""


def serve_cells(connection: Connection, device_name: str) -> None:
    """Answer each job on the connection with progress and one `done`, `refused` or `crashed` message; end on None.

    Messages are (kind, payload) pairs. Ends with the parent, however that ends.
    """
    end_with_parent()
    from bench.runtime import choose_device, prepare_process  # noqa: PLC0415 (torch, seconds to import)

    try:
        device = choose_device(device_name)
        prepare_process(device)
        setattr(import_module("torch.utils.deterministic"), MEMORY_GUARD, False)
        connection.send(("ready", None))
    except BenchError as error:
        connection.send(("refused", (error.exit_code, str(error))))
        return
    try:
        while (job := connection.recv()) is not None:
            connection.send(_answer(connection, job, device))
    except (EOFError, ConnectionError):
        return  # the parent is gone


def _answer(connection: Connection, job: Any, device: Any) -> tuple[str, Any]:
    from bench.provenance import describe_determinism, describe_hardware, describe_software, git_state  # noqa: PLC0415

    try:
        module, _, name = job.runner.partition(":")
        result, run = getattr(import_module(module), name)(
            job, device, lambda done, total: connection.send(("progress", (done, total)))
        )
    except BenchError as error:
        return "refused", (error.exit_code, str(error))
    except ConnectionError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            return "refused", (EnvironmentProblem.exit_code, f"{NO_MEMORY}: {first_line(error)}")
        return "crashed", traceback.format_exc()
    commit, dirty = git_state(Path(__file__).parent)
    return "done", {
        "git_commit": commit,
        "git_dirty": dirty,
        "cell": result.model_dump(mode="json"),
        "run": asdict(run),
        "hardware": describe_hardware(device),
        "software": describe_software(),
        "determinism": describe_determinism(device),
    }


NO_MEMORY = "not enough memory; finished cells are kept, go on with fewer --jobs or where more memory is free"


def is_out_of_memory(error: Exception) -> bool:
    """Say whether an error means that memory was asked for and not given, by Python, NumPy, PyTorch or the system."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    said = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in said for words in _NO_MEMORY)
    )


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, its type where it has none."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
