"""Building: render the site, and say where a rendered one is stale.

A unit whose inputs did not change since the last rendering is left as it is. The same input gives the same bytes,
whether made at once or bit by bit. Never imports torch.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

from bench.errors import ControlOutOfBand
from bench.leaderboard import drawing
from bench.leaderboard.canaries import out_of_band
from bench.leaderboard.crew import one_crew, rare_collections, spread, stays_to_the_end
from bench.leaderboard.environment import Renderer, source_files, static_assets
from bench.leaderboard.pages import Scope, Unit, named_paths, units
from bench.leaderboard.publishing import Publisher, differences, publisher_of
from bench.leaderboard.sources import Sources, protocol_digest, read_sources
from bench.records import canonical_bytes
from bench.unlearning_protocol import AnyProtocol

RESULTS_WORTH_A_CREW = 300
"""Results on the pages to make, below which a crew that has to read all of them first costs more than it saves."""

Protocols = Mapping[str, AnyProtocol] | None
LIBRARIES = ("altair", "jinja2", "markdown-it-py", "numpy", "pyarrow", "pydantic", "scipy", "vl-convert-python")
"""What else decides the bytes of a page."""


@dataclass(frozen=True)
class Rendered:
    """A finished site: the paths of all its files inside `out`, sorted, and how many units were made anew.

    left_out: a line for each submission that cannot be read; canaries: a line for each control out of band.
    """

    out: Path
    names: tuple[str, ...]
    made: int
    left_out: tuple[str, ...]
    canaries: tuple[str, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of the site; paths are slow to make, so only for those who ask."""
        return tuple(self.out / name for name in self.names)


def render_site(root: Path, out: Path, *, protocols: Protocols = None, allow_canary: bool = False) -> Rendered:
    """Render the site of a repository into `out`, making only what changed since the last time.

    protocols: by id, instead of the bundled ones. Files in `out` that no earlier rendering wrote are left alone.
    Submissions that cannot be read are left out. allow_canary: publish although a control is out of band.
    Raises ControlOutOfBand before anything is written, CorruptResult and UsageProblem.
    """
    with publisher_of(out) as publisher, rare_collections(), one_crew():
        workshop = Workshop.open(root, protocols)
        stays_to_the_end()
        boards = workshop.stale("board", publisher)
        made = dict(zip(boards, workshop.make(list(boards)), strict=True))
        # Boards remember their controls while they are made; nothing is written before those have been looked at.
        found = _controls(workshop.sources, allow=allow_canary)
        others = workshop.stale("other", publisher)
        made_meanwhile = workshop.make(list(others))
        publisher.write([("assets", "", {asset.path: asset.content for asset in workshop.assets.values()})])
        publisher.write((name, boards[name], made.pop(name)) for name in boards)  # a large board takes tens of MB
        publisher.write((name, key, files) for (name, key), files in zip(others.items(), made_meanwhile, strict=True))
        count = len(boards) + len(others)
        names = publisher.finish(["assets", *workshop.units])
    workshop.sources.memory.forget_others([protocol.id for protocol in workshop.sources.all_protocols])
    return Rendered(out, tuple(names), count, workshop.sources.left_out, found)


def _controls(sources: Sources, *, allow: bool) -> tuple[str, ...]:
    """Return a line for each control that is out of band. Raises ControlOutOfBand unless they are allowed."""
    found = tuple(out_of_band(sources))
    if found and not allow:
        lines = "\n".join(found)
        raise ControlOutOfBand(f"{lines}\nnot published: explain the control first; --allow-canary publishes anyway")
    return found


def stale_files(root: Path, out: Path, *, protocols: Protocols = None, allow_canary: bool = False) -> list[str]:
    """Return how `out` differs from what `render_site` would write, one line a file; empty if it does not.

    Nothing of an earlier rendering is believed: every file is made anew and compared. Raises as `render_site` does.
    """
    with one_crew():
        workshop = Workshop.open(root, protocols, remember=False)
        files = _all_files(workshop)
    _controls(workshop.sources, allow=allow_canary)
    return differences(files, out)


def build_files(root: Path, *, protocols: Protocols = None) -> dict[str, bytes]:
    """Return every file of the site by its path, nothing written but the cache of drawings."""
    with one_crew():
        return _all_files(Workshop.open(root, protocols, remember=False))


def _all_files(workshop: "Workshop") -> dict[str, bytes]:
    files = {asset.path: asset.content for asset in workshop.assets.values()}
    for made in workshop.make(list(workshop.units)):
        files |= made
    return dict(sorted(files.items()))


class Workshop:
    """Everything that making pages takes: the sources, the renderer, and the units by name."""

    current: ClassVar["Workshop"]
    """The one of a worker process."""

    def __init__(self, root: Path, protocols: Protocols, code: str, *, remember: bool) -> None:
        cache = root / ".bench"
        self.reopen = partial(Workshop._install, root, protocols, code, remember=remember)
        self.code = code
        self.sources: Sources = read_sources(
            root, protocols=protocols, cache=cache / "site" if remember else None, code=code
        )
        self.assets = static_assets(drawing.bundle(cache / "drawings"))
        self.renderer = Renderer(drawing.Painter(cache / "drawings").draw, self.assets, built=named_paths(self.sources))
        self.units: dict[str, Unit] = {unit.name: unit for unit in units(self.sources)}

    @classmethod
    def open(cls, root: Path, protocols: Protocols, *, remember: bool = True) -> "Workshop":
        """Read everything. remember: use and keep what earlier renderings found out."""
        return cls(root, protocols, code_key(), remember=remember)

    @classmethod
    def _install(cls, root: Path, protocols: Protocols, code: str, *, remember: bool) -> None:
        cls.current = cls(root, protocols, code, remember=remember)

    def key(self, unit: Unit) -> str:
        """Return the digest of everything that decides a unit's bytes."""
        # Not RFC 8785: there are thousands of keys, nothing else reads them, and they hold texts and whole numbers.
        inputs = json.dumps([self._shared, unit.name, unit.inputs()], sort_keys=True, allow_nan=False)
        return hashlib.sha256(inputs.encode()).hexdigest()

    @cached_property
    def _shared(self) -> str:
        """Digest of what decides every unit."""
        known = [protocol_digest(item) for item in self.sources.all_protocols]
        return hashlib.sha256(canonical_bytes([self.code, known, sorted(named_paths(self.sources))])).hexdigest()

    def stale(self, scope: Scope, publisher: Publisher) -> dict[str, str]:
        """Return the keys of the units of a scope that have to be made, by name."""
        keys = {unit.name: self.key(unit) for unit in self.units.values() if unit.scope == scope}
        return {name: key for name, key in keys.items() if not publisher.holds(name, key)}

    def make(self, names: Sequence[str]) -> Iterator[Mapping[str, bytes]]:
        """Yield the files of units, in the order of their names; in several processes where there are many."""
        scopes = [unit.scope for unit in self.units.values()]
        peers = max((scopes.count(self.units[name].scope) for name in names[:1]), default=1)
        # A board is as much work as the results on it: few names can be worth a crew.
        results = sum(len(entry.results) for entry in self.sources.submissions) * len(names) // peers
        worth_it = len(names) > 1 and results >= RESULTS_WORTH_A_CREW
        return spread(_make, names, prepare=self.reopen, alone=self._make, worth_it=worth_it)

    def _make(self, name: str) -> Mapping[str, bytes]:
        unit = self.units[name]
        made = unit.make(self.renderer)
        if self.sources.memory.lasts:
            unit.remember()
        return made


def _make(name: str) -> Mapping[str, bytes]:
    return Workshop.current._make(name)


def code_key() -> str:
    """Return the digest of everything but the inputs that decides a page: code, templates, libraries."""
    sha = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for library in LIBRARIES:
        sha.update(f"{library} {version(library)}\n".encode())
    for path in source_files():
        sha.update(hashlib.sha256(path.read_bytes()).digest())
    return sha.hexdigest()
