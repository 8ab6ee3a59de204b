"""Pages: the list of everything that a site consists of, in units that are made and made anew on their own.

A unit is a board, a submission, what is about all of them, or what is about none. Never imports torch.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from bench.leaderboard.board import standings as ue_standings
from bench.leaderboard.board_pages import board_contexts, unlearning_board_contexts
from bench.leaderboard.canaries import noise_file, unlearning_file
from bench.leaderboard.changes_page import changes_contexts, rank_changed_days
from bench.leaderboard.compare_page import compare_contexts, compare_index_contexts
from bench.leaderboard.contexts import Context
from bench.leaderboard.defended_pages import defenses_contexts, networks_contexts
from bench.leaderboard.downloads_page import downloads_contexts
from bench.leaderboard.environment import FEED, FOOTER, MENU, Renderer
from bench.leaderboard.exports.files import board_files, site_files, submission_files
from bench.leaderboard.guides import missing_contexts, read_contexts, submit_contexts
from bench.leaderboard.home import index_contexts, ue_index_contexts, unlearning_index_contexts
from bench.leaderboard.prose_pages import PATH as REPRODUCTION_PAGE
from bench.leaderboard.prose_pages import reproduction_contexts
from bench.leaderboard.reference_pages import metric_contexts, metrics_contexts, protocol_contexts, protocols_contexts
from bench.leaderboard.reported_page import reported_contexts
from bench.leaderboard.sources import Entry, Sources, UnlearningEntry, protocol_digest
from bench.leaderboard.submission_page import submission_contexts
from bench.leaderboard.unlearning_order import standings as unlearning_standings
from bench.leaderboard.unlearning_reference_pages import unlearning_protocol_contexts
from bench.leaderboard.unlearning_submission import unlearning_submission_contexts
from bench.protocol import Protocol
from bench.unlearning_protocol import UnlearningProtocol

Files = Mapping[str, bytes]
Scope = Literal["board", "other"]
"""Boards are made first: what a board finds is remembered, and the others need it."""


@dataclass(frozen=True)
class Page:
    """A kind of page: its template, and how its contexts are gathered from the sources and the subject."""

    template: str
    gather: Callable[..., Sequence[Context]]


@dataclass(frozen=True)
class Kind:
    """What belongs to one subject: its pages, and its other files by path.

    ahead: what later units ask for, to be remembered while the subject is at hand.
    """

    pages: tuple[Page, ...]
    files: tuple[Callable[..., Files], ...]
    ahead: tuple[Callable[..., None], ...] = ()


COMPARE = Page("pages/compare.html", compare_contexts)

UE_BOARD = Kind(
    pages=(
        Page("pages/board.html", board_contexts),
        Page("pages/defenses.html", defenses_contexts),
        Page("pages/networks.html", networks_contexts),
        Page("pages/protocol.html", protocol_contexts),
        COMPARE,
    ),
    files=(board_files, noise_file),
    ahead=(rank_changed_days,),
)
UNLEARNING_BOARD = Kind(
    pages=(
        Page("pages/unlearning_board.html", unlearning_board_contexts),
        Page("pages/unlearning_protocol.html", unlearning_protocol_contexts),
        COMPARE,
    ),
    files=(board_files, unlearning_file),
    ahead=(rank_changed_days,),
)
UE_SUBMISSION = Kind(pages=(Page("pages/submission.html", submission_contexts),), files=(submission_files,))
UNLEARNING_SUBMISSION = Kind(
    pages=(Page("pages/unlearning_submission.html", unlearning_submission_contexts),), files=(submission_files,)
)
SITE = Kind(
    pages=(
        Page("pages/index.html", index_contexts),
        Page("pages/ue_index.html", ue_index_contexts),
        Page("pages/unlearning_index.html", unlearning_index_contexts),
        Page("pages/protocols.html", protocols_contexts),
        Page("pages/compare_index.html", compare_index_contexts),
        Page("pages/changes.html", changes_contexts),
        Page("pages/downloads.html", downloads_contexts),
    ),
    files=(site_files,),
)
GUIDES = Kind(
    pages=(
        Page("pages/metric.html", metric_contexts),
        Page("pages/metrics.html", metrics_contexts),
        Page("pages/reported.html", reported_contexts),
        Page("pages/submit.html", submit_contexts),
        Page("pages/read.html", read_contexts),
        Page("pages/prose.html", reproduction_contexts),
        Page("pages/404.html", missing_contexts),
    ),
    files=(),
)
"""What no submission changes, and is made from sources that have none."""


@dataclass(frozen=True)
class Unit:
    """A part of the site that is made on its own. inputs: a JSON value that changes whenever its files may."""

    name: str
    scope: Scope
    inputs: Callable[[], Any]
    kind: Kind
    subject: tuple[Any, ...]

    def make(self, renderer: Renderer) -> dict[str, bytes]:
        """Return the files of the unit by path."""
        made: dict[str, bytes] = {}
        for page in self.kind.pages:
            for context in page.gather(*self.subject):
                made[context.path] = renderer.render(page.template, context)
        for files in self.kind.files:
            made |= files(*self.subject)
        return made

    def remember(self) -> None:
        """Work out what later units will ask for."""
        for ahead in self.kind.ahead:
            ahead(*self.subject)


def units(sources: Sources) -> Iterator[Unit]:
    """Yield every unit of a site: the boards, and of the others first those that take longest."""
    for protocol in sources.all_protocols:
        kind = UE_BOARD if protocol.id in sources.protocols else UNLEARNING_BOARD
        yield Unit(f"board {protocol.id}", "board", partial(sources.state, protocol), kind, (sources, protocol))
    yield Unit("site", "other", lambda: sources.everything, SITE, (sources,))
    bare = sources.without_submissions()
    yield Unit("guides", "other", lambda: bare.everything, GUIDES, (bare,))
    for entry in sources.entries:
        made_from = partial(_ue_inputs, sources, entry)
        yield Unit(f"submission {entry.slug}", "other", made_from, UE_SUBMISSION, (sources, entry))
    for unlearner in sources.unlearning_entries:
        made_from = partial(_unlearning_inputs, sources, unlearner)
        yield Unit(f"submission {unlearner.slug}", "other", made_from, UNLEARNING_SUBMISSION, (sources, unlearner))


def named_paths(sources: Sources) -> set[str]:
    """Return the paths that a menu can name and that the site has."""
    named = {target for _, _, target in MENU} | {target for _, target in FOOTER} | {FEED}
    return named if sources.reproduction else named - {REPRODUCTION_PAGE}


def _ue_inputs(sources: Sources, entry: Entry) -> list[Any]:
    """Return what decides a submission's page: itself, its places, and what it is compared with."""
    inputs: list[Any] = [entry.state()]
    for protocol in sources.protocols.values():
        if protocol.id in entry.named and entry.belongs_on(protocol):
            places = _ue_places(sources, protocol)
            reference = sources.reference(protocol)
            against = reference.state(protocol) if reference else ""
            inputs.append([protocol_digest(protocol), places.get(entry.slug), len(places), against])
    return inputs


def _ue_places(sources: Sources, protocol: Protocol) -> Mapping[str, list[Any]]:
    def work_out() -> dict[str, list[Any]]:
        ranked, _ = ue_standings(sources, protocol)
        return {item.slug: [item.best, item.worst, item.groups] for item in ranked}

    return sources.memory.at_hand(f"places {protocol.id}", work_out)


def _unlearning_inputs(sources: Sources, entry: UnlearningEntry) -> list[Any]:
    inputs: list[Any] = [entry.state()]
    for protocol in sources.unlearning_protocols.values():
        if protocol.id in entry.named and entry.belongs_on(protocol):
            places = _unlearning_places(sources, protocol)
            inputs.append(
                [protocol_digest(protocol), places.get(entry.slug), len(places), sources.unlearning_references]
            )
    return inputs


def _unlearning_places(sources: Sources, protocol: UnlearningProtocol) -> Mapping[str, list[Any]]:
    def work_out() -> dict[str, list[Any]]:
        found = unlearning_standings(sources, protocol).items()
        return {slug: [place.best, place.worst, place.ties, place.keeps] for slug, place in found}

    return sources.memory.at_hand(f"places {protocol.id}", work_out)
