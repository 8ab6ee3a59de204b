"""How the program ends: errors become their text on stderr and an exit code, and so does being told to stop.

Imports typer, bench.errors and bench.problems.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from bench.errors import BenchError, EnvironmentProblem, Interrupted
from bench.problems import printable


def run_app(app: typer.Typer, arguments: list[str] | None) -> None:
    """Run a command line; a BenchError becomes its text on stderr and its exit code. A bug keeps its traceback.

    A request of the system to end (SIGTERM) is understood as Ctrl-C is: exit code 130.
    """
    with _ended_as_interrupted():
        try:
            app(args=arguments)
        except Interrupted as stop:
            _end(f"interrupted; {stop}", stop.exit_code)
        except BenchError as error:
            _end(f"error: {error}", error.exit_code)
        except MemoryError:
            _end("error: not enough memory", EnvironmentProblem.exit_code)
        except OSError as error:
            # Full disk, missing permission: the machine's fault, said in the system's words.
            _end(f"error: {error}", EnvironmentProblem.exit_code)
        except SystemExit as stop:
            if stop.code == Interrupted.exit_code:  # what typer makes of Ctrl-C
                typer.echo("interrupted", err=True)
            raise


def _end(text: str, exit_code: int) -> None:
    typer.echo(printable(text), err=True)
    sys.exit(exit_code)


@contextmanager
def _ended_as_interrupted() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say what signals do
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
