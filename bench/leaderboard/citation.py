"""Citation: what a reader needs to cite a board and to check it: result documents, their digest, the newest day.

Imports the records and the shelf; never torch.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bench.leaderboard.shelf import Shelved
from bench.records import digest


@dataclass(frozen=True)
class Evidence:
    """The stored result behind a row.

    raw: its path from the top of the site; id: of the result; day: when its last run ended, UTC; kind: of the
    artifact as it was measured. Empty where there is none. bibtex: of the method, as its author states it.
    """

    raw: str = ""
    id: str = ""
    day: str = ""
    kind: str = ""
    bibtex: str = ""


@dataclass(frozen=True)
class BoardCitation:
    """A board at one state of its results. digest: see `board_digest`; newest: day of the newest run, UTC, or empty."""

    digest: str
    newest: str
    results: int


def raw_name(stored: Shelved) -> str:
    """Return the file name of a raw result beside its submission's page."""
    return f"{stored.head.protocol}-{stored.head.name}.json"


def evidence_of(slug: str, stored: Shelved | None, bibtex: str) -> Evidence:
    """Return what stands behind a submission's row; without a result only its entry of a bibliography."""
    if stored is None:
        return Evidence(bibtex=bibtex)
    kind = next((check.measured for check in stored.result.outcome.checks if check.id == "kind"), "")
    return Evidence(
        raw=f"submissions/{slug}/{raw_name(stored)}",
        id=stored.head.id,
        day=stored.head.ended[:10],
        kind=kind,
        bibtex=bibtex,
    )


def board_digest(ids: Iterable[str]) -> str:
    """Return `sha256:` and the SHA-256 of the RFC 8785 bytes of the sorted list of result ids."""
    return digest(sorted(ids))


def cite_board(shown: Iterable[Evidence]) -> BoardCitation:
    """Return digest and newest day of the results that a board shows."""
    measured = [item for item in shown if item.id]
    return BoardCitation(
        digest=board_digest(item.id for item in measured),
        newest=max((item.day for item in measured), default=""),
        results=len(measured),
    )
