"""The worker process: a long-lived process that measures the cells it is sent, one after the other.

Imports torch only once it runs; the parent imports this module without it.
"""

import signal
import traceback
from dataclasses import asdict
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.errors import BenchError


def serve_cells(connection: Connection, device_name: str) -> None:
    """Answer each job on the connection with progress and one `done`, `refused` or `crashed` message; end on None.

    Messages are (kind, payload) pairs. Ctrl-C is the parent's to handle: it ends its workers itself.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from bench.runtime import choose_device, prepare_process  # noqa: PLC0415 (torch, seconds to import)

    try:
        device = choose_device(device_name)
        prepare_process(device)
        connection.send(("ready", None))
    except BenchError as error:
        connection.send(("refused", (error.exit_code, str(error))))
        return
    while (job := connection.recv()) is not None:
        connection.send(_answer(connection, job, device))


def _answer(connection: Connection, job: Any, device: Any) -> tuple[str, Any]:
    from bench.provenance import describe_determinism, describe_hardware, describe_software, git_state  # noqa: PLC0415

    try:
        module, _, name = job.runner.partition(":")
        result, run = getattr(import_module(module), name)(
            job, device, lambda done, total: connection.send(("progress", (done, total)))
        )
    except BenchError as error:
        return "refused", (error.exit_code, str(error))
    except Exception:
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
