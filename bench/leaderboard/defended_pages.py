"""Pages by defense and by network: a board of the UE track under everything that a protocol tries.

Imports the board; never torch.
"""

from collections.abc import Mapping

from bench.leaderboard.board import build_board
from bench.leaderboard.defended import (
    ACCURACY,
    BROKEN,
    Recovery,
    defense_sentences,
    defense_words,
    network_sentences,
    recoveries,
)
from bench.leaderboard.frame import shown_results
from bench.leaderboard.leaders import labels
from bench.leaderboard.matrix import defense_matrices, network_rows, networks
from bench.leaderboard.page_contexts import DefendedRow, DefensesContext, NetworksContext
from bench.leaderboard.sources import Sources
from bench.leaderboard.wording import condition_words, margin_words, show
from bench.protocol import Protocol
from bench.results import Result


def defenses_contexts(sources: Sources, protocol: Protocol) -> list[DefensesContext]:
    """Gather the board under every defense, for each protocol that has several and something measured under them."""
    board, results = build_board(sources, protocol), _results(sources, protocol)
    matrices = defense_matrices(board, protocol, results)
    if not matrices:
        return []
    made, names = recoveries(board, protocol, results), labels(board)
    return [
        DefensesContext(
            path=f"ue/{protocol.id}/defenses/index.html",
            title=f"Under every defense: {protocol.title}",
            description=f"{protocol.title}: which defense gives back the accuracy that a method takes.",
            section="overview",
            protocol=protocol.id,
            board=protocol.title,
            model=protocol.primary.model,
            sentences=defense_sentences(board, protocol, results, made),
            rule=_rule(),
            rows=tuple(_row(item, names) for item in made),
            matrices=matrices,
        )
    ]


def networks_contexts(sources: Sources, protocol: Protocol) -> list[NetworksContext]:
    """Gather the board by network, for each protocol that has several and something measured with them."""
    board, results = build_board(sources, protocol), _results(sources, protocol)
    rows = network_rows(board, protocol, results)
    if not rows:
        return []
    return [
        NetworksContext(
            path=f"ue/{protocol.id}/networks/index.html",
            title=f"With other networks: {protocol.title}",
            description=f"{protocol.title}: the same perturbations, learned by networks of other shapes.",
            section="overview",
            protocol=protocol.id,
            board=protocol.title,
            sentences=network_sentences(board, protocol, results),
            networks=tuple(condition_words(condition.label) for condition in networks(protocol)),
            rows=rows,
        )
    ]


def _results(sources: Sources, protocol: Protocol) -> dict[str, Result]:
    return {entry.slug: stored.result for entry, stored in shown_results(sources, protocol)}


def _row(item: Recovery, label: Mapping[str, str]) -> DefendedRow:
    if item.share is None:
        share, verdict = "", f"takes less than {margin_words()}"
    else:
        share = f"{item.share * 100:.1f}\u202f%"
        verdict = "broken" if item.share >= BROKEN else "holds in part" if item.share > 0 else "holds"
    return DefendedRow(
        slug=item.slug,
        name=label.get(item.slug, item.slug),
        undefended=show(ACCURACY, item.undefended),
        defended=show(ACCURACY, item.defended),
        defense=defense_words(item.condition),
        share=share,
        verdict=verdict,
    )


def _rule() -> str:
    return (
        f"A defense breaks a method if it gives back at least {BROKEN * 100:.0f}\u202f% of the accuracy that the "
        "method takes from clean training without a defense, by the means over seeds. Of a method that takes less than "
        f"{margin_words()} nothing can be given back."
    )
