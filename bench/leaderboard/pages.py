"""Pages: the list of all pages, and the two entry points: render the site, and say where a rendered one is stale.

Everything is gathered first and written afterwards; the same input gives the same bytes. Never imports torch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.leaderboard import drawing, publishing
from bench.leaderboard.board import board_context
from bench.leaderboard.contexts import BoardContext, Context
from bench.leaderboard.defended_pages import defenses_contexts, networks_contexts
from bench.leaderboard.environment import Renderer, static_assets
from bench.leaderboard.exports import board_csv, reported_csv, unlearning_csv
from bench.leaderboard.guides import missing_contexts, read_contexts, submit_contexts
from bench.leaderboard.home import index_contexts, ue_index_contexts, unlearning_index_contexts
from bench.leaderboard.prose_pages import reproduction_contexts
from bench.leaderboard.reference_pages import (
    metric_contexts,
    metrics_contexts,
    protocol_contexts,
    protocols_contexts,
)
from bench.leaderboard.reported_page import reported_contexts
from bench.leaderboard.sources import Sources, read_sources
from bench.leaderboard.submission_page import raw_name, submission_contexts
from bench.leaderboard.unlearning_board import board_context as unlearning_board_context
from bench.leaderboard.unlearning_contexts import UnlearningBoardContext
from bench.leaderboard.unlearning_reference_pages import unlearning_protocol_contexts
from bench.leaderboard.unlearning_submission import unlearning_submission_contexts
from bench.results import result_bytes
from bench.unlearning_protocol import AnyProtocol


@dataclass(frozen=True)
class Page:
    """A kind of page: its template, and how the contexts of all its pages are gathered."""

    template: str
    gather: Callable[[Sources], Sequence[Context]]


def board_contexts(sources: Sources) -> list[BoardContext]:
    """Gather the page of every board."""
    return [board_context(sources, protocol) for protocol in sources.protocols.values()]


def unlearning_board_contexts(sources: Sources) -> list[UnlearningBoardContext]:
    """Gather the page of every board of the unlearning track."""
    return [unlearning_board_context(sources, protocol) for protocol in sources.unlearning_protocols.values()]


PAGES = (
    Page("pages/index.html", index_contexts),
    Page("pages/board.html", board_contexts),
    Page("pages/defenses.html", defenses_contexts),
    Page("pages/networks.html", networks_contexts),
    Page("pages/submission.html", submission_contexts),
    Page("pages/protocol.html", protocol_contexts),
    Page("pages/ue_index.html", ue_index_contexts),
    Page("pages/unlearning_index.html", unlearning_index_contexts),
    Page("pages/unlearning_board.html", unlearning_board_contexts),
    Page("pages/unlearning_submission.html", unlearning_submission_contexts),
    Page("pages/unlearning_protocol.html", unlearning_protocol_contexts),
    Page("pages/protocols.html", protocols_contexts),
    Page("pages/metric.html", metric_contexts),
    Page("pages/metrics.html", metrics_contexts),
    Page("pages/reported.html", reported_contexts),
    Page("pages/submit.html", submit_contexts),
    Page("pages/read.html", read_contexts),
    Page("pages/prose.html", reproduction_contexts),
    Page("pages/404.html", missing_contexts),
)


def render_site(root: Path, out: Path, *, protocols: Mapping[str, AnyProtocol] | None = None) -> list[Path]:
    """Render the site of a repository into `out`; return the files of the site, sorted.

    protocols: by id, instead of the bundled ones. Files in `out` that no earlier rendering wrote are left alone.
    Submissions that cannot be read are left out; `sources.unreadable_submissions` names them.
    Raises CorruptResult and UsageProblem.
    """
    files = build_files(root, protocols=protocols)
    return publishing.write_files(files, out)


def stale_files(root: Path, out: Path, *, protocols: Mapping[str, AnyProtocol] | None = None) -> list[str]:
    """Return how `out` differs from what `render_site` would write, one line a file; empty if it does not."""
    return publishing.differences(build_files(root, protocols=protocols), out)


def build_files(root: Path, *, protocols: Mapping[str, AnyProtocol] | None = None) -> dict[str, bytes]:
    """Return every file of the site by its path, nothing written but the cache of drawings."""
    sources = read_sources(root, protocols=protocols)
    gathered = [(page.template, context) for page in PAGES for context in page.gather(sources)]
    downloads = _downloads(sources)
    assets = static_assets(drawing.bundle())
    built = {context.path for _, context in gathered} | downloads.keys()
    renderer = Renderer(drawing.Painter(root / ".bench" / "drawings").svg, assets, built=built)
    files = {asset.path: asset.content for asset in assets.values()}
    files |= {context.path: renderer.render(template, context) for template, context in gathered}
    return dict(sorted({**files, **downloads}.items()))


def _downloads(sources: Sources) -> dict[str, bytes]:
    raw = {
        f"submissions/{entry.slug}/{raw_name(stored)}": result_bytes(stored.result)
        for entry in sources.submissions
        for stored in entry.results
    }
    tables = {f"ue/{name}/{name}.csv": board_csv(sources, protocol) for name, protocol in sources.protocols.items()}
    tables |= {
        f"unlearning/{name}/{name}.csv": unlearning_csv(sources, protocol)
        for name, protocol in sources.unlearning_protocols.items()
    }
    return {**raw, **tables, "reported/reported.csv": reported_csv()}
