"""Changelog: every change of every board in words, newest first.

Imports the history and plain wording; never torch.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.leaderboard.exports.table import board_metric, score_of
from bench.leaderboard.history import BoardHistory, Change
from bench.leaderboard.wording import TIER_WORDS, list_words, show
from bench.records import digest

MOST_CHANGES = 200
MOST_MOVED = 5


@dataclass(frozen=True)
class ChangeLine:
    """A change in words. sentence: what follows the name of the submission. id: of the change, whatever its words are.

    shown: whether a board shows the result.
    """

    id: str
    moment: str
    track: str
    protocol: str
    title: str
    slug: str
    name: str
    sentence: str
    shown: bool

    @property
    def day(self) -> str:
        """The day, in UTC."""
        return self.moment[:10]


def newest_changes(histories: Sequence[BoardHistory], limit: int, *, track: str = "") -> list[ChangeLine]:
    """Return the newest changes in words, of one track where it is named; only these are ranked and worded."""
    chosen = [(history, change, change_id(change)) for history, change in _newest(histories, limit, track)]
    by_board: dict[str, list[tuple[BoardHistory, Change, str]]] = {}
    for item in chosen:
        by_board.setdefault(item[0].protocol.id, []).append(item)
    part = f"{limit} {track}".strip()
    lines = {protocol: iter(_in_words(items, part)) for protocol, items in by_board.items()}
    return [next(lines[history.protocol.id]) for history, _, _ in chosen]


def rank_newest_days(histories: Sequence[BoardHistory], protocol: str, limit: int) -> None:
    """Rank those days of one board that putting the newest changes into words will ask for."""
    for history, change in _newest(histories, limit):
        if history.protocol.id == protocol:
            history.ranks_before(change.day)
            history.ranks_on(change.day)


def _newest(histories: Sequence[BoardHistory], limit: int, track: str = "") -> list[tuple[BoardHistory, Change]]:
    pairs = [
        (history, change)
        for history in histories
        if track in ("", history.protocol.track)
        for change in history.newest(limit)
    ]
    pairs.sort(key=lambda pair: (pair[1].protocol.id, pair[1].entry.slug, pair[1].stored.head.id))
    pairs.sort(key=lambda pair: pair[1].moment, reverse=True)
    return pairs[:limit]


def _in_words(items: Sequence[tuple[BoardHistory, Change, str]], part: str) -> tuple[ChangeLine, ...]:
    """Put changes of one board into words, unless they were since the board changed last."""
    found: tuple[ChangeLine, ...] = items[0][0].recall(
        f"changes in words/{part}",
        [name for _, _, name in items],
        tuple[ChangeLine, ...],
        lambda: tuple(change_line(history, change) for history, change, _ in items),
    )
    return found


def change_id(change: Change) -> str:
    """Return what identifies a change, whatever its words are."""
    return digest([change.kind, change.moment, change.entry.slug, change.protocol.id, change.stored.head.id])


def change_line(history: BoardHistory, change: Change) -> ChangeLine:
    """Put a change into words."""
    protocol = change.protocol
    return ChangeLine(
        id=change_id(change),
        moment=change.moment,
        track=protocol.track,
        protocol=protocol.id,
        title=protocol.title,
        slug=change.entry.slug,
        name=change.entry.name,
        sentence=_sentence(history, change),
        shown=change.kind in ("joined", "replaced", "returned"),
    )


def moved_sentences(history: BoardHistory, days: Sequence[str]) -> Mapping[str, str]:
    """Return what `moved_sentence` says of some days, worked out unless it was since the board changed last."""
    return history.recall(
        "moved", list(days), dict[str, str], lambda: {day: moved_sentence(history, day) for day in days}
    )


def moved_sentence(history: BoardHistory, day: str) -> str:
    """Say which submissions moved on a day although nothing of theirs changed; empty where none did."""
    if not history.ranked_day(day):
        return ""
    before, after = history.ranks_before(day), history.ranks_on(day)
    changed = {change.entry.slug for change in history.changes if change.day == day}
    moved = [slug for slug in after if slug not in changed and before.get(slug, after[slug]) != after[slug]]
    moved.sort(key=lambda slug: (*after[slug], slug))
    if not moved:
        return ""
    names = history.names
    words = [f"{names[slug]} to rank {rank_words(after[slug])}, was {rank_words(before[slug])}" for slug in moved]
    rest = len(words) - MOST_MOVED
    more = f"; and {rest} more" if rest > 0 else ""
    return f"Others moved because of this: {'; '.join(words[:MOST_MOVED])}{more}."


def rank_words(rank: tuple[int, int]) -> str:
    """Return `3` or `2 to 5`."""
    return str(rank[0]) if rank[0] == rank[1] else f"{rank[0]} to {rank[1]}"


def _sentence(history: BoardHistory, change: Change) -> str:
    protocol = change.protocol.id
    if change.kind == "artifact":
        return f"has a result on {protocol} of another artifact than its manifest names; the board does not show it."
    if change.kind == "withdrawn":
        return f"has a result on {protocol} that was withdrawn since; the board does not show it."
    if change.kind == "wording":
        return f"has a result for an earlier wording of {protocol}; the board of today does not show it."
    if change.kind == "beside":
        tiers = [TIER_WORDS[change.stored.head.tier]]
        tiers += [TIER_WORDS[change.previous.head.tier]] if change.previous else []
        return f"has a further result on {protocol}, {tiers[0]} tier; the board goes on showing the {tiers[-1]} one."
    if change.kind == "joined":
        return _joined(history, change)
    start = "has a new result on" if change.kind == "replaced" else "is shown with an earlier result again on"
    parts = [f"{start} {protocol}: {_scores(change)}", *_movement(history, change), *_reasons(change)]
    return f"{'; '.join(parts)}. The result before it is superseded."


def _joined(history: BoardHistory, change: Change) -> str:
    protocol, score = change.protocol.id, _score(change)
    if change.entry.role != "entry":
        return f"was measured on {protocol} as a {change.entry.role}: {score}."
    if not history.ranked_day(change.day):
        return f"joined {protocol}: {score}."
    ranks = history.ranks_on(change.day)
    rank = ranks.get(change.entry.slug)
    if rank is None:
        return f"was measured on {protocol} and is not ranked: {score}."
    return f"joined {protocol} at rank {rank_words(rank)} of {len(ranks)}: {score}."


def _score(change: Change) -> str:
    metric = board_metric(change.protocol)
    shown = show(metric, score_of(change.stored, change.protocol))
    interval = f" ({shown.interval})" if shown.interval else ""
    return f"{metric.label[0].lower()}{metric.label[1:]} {shown.text}{interval}"


def _scores(change: Change) -> str:
    """Say the score and what it was, without the interval of the old one."""
    if change.previous is None:
        return _score(change)
    metric = board_metric(change.protocol)
    before = show(metric, score_of(change.previous, change.protocol))
    return f"{_score(change)}, was {before.text}"


def _movement(history: BoardHistory, change: Change) -> Iterator[str]:
    if change.entry.role != "entry" or not history.ranked_day(change.day):
        return
    ranks = history.ranks_on(change.day)
    now, before = ranks.get(change.entry.slug), history.ranks_before(change.day).get(change.entry.slug)
    if now is None:
        yield "it is not ranked" if before is None else f"it is not ranked any more, was {rank_words(before)}"
    elif before is None:
        yield f"rank {rank_words(now)} of {len(ranks)}"
    elif before == now:
        yield f"rank {rank_words(now)} of {len(ranks)} as before"
    else:
        yield f"rank {rank_words(now)} of {len(ranks)}, was {rank_words(before)}"


def _reasons(change: Change) -> Iterator[str]:
    """Say what was different about the new result; the same question with another answer is a reason to look."""
    if change.previous is None:
        return
    new, old = change.stored.result, change.previous.result
    if new.key == old.key:
        yield "the same question, measured again, with another finding"
        return
    reasons = []
    if new.subject.tier != old.subject.tier:
        reasons.append(f"{TIER_WORDS[new.subject.tier]} tier instead of {TIER_WORDS[old.subject.tier]}")
    if new.subject.artifacts != old.subject.artifacts:
        reasons.append("other files")
    if new.subject.evaluator.code_sha256 != old.subject.evaluator.code_sha256:
        reasons.append("newer code")
    if new.subject.data != old.subject.data:
        reasons.append("other data")
    if reasons:
        yield list_words(reasons)
