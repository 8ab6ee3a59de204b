"""Comparison sources: which entries a comparison names, and only those files that it needs.

Imports the records and the sources of boards; never torch.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import InvalidSubmission, RefusedArtifact, UsageProblem
from bench.leaderboard.comparison import FEWEST, MOST, Comparison, board_facts, compare, contestant
from bench.leaderboard.shelf import read_shelf
from bench.leaderboard.sources import Entry, Sources, UnlearningEntry, entry_of
from bench.metrics.catalog import METRICS
from bench.protocol import Protocol
from bench.submission import MANIFEST_NAME, listed_folders, load_submission
from bench.unlearning_protocol import AnyProtocol, all_protocol_ids, load_any_protocol


@dataclass(frozen=True)
class Named:
    """An entry as it was asked for. label: its slug, or the path where it lies elsewhere."""

    label: str
    folder: Path
    at_home: bool

    @property
    def protocols(self) -> list[str]:
        """Ids of the protocols that results are stored for, whether or not a board would show them."""
        return sorted({path.parent.name for path in self.folder.glob("results/*/*.json")})


def compare_named(
    root: Path, names: Sequence[str], *, protocol: str | None = None, metrics: Sequence[str] = ()
) -> list[Comparison]:
    """Compare submissions below `<root>/submissions`, or elsewhere by path, with the first one.

    protocol: the only one to compare in; by default each one that all have a result for.
    Raises UsageProblem for what cannot be compared, CorruptResult, InvalidSubmission.
    """
    if not FEWEST <= len(names) <= MOST:
        raise UsageProblem(f"{len(names)} submissions: {FEWEST} to {MOST} can be compared")
    _check_metrics(metrics)
    named = [resolve(root, name) for name in names]
    asked = [protocol] if protocol is not None else sorted(set.intersection(*(set(item.protocols) for item in named)))
    known = all_protocol_ids()
    found = [_compare_in(root, named, load_any_protocol(name), metrics) for name in asked if protocol or name in known]
    comparisons = [item for item in found if item is not None]
    if not comparisons:
        raise UsageProblem(_nothing_common(named, protocol))
    return comparisons


def resolve(root: Path, name: str) -> Named:
    """Return the entry that a slug or a path means. Raises UsageProblem naming slugs that are spelled nearly so."""
    home = root / "submissions"
    by_slug = home / name
    if Path(name).name == name and (by_slug / MANIFEST_NAME).is_file():
        return Named(name, by_slug, at_home=True)
    path = Path(name)
    if (path / MANIFEST_NAME).is_file():
        inside = path.resolve().parent == home.resolve()
        return Named(path.resolve().name if inside else name, path, at_home=inside)
    known = [folder.name for folder in listed_folders(home)]
    near = difflib.get_close_matches(path.name, known, n=4, cutoff=0.5)
    starting = [slug for slug in known if slug.startswith(path.name) and slug not in near][:4]
    hint = f"nearly so named: {', '.join([*near, *starting])}" if near or starting else f"known: {', '.join(known)}"
    raise UsageProblem(f"{name!r} is no submission, neither below {home} nor a folder with {MANIFEST_NAME}; {hint}")


def protocol_sources(root: Path, protocol: AnyProtocol) -> Sources:
    """Read the submissions that have results of one protocol, and those results only.

    Submissions whose manifest cannot be read are left out, as they are on the board. Raises CorruptResult.
    """
    folders = sorted(path.parent.parent for path in (root / "submissions").glob(f"*/results/{protocol.id}"))
    entries = []
    for folder in folders:
        try:
            entries.append(_entry(folder, protocol))
        except (InvalidSubmission, RefusedArtifact):
            continue
    ue = tuple(item for item in entries if isinstance(item, Entry))
    unlearning = tuple(item for item in entries if isinstance(item, UnlearningEntry))
    if isinstance(protocol, Protocol):
        return Sources({protocol.id: protocol}, ue)
    return Sources({}, (), unlearning_protocols={protocol.id: protocol}, unlearning_entries=unlearning)


def _compare_in(root: Path, named: Sequence[Named], protocol: AnyProtocol, metrics: Sequence[str]) -> Comparison | None:
    if not all(protocol.id in item.protocols for item in named):
        return None
    sources = protocol_sources(root, protocol)
    facts = board_facts(sources, protocol)
    at_home = {entry.slug: entry for entry in sources.submissions}
    found = []
    for item in named:
        entry = at_home.get(item.label) if item.at_home else None
        # Read here where it lies elsewhere, or where the board leaves it out: then the error says why.
        entry = _entry(item.folder, protocol) if entry is None else entry
        made = contestant(entry, protocol, item.label, facts.ranks.get(item.label, "") if item.at_home else "")
        if made is None:
            return None
        found.append(made)
    return compare(found, protocol, facts, metrics)


def _entry(folder: Path, protocol: AnyProtocol) -> Entry | UnlearningEntry:
    return entry_of(read_shelf(load_submission(folder).folder, protocol.id))


def _check_metrics(metrics: Sequence[str]) -> None:
    for key in metrics:
        if key not in METRICS:
            near = difflib.get_close_matches(key, METRICS, n=4, cutoff=0.4)
            hint = f"nearly so named: {', '.join(near)}" if near else "`bench list metrics` lists all"
            raise UsageProblem(f"unknown metric {key!r}; {hint}")


def _nothing_common(named: Sequence[Named], protocol: str | None) -> str:
    has = [f"  {item.label}: {', '.join(item.protocols) or 'no results'}" for item in named]
    missing = "no protocol has a result of each" if protocol is None else f"not all have a result of {protocol}"
    return "\n".join([f"nothing to compare: {missing} that a board would show. Results are stored for:", *has])
