"""Ties worker processes to their parent: none outlives it, and Ctrl-C is the parent's alone to handle.

Imports the standard library only.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import wait

_UNHEARD = {signal.SIGINT}


def end_with_parent() -> None:
    """Leave Ctrl-C to the parent, and end this process as soon as the parent is gone, even if it was killed.

    To be called first in every worker process. Does nothing in a process that multiprocessing did not start.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # how the parent ends it; a forked process has the parent's own way
    threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True, name="end with parent").start()


@contextmanager
def uninterrupted_start() -> Iterator[None]:
    """Start processes in here: they inherit that Ctrl-C is held back, from before their first line of Python."""
    # Its helper process is started here, because starting it would let Ctrl-C through again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _UNHEARD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_children() -> None:
    """End all worker processes of this process, whatever they are doing."""
    for child in multiprocessing.active_children():
        child.terminate()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    # Nobody is left to read an answer, and every file is written whole or not at all.
    os._exit(1)
