"""What the nursery runs in a fresh process beside the command line: single writers, and changes to the world.

Each function takes the request; values that it needs come with it.
"""

import datetime
import resource
import time
from pathlib import Path
from typing import Any

OLD, NEW = b"old" * 5000, b"new" * 7000


def write_one_file(request: dict[str, Any]) -> None:
    """Replace a file that is there already."""
    from bench.files import write_atomically

    write_atomically(Path(request["folder"]) / "file.json", NEW)


def write_site(request: dict[str, Any]) -> None:
    """Bring the site from SITE_BEFORE to SITE_AFTER."""
    publish(SITE_AFTER, Path(request["folder"]) / "site")


def publish(pages: dict[str, bytes], site: Path) -> None:
    """Write a site of two parts: its front page, and the rest."""
    from bench.leaderboard.publishing import publisher_of

    parts = {"front": {"index.html": pages["index.html"]}, "rest": {**pages}}
    del parts["rest"]["index.html"]
    with publisher_of(site) as publisher:
        for name, files in parts.items():
            key = str(len(files["index.html"])) if name == "front" else str(sorted(files))
            publisher.write([(name, key, files)])
        publisher.finish(parts)


def copy_kit(request: dict[str, Any]) -> None:
    """Copy the public part of a kit."""
    from bench.unlearning_crafting import _copy_kit

    root = Path(request["folder"])
    _copy_kit(root / "public", root / "out" / "gaussian-0")


def turn_back_the_clock(request: dict[str, Any]) -> None:
    """Let every look at the clock find it an hour earlier than the one before; the monotonic clock stays itself."""
    hours = iter(range(10_000))

    class Backwards(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
            return (START - datetime.timedelta(hours=next(hours))).astimezone(tz)

    from bench.tracks import ue_cell, ue_converged_cell, unlearning_cell

    for module in (ue_cell, ue_converged_cell, unlearning_cell):
        module.datetime = Backwards
    time.time = lambda: START.timestamp() - 3600 * next(hours)


START = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
SITE_BEFORE = {"index.html": b"<p>1</p>" * 99, "a/old.html": b"old" * 99, "a/kept.html": b"kept" * 99}
SITE_AFTER = {"index.html": b"<p>2</p>" * 88, "a/kept.html": b"kept" * 99, "b/new.html": b"new" * 99}


def limit_file_size(_request: dict[str, Any]) -> None:
    """Let no file grow beyond two kilobytes, as on a disk that is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))


def give_the_second_cell_no_memory(_request: dict[str, Any]) -> None:
    """Let the cell of seed 1 ask for more memory than its process may have."""
    from bench.tracks import ue_cell

    measure = ue_cell.run_cell

    def run_cell(job: Any, *rest: Any) -> Any:
        if job.cell.seed == 1:
            ask_for_too_much()
        return measure(job, *rest)

    ue_cell.run_cell = run_cell


def give_kits_no_memory(_request: dict[str, Any]) -> None:
    """Let making a kit ask for more memory than its process may have."""
    from bench import challenges

    challenges.open_kit = lambda *_: ask_for_too_much()


def ask_for_too_much() -> None:
    """Ask PyTorch for a terabyte, which the limit of this process refuses."""
    import torch

    resource.setrlimit(resource.RLIMIT_AS, (2**36, 2**36))
    torch.zeros(2**38)
