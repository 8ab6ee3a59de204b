"""Prose pages: documents of the repository as pages of the site.

Imports prose and sources; never torch.
"""

from bench.leaderboard.page_contexts import ProseContext
from bench.leaderboard.prose import plain, read_prose
from bench.leaderboard.sources import Sources

PATH = "reproduction/index.html"

PLACES = {
    "metrics.md": "metrics/index.html",
    "unlearning-metrics.md": "metrics/index.html",
    "protocols.md": "protocols/index.html",
}
"""Documents that have a counterpart on the site. Others are named and not linked: the site does not have them."""


def reproduction_contexts(sources: Sources) -> list[ProseContext]:
    """Gather the page on what publications claim and what is measured here; none without the document."""
    if not sources.reproduction:
        return []
    blocks = read_prose(sources.reproduction, link=site_link)
    title, rest = blocks[0], blocks[1:]
    return [
        ProseContext(
            path=PATH,
            title=plain(title.lines[0]),
            description="Claims of the publications, each with what is measured here, agreeing or not.",
            blocks=rest,
            contents=tuple((block.id, plain(block.lines[0])) for block in rest if block.level == 2),
        )
    ]


def site_link(target: str) -> tuple[str, bool]:
    """Return where a link of a document leads on the site; nowhere for documents and schemes that it does not have."""
    if target.startswith("https://"):
        return target, True
    name = target.partition("#")[0].rpartition("/")[2]
    return (f"../{PLACES[name]}", False) if name in PLACES else ("", False)
