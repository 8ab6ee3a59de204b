"""Shows how a run of cells goes on: bars on a terminal, one plain line a cell elsewhere. Writes to stderr only.

May import rich and bench.execution.events.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from bench.execution.events import CellFinished, CellProgress, CellRetried, Event, Listener


@contextmanager
def show_progress(cells: int) -> Iterator[Listener]:
    """Yield a listener that shows `cells` cells going on, with an estimate of the time left."""
    console = Console(stderr=True)
    if not cells:
        yield _ignore
    elif console.is_terminal:
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        ) as progress:
            yield _Bars(progress, cells).listen
    else:
        yield _Lines(console, cells).listen


def _ignore(event: Event) -> None:
    """Show nothing."""


class _Bars:
    """One bar for all epochs of the run, one for each cell that is being measured."""

    def __init__(self, progress: Progress, cells: int) -> None:
        self.progress = progress
        self.cells = cells
        self.overall = progress.add_task(f"{cells} cells, epochs", total=None)
        self.tasks: dict[str, TaskID] = {}

    def listen(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, CellProgress):
            task = self.tasks.get(event.label)
            if task is None:
                task = self.tasks[event.label] = self.progress.add_task(event.label, total=event.total)
                self.progress.update(self.overall, total=self.cells * event.total)
            self.progress.update(task, completed=event.done)
            self.progress.advance(self.overall)
        elif isinstance(event, CellFinished):
            self.progress.remove_task(self.tasks.pop(event.label))
        elif isinstance(event, CellRetried):
            self.progress.console.print(f"{event.label}: {event.reason}; measuring it again", highlight=False)


class _Lines:
    """A line for each finished cell, with an estimate from the cells so far."""

    def __init__(self, console: Console, cells: int) -> None:
        self.console = console
        self.cells = cells
        self.finished = 0
        self.start = time.monotonic()

    def listen(self, event: Event) -> None:
        """Print one event, if it is worth a line."""
        if isinstance(event, CellFinished):
            self.finished += 1
            left = (time.monotonic() - self.start) / self.finished * (self.cells - self.finished)
            self._print(f"{self.finished}/{self.cells} {event.label}: {event.seconds:.1f} s, about {left:.0f} s left")
        elif isinstance(event, CellRetried):
            self._print(f"{event.label}: {event.reason}; measuring it again")

    def _print(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)
