"""A large site's worth of submissions: boards of both tracks with many entries, reproducibly made up.

`python tests/synthetic.py FOLDER --boards 20 --entries 500` writes 10,000 results below FOLDER; see `bench_site.py`.
"""

import argparse
import random
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from factories import Found, make_result, make_run, write_submission
from protocol_factory import HEX, make_protocol
from unlearning_factory import METHODS, Left, make_checkpoint_result, make_unlearning_protocol, write_unlearner

from bench.protocol import Protocol
from bench.submission import FAMILIES
from bench.unlearning_protocol import AnyProtocol, UnlearningProtocol

REFERENCES = ("original", "retrain", "retrain-second")


def synthetic_protocols(boards: int) -> dict[str, AnyProtocol]:
    """As many protocols, by id, every other one of the unlearning track."""
    made: list[AnyProtocol] = []
    for index in range(boards):
        number = f"{index // 2:02d}"
        if index % 2:
            made.append(make_unlearning_protocol(id=f"unlearning-load{number}-v1", title=f"Forgetting {number}"))
        else:
            made.append(make_protocol(id=f"ue-load{number}-v1", title=f"Digits {number}"))
    return {protocol.id: protocol for protocol in made}


def write_synthetic(root: Path, *, boards: int, entries: int, workers: int = 1) -> dict[str, AnyProtocol]:
    """Write `entries` submissions of each track, each with a result of every board of its track."""
    protocols = synthetic_protocols(boards)
    tasks = [(root, position, protocols) for position in range(entries)]
    if workers == 1:
        for task in tasks:
            _write_pair(task)
    else:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            list(pool.map(_write_pair, tasks, chunksize=10))
    return protocols


def _write_pair(task: tuple[Path, int, Mapping[str, AnyProtocol]]) -> None:
    root, position, protocols = task
    write_perturber(root, position, [item for item in protocols.values() if isinstance(item, Protocol)])
    for protocol in protocols.values():
        if isinstance(protocol, UnlearningProtocol):
            _write_unlearner(root, position, protocol)


def write_perturber(root: Path, position: int, protocols: Sequence[Protocol], *, edition: int = 0) -> Path:
    """Write one submission of the UE track; the first is clean training, the second random noise.

    edition: another one has other numbers.
    """
    rng = random.Random(f"{position} {edition}")
    family = {0: "reference", 1: "control"}.get(position, rng.choice([item for item in FAMILIES if item != "control"]))
    results = []
    for protocol in protocols:
        level = rng.uniform(0.1, 0.9) if position > 1 else 0.95
        seeds = tuple(round(level + rng.gauss(0, 0.01), 6) for _ in range(3))
        found = Found(seeds, sal_factor=rng.uniform(0.1, 1.2) if position > 1 else 1.0)
        digest = None if position == 0 else HEX
        results.append((make_result(protocol, found, digest=digest), make_run(ended=_time(rng))))
    name = {0: "Clean training", 1: "Random noise"}.get(position, f"Method {position:04d}")
    return write_submission(
        root,
        f"load-{position:04d}",
        name=name,
        family="other" if family == "reference" and position else family,
        protocols=[protocol.id for protocol in protocols],
        results=results,
    )


def _write_unlearner(root: Path, position: int, protocol: UnlearningProtocol) -> None:
    slug = f"{protocol.id.removesuffix('-v1').removeprefix('unlearning-')}-{position:04d}"
    rng = random.Random(slug)
    made_by = REFERENCES[position] if position < len(REFERENCES) else f"method-{position:04d}"
    left = METHODS.get(made_by) or Left(
        gus=rng.uniform(-0.5, 1.2),
        patch=rng.uniform(0.05, 0.9),
        accuracy=rng.uniform(0.9, 0.965),
        share=rng.random() / 8,
    )
    result = make_checkpoint_result(left, slug, protocol=protocol)
    method = {"name": made_by.replace("-", " ").capitalize()}
    write_unlearner(root, slug, protocol=protocol, results=[result], unlearner=made_by, method=method)


def _time(rng: random.Random) -> str:
    return f"2026-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}T{rng.randint(0, 23):02d}:00:00Z"


def main() -> None:
    """Write a large site's worth of submissions below a folder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--boards", type=int, default=20)
    parser.add_argument("--entries", type=int, default=500)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    protocols = write_synthetic(chosen.folder, boards=chosen.boards, entries=chosen.entries, workers=chosen.workers)
    results = len(list(chosen.folder.glob("submissions/*/results/*/*.json")))
    sys.stdout.write(f"{len(protocols)} boards, {results} results\n")


if __name__ == "__main__":
    main()
