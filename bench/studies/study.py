"""Study: a question that one command answers, and what it is given.

Imports nothing of the lab, so that `bench study` can list studies without torch.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bench.studies.record import AnyStudy

Progress = Callable[[str], None]
"""Told in one line what begins."""


@dataclass(frozen=True)
class StudyInput:
    """What a study gets: the data sets to use, by name, and whom to tell what begins."""

    datasets: tuple[str, ...]
    progress: Progress


@dataclass(frozen=True)
class Study:
    """A study of the table.

    datasets: names it can use. run: answers the question; the same input gives the same record on one machine.
    """

    name: str
    title: str
    summary: str
    datasets: tuple[str, ...]
    run: Callable[[StudyInput], AnyStudy]
