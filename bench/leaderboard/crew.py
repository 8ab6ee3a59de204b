"""Crew: the same work on many things, side by side where there are enough of them.

Imports the standard library only.
"""

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TypeVar

WORTH_A_CREW = 200
"""Below this number of tasks, starting processes costs more than they save."""

COLLECTED_AFTER = (100_000, 20, 50)
"""New objects after which Python looks for cycles among them, and how many such looks go before a wider one."""

PRELOADED = "bench.leaderboard.building"
"""The module that imports whatever makes a site."""

Task = TypeVar("Task")
Done = TypeVar("Done")


def spread(
    work: Callable[[Task], Done],
    tasks: Sequence[Task],
    *,
    prepare: Callable[[], None] | None = None,
    alone: Callable[[Task], Done] | None = None,
    worth_it: bool | None = None,
) -> Iterator[Done]:
    """Yield what `work` makes of each task, in their order; in processes of their own where it is worth it.

    work: a function of a module; prepare: called once in each process before. alone: used instead in this process
    where it is not worth it. worth_it: whether it is, None to go by the number of tasks. An error of a task is raised
    where its outcome would be.
    """
    workers = min(8, os.cpu_count() or 1)
    large = len(tasks) >= WORTH_A_CREW if worth_it is None else worth_it
    if not large or workers == 1:
        if alone is None and prepare is not None:
            prepare()
        yield from map(alone or work, tasks)
        return
    # Copies of a fresh interpreter that has imported the work and nothing else did: a copy of this one could inherit
    # locks that a thread of a library holds, and importing takes each process seconds.
    context = get_context("forkserver")
    context.set_forkserver_preload([PRELOADED])
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(prepare,)) as pool:
        yield from pool.map(work, tasks, chunksize=max(1, len(tasks) // (workers * 64)))


@contextmanager
def rare_collections() -> Iterator[None]:
    """Let Python look for cycles of objects rarely: a site is made of millions that have none, and live as long."""
    before = gc.get_threshold()
    gc.set_threshold(*COLLECTED_AFTER)
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def stays_to_the_end() -> None:
    """Let Python never look among what has been read by now, until `rare_collections` ends."""
    gc.freeze()


def _begin(prepare: Callable[[], None] | None) -> None:
    gc.set_threshold(*COLLECTED_AFTER)
    if prepare is not None:
        prepare()
    stays_to_the_end()
