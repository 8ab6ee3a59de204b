"""Crew: the same work on many things, side by side where there are enough of them.

Imports the standard library only.
"""

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from typing import ClassVar, TypeVar

WORTH_A_CREW = 200
"""Below this number of tasks, starting processes costs more than they save."""

COLLECTED_AFTER = (500_000, 20, 50)
"""New objects after which Python looks for cycles among them, and how many such looks go before a wider one."""

PRELOADED = "bench.leaderboard.building"
"""The module that imports whatever makes a site."""

Prepare = Callable[[], None]
Task = TypeVar("Task")
Done = TypeVar("Done")


class Crew:
    """Processes that stay for one kind of work after the other; started where there is first enough to do for them."""

    at_hand: ClassVar["Crew | None"] = None
    """The one that everything in this process shares for now."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._prepared: list[Prepare | None] = [None]

    def map(self, work: Callable[[Task], Done], tasks: Sequence[Task], prepare: Prepare | None) -> Iterator[Done]:
        """Begin at once; yield outcomes in the order of tasks."""
        if self._pool is None:
            # Copies of a fresh interpreter that has imported the work and nothing else did: a copy of this one could
            # inherit locks that a thread of a library holds, and importing takes each process seconds.
            context = get_context("forkserver")
            context.set_forkserver_preload([PRELOADED])
            self._pool = ProcessPoolExecutor(_workers(), mp_context=context, initializer=_begin)
        if prepare not in self._prepared:
            self._prepared.append(prepare)
        done = partial(_do, work, prepare, self._prepared.index(prepare))
        return self._pool.map(done, tasks, chunksize=max(1, len(tasks) // (_workers() * 64)))

    def dismiss(self) -> None:
        """End the processes; what they have not begun is not done."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


@contextmanager
def one_crew() -> Iterator[None]:
    """Let all that is spread meanwhile share the same processes."""
    before, crew = Crew.at_hand, Crew()
    Crew.at_hand = crew
    try:
        yield
    finally:
        Crew.at_hand = before
        crew.dismiss()


def spread(
    work: Callable[[Task], Done],
    tasks: Sequence[Task],
    *,
    prepare: Prepare | None = None,
    alone: Callable[[Task], Done] | None = None,
    worth_it: bool | None = None,
) -> Iterator[Done]:
    """Yield what `work` makes of each task, in their order; in processes of their own where it is worth it.

    work: a function of a module; prepare: called in each process before, once as long as it is the same object.
    alone: used instead in this process where it is not worth it. worth_it: whether it is, None to go by the number of
    tasks. An error of a task is raised where its outcome would be. Within `one_crew` processes begin when this is
    called, whatever is asked for first.
    """
    large = len(tasks) >= WORTH_A_CREW if worth_it is None else worth_it
    if not large or _workers() == 1:
        return _one_by_one(alone or work, tasks, None if alone else prepare)
    return _by_others(work, tasks, prepare) if Crew.at_hand is None else Crew.at_hand.map(work, tasks, prepare)


def _one_by_one(work: Callable[[Task], Done], tasks: Sequence[Task], prepare: Prepare | None) -> Iterator[Done]:
    if prepare is not None:
        prepare()
    yield from map(work, tasks)


def _by_others(work: Callable[[Task], Done], tasks: Sequence[Task], prepare: Prepare | None) -> Iterator[Done]:
    crew = Crew()
    try:
        yield from crew.map(work, tasks, prepare)
    finally:
        crew.dismiss()


def _workers() -> int:
    return min(8, os.cpu_count() or 1)


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


def _begin() -> None:
    gc.set_threshold(*COLLECTED_AFTER)


class _Member:
    """What a process of a crew remembers. prepared: number of what it was prepared with."""

    prepared = 0


def _do(work: Callable[[Task], Done], prepare: Prepare | None, number: int, task: Task) -> Done:
    if prepare is not None and number != _Member.prepared:
        prepare()
        stays_to_the_end()
        _Member.prepared = number
    return work(task)
