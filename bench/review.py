"""Gathers a review: what is new in changed submissions, where they stand, and what a reader should ask about.

Knows verification and the boards; trains nothing, imports no torch.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from bench.errors import BenchError
from bench.integrity import base_problems, changed_submissions
from bench.leaderboard.attempts import history_words
from bench.leaderboard.board import build_board
from bench.leaderboard.board import standings as ue_standings
from bench.leaderboard.ranking import Standing, rank_text
from bench.leaderboard.shelf import Shelved
from bench.leaderboard.sources import Entry, Sources, UnlearningEntry, read_sources
from bench.leaderboard.unlearning_order import standings as unlearning_standings
from bench.leaderboard.unlearning_submission import unlearning_submission_contexts
from bench.ledger import AnnotationLine, parse_ledger
from bench.metrics.catalog import METRICS
from bench.problems import Problem, visible
from bench.protocol import Protocol
from bench.review_text import Changed, Review, Section
from bench.similarity import ALIKE, likenesses, neighbors
from bench.submission import AnyManifest, Artifact, Checkpoint, load_submission
from bench.unlearning_protocol import UnlearningProtocol
from bench.validation import validate_folder
from bench.verification import verify

MOST_LINES = 12
"""Lines of one section; how many more there are is said."""

Places = Mapping[str, tuple[str, ...]]
"""By slug: where a submission stands, a line for each board."""


def make_review(root: Path, base: Path, *, name: str) -> Review:
    """Return what changed in the submissions below root since a base. name: what the base is called.

    Raises UsageProblem where root holds no submissions.
    """
    slugs = changed_submissions(root, base)
    _, found = verify(root, [root / "submissions"])
    found = [*found, *base_problems(root, base)]
    sources, unreadable = _sources(root)
    places = _places(sources) if sources else {}
    changed = []
    for slug in slugs:
        prefix = str(root / "submissions" / slug)
        own = [problem for problem in found if problem == prefix or problem.startswith((f"{prefix}/", f"{prefix}:"))]
        found = [problem for problem in found if problem not in own]
        changed.append(_changed(root, base, slug, own, sources, places))
    return Review(name, tuple(changed), tuple(_relative(root, line) for line in [*found, *unreadable]))


def _changed(root: Path, base: Path, slug: str, found: list[str], sources: Sources | None, places: Places) -> Changed:
    folder, before = root / "submissions" / slug, base / "submissions" / slug
    if not folder.is_dir():
        return Changed(slug, "", "removed", len(found), (_section("Problems", (_relative(root, x) for x in found)),))
    problems = validate_folder(folder)
    errors = [*(_worded(item) for item in problems if item.severity == "error"), *found]
    warnings = [_worded(item) for item in problems if item.severity == "warning"]
    entry = next((item for item in sources.submissions if item.slug == slug), None) if sources else None
    sections = [
        _section("Problems", (_relative(root, line) for line in errors)),
        _section("Warnings", [*_role_warnings(folder, before), *(_relative(root, line) for line in warnings)]),
        _section("New", _news(folder, before)),
        _section("Attempts", _attempts(entry)),
        _section("Where it stands", places.get(slug, ())),
        _section("Reported and measured", _gaps(entry)),
        _section("Alike to stored artifacts", _alike(folder)),
        _section("Controls", _controls(sources, entry)),
    ]
    method = entry.manifest.method.name if entry else ""
    state = "changed" if before.is_dir() else "new"
    return Changed(slug, method, state, len(errors), tuple(section for section in sections if section.lines))


ROLES = {
    "reference": "a reference: all others would be read against what it hands in",
    "control": "a control: it would say whether a board can be trusted",
}


def _role_warnings(folder: Path, before: Path) -> Iterator[str]:
    """Yield a warning where a submission takes a role that it did not have; nothing else shows that it may."""
    role, known = (_family(place) for place in (folder, before))
    if role in ROLES and role != known:
        yield f"calls itself {ROLES[role]}; such roles are for maintainers, and are to be measured again by them"


def _family(folder: Path) -> str:
    try:
        return load_submission(folder).manifest.method.family
    except BenchError:
        return ""


def _section(title: str, lines: Iterable[str]) -> Section:
    # Boards set units off with a narrow space, which a plain text would spell out.
    kept = [line.replace("\u202f", " ") for line in lines]
    more = [f"and {len(kept) - MOST_LINES} more"] if len(kept) > MOST_LINES else []
    return Section(title, (*kept[:MOST_LINES], *more))


def _sources(root: Path) -> tuple[Sources | None, list[str]]:
    try:
        return read_sources(root), []
    except BenchError as error:
        return None, [f"no board can be made: {error}"]


def _places(sources: Sources) -> dict[str, tuple[str, ...]]:
    """Return where every entry stands on every board, and with whom it ties."""
    found: dict[str, list[str]] = {}
    for protocol in sources.protocols.values():
        ranked, _ = ue_standings(sources, protocol)
        for slug, line in _lines(protocol, {item.slug: (rank_text(item), _letters(item)) for item in ranked}):
            found.setdefault(slug, []).append(line)
    for other in sources.unlearning_protocols.values():
        places = unlearning_standings(sources, other)
        for slug, line in _lines(
            other, {name: (place.text, set(place.ties.split())) for name, place in places.items()}
        ):
            found.setdefault(slug, []).append(line)
    return {slug: tuple(lines) for slug, lines in found.items()}


def _letters(standing: Standing) -> set[str]:
    return set(standing.groups.split())


def _lines(
    protocol: Protocol | UnlearningProtocol, ranked: Mapping[str, tuple[str, set[str]]]
) -> Iterator[tuple[str, str]]:
    for slug, (text, letters) in ranked.items():
        ties = [name for name, (_, other) in ranked.items() if name != slug and letters & other]
        told = f"ties with {', '.join(ties)}" if ties else "ties with nobody"
        yield slug, f"{protocol.id}: rank {text} of {len(ranked)}, {told}"


def _news(folder: Path, before: Path) -> Iterator[str]:
    """Yield results, artifacts and annotations that were not there, and results that are gone."""
    now, old = ({path.name: path for path in (place / "results").glob("*/*.json")} for place in (folder, before))
    for name in sorted(now.keys() - old.keys()):
        yield f"result {visible(name)} of {visible(now[name].parent.name)}"
    for name in sorted(old.keys() - now.keys()):
        yield f"result {visible(name)} of {visible(old[name].parent.name)} is gone"
    known = {item.sha256 for item in _artifacts(before)}
    for item in _artifacts(folder):
        if item.sha256 not in known:
            yield f"artifact {item.path} for {item.protocol}, {item.bytes:,} bytes, SHA-256 {item.sha256[:16]}..."
    lines = [parse_ledger(place)[0].lines for place in (folder, before)]
    for line in lines[0][len(lines[1]) :]:
        if isinstance(line, AnnotationLine):
            yield f"{line.action} on {line.result[7:23]} by {line.by}: {line.reason}"


def _artifacts(folder: Path) -> tuple[Artifact | Checkpoint, ...]:
    manifest = _manifest(folder)
    return manifest.artifact if manifest else ()


def _manifest(folder: Path) -> AnyManifest | None:
    try:
        return load_submission(folder).manifest
    except BenchError:
        return None


def _attempts(entry: Entry | UnlearningEntry | None) -> Iterator[str]:
    if entry is None:
        return
    for stored in entry.results:
        yield f"{stored.result.subject.protocol.id}: {history_words(entry.ledger, stored.result)}"
    stated = entry.manifest.disclosure.attempts_before_this
    made = max((len(entry.ledger.attempts(name)) for name in entry.manifest.protocols), default=0)
    if made - 1 > stated:
        yield f"the manifest states {stated} attempts before this one, the ledger knows {made - 1}"


def _gaps(entry: Entry | UnlearningEntry | None) -> Iterator[str]:
    """Yield each number that the author states beside the measured one."""
    if entry is None:
        return
    for item in entry.manifest.reported:
        found = [line for stored in entry.results for line in _measured(stored, item.metric, item.condition)]
        for protocol, mean in found:
            gap = f"{mean - item.value:+.4g}"
            yield f"{item.metric}, {item.condition}, {protocol}: reported {item.value:g}, measured {mean:.4g} ({gap})"
        if not found:
            yield f"{item.metric}, {item.condition}: reported {item.value:g}, not measured"


def _measured(stored: Shelved, metric: str, condition: str) -> Iterator[tuple[str, float]]:
    found = stored.result.measurement(metric, condition)
    value = None if found is None else found.pooled if found.pooled is not None else found.mean
    if metric in METRICS and value is not None:
        yield stored.result.subject.protocol.id, value


def _alike(folder: Path) -> Iterator[str]:
    try:
        submission = load_submission(folder)
    except BenchError:
        return
    others = neighbors(folder)
    known = {item.sha256: other.slug for other in others for item in _artifacts(other.folder)}
    for item in _artifacts(folder):
        if item.sha256 in known:
            yield f"{item.path} has the digest of an artifact of {known[item.sha256]}"
    found = likenesses(submission, others)
    for near in found[:3]:
        warning = f", alike from {ALIKE}: ask" if near.alike else ""
        yield f"{near.artifact.path} and {near.slug}/{near.path}: cosine {near.cosine:.3f}{warning}"


def _controls(sources: Sources | None, entry: Entry | UnlearningEntry | None) -> Iterator[str]:
    """Yield what the controls of its boards show, or its own, where they are part of the measurement."""
    if sources is None or entry is None:
        return
    if isinstance(entry, Entry):
        for protocol in sources.protocols.values():
            if entry.belongs_on(protocol):
                yield from (f"{protocol.id}: {note}" for note in build_board(sources, protocol).controls)
        return
    for context in unlearning_submission_contexts(sources, entry):
        yield from (f"{part.protocol}: {words}" for part in context.sections for words in part.control_words)


def _worded(problem: Problem) -> str:
    line = "" if problem.line is None else f":{problem.line}"
    return f"{problem.file}{line}: {problem.pointer} {problem.message}; {problem.remedy}"


def _relative(root: Path, line: str) -> str:
    """Return a line without the part of its path that says where the checkout lies."""
    return line.replace(f"{root}/", "") if str(root) != "." else line
