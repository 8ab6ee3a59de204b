"""Canaries: controls whose outcome is known beforehand, on every board. One out of band stops publication.

Imports plain statistics and the records; never torch.

What is known, and the band that a board allows:
  random noise (UE)         changes test accuracy by no more than CONTROL_MARGIN, under every condition
  retraining once more      keeps the accuracy of the first retraining within ACCURACY_TOLERANCE, under every probe, and
                            lies nearer to it than MOST_DISTANCE of the way to the original
  noise nobody trained on   scores 0: of retrained networks the noise to forget, of every checkpoint the noise that was
                            held back. Tested exactly, all checkpoints of a board together (Holm), at CHANCE.
A mean is out of band where its whole 95 % interval is: with few seeds a canary can stay undecided, which is said.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from bench.leaderboard.sources import Sources, UnlearningEntry, remembered
from bench.leaderboard.unlearning_order import ACCURACY_TOLERANCE, p_words, signed
from bench.leaderboard.wording import CONTROL_MARGIN, condition_words, list_words, probe_words
from bench.metrics.gus_statistics import holm, pooled_test
from bench.protocol import Protocol
from bench.records import canonical_bytes
from bench.results import Measurement, Result
from bench.unlearning_protocol import UnlearningProtocol

CHANCE = 0.001
"""How often, with nothing wrong, a board's exact tests may stop its publication."""

MOST_DISTANCE = 0.5
"""Largest distance of a second retraining to the first: halfway to the original, the scale says nothing any more."""

State = Literal["within", "out", "undecided"]


@dataclass(frozen=True)
class Canary:
    """One look at a control. measured, band: in words, with units."""

    board: str
    control: str
    what: str
    measured: str
    band: str
    state: State

    @property
    def sentence(self) -> str:
        """Return the canary as one line that names board, control, what was measured and the band."""
        words = {"within": "within its band", "out": "out of band", "undecided": "undecided"}[self.state]
        return f"canary {words}: {self.board}: {self.control}: {self.what} is {self.measured}, band {self.band}"


def out_of_band(sources: Sources) -> list[str]:
    """Return one line for each canary that is out of its band, by board; publication has to wait for an explanation."""
    return [canary.sentence for canary in canaries(sources) if canary.state == "out"]


def canaries(sources: Sources) -> list[Canary]:
    """Return every canary that has been measured, by board."""
    found = [canary for protocol in sources.protocols.values() for canary in noise_canaries(sources, protocol)]
    for board in sources.unlearning_protocols.values():
        found += unlearning_canaries(sources, board)
    return found


@remembered
def noise_canaries(sources: Sources, protocol: Protocol) -> list[Canary]:
    """Return the canaries of a board of the UE track: random noise under every condition."""
    return list(_noise(sources, protocol))


@remembered
def unlearning_canaries(sources: Sources, protocol: UnlearningProtocol) -> list[Canary]:
    """Return the canaries of a board of the unlearning track: a second retraining, and noise that nobody saw."""
    return [*_second_retraining(sources, protocol), *_unseen_noise(sources, protocol)]


def noise_file(sources: Sources, protocol: Protocol) -> dict[str, bytes]:
    """Return the canaries of a board as JSON."""
    return {f"ue/{protocol.id}/canaries.json": _json(noise_canaries(sources, protocol))}


def unlearning_file(sources: Sources, protocol: UnlearningProtocol) -> dict[str, bytes]:
    """Return the canaries of a board of the unlearning track as JSON."""
    return {f"unlearning/{protocol.id}/canaries.json": _json(unlearning_canaries(sources, protocol))}


def _json(found: Sequence[Canary]) -> bytes:
    return canonical_bytes([asdict(canary) for canary in found]) + b"\n"


def uncontrolled(sources: Sources) -> list[str]:
    """Return one line for each board that shows entries and has no control of its kind; it cannot warn of anything."""
    boards = {
        protocol.id: ("random noise", any(e.role == "entry" and e.shown(protocol) for e in sources.ue_naming(protocol)))
        for protocol in sources.protocols.values()
    } | {
        board.id: (
            "a second retraining",
            any(e.role == "entry" and e.shown(board) for e in sources.unlearning_naming(board)),
        )
        for board in sources.unlearning_protocols.values()
    }
    controlled = {canary.board for canary in canaries(sources) if canary.what != HELD_BACK}
    return [
        f"no canary: {name}: {control} has not been measured"
        for name, (control, has_entries) in boards.items()
        if has_entries and name not in controlled
    ]


def _noise(sources: Sources, protocol: Protocol) -> Iterator[Canary]:
    for entry in sources.ue_naming(protocol):
        stored = entry.shown(protocol) if entry.role == "control" else None
        if stored is None:
            continue
        for condition in protocol.conditions:
            drop = stored.result.measurement("accuracy_drop", condition.label)
            yield from mean_canary(
                protocol.id,
                entry.slug,
                f"loss of test accuracy ({condition_words(condition.label)})",
                drop,
                (-CONTROL_MARGIN, CONTROL_MARGIN),
                scale=100,
            )


def _second_retraining(sources: Sources, board: UnlearningProtocol) -> Iterator[Canary]:
    second = sources.anchors(board).get("retrain-second")
    stored = second.shown(board) if second else None
    if second is None or stored is None:
        return
    for condition in board.probes:
        words = probe_words(condition.probe)
        gap, distance = (
            stored.result.measurement(key, condition.label) for key in ("accuracy_gap", "retrain_distance")
        )
        band = (-ACCURACY_TOLERANCE, ACCURACY_TOLERANCE)
        yield from mean_canary(board.id, second.slug, f"accuracy against retraining ({words})", gap, band, scale=100)
        yield from mean_canary(
            board.id, second.slug, f"distance to retraining ({words})", distance, (None, MOST_DISTANCE)
        )


def mean_canary(
    board: str,
    control: str,
    what: str,
    found: Measurement | None,
    band: tuple[float | None, float],
    *,
    scale: float = 1,
) -> Iterator[Canary]:
    """Yield a canary of a mean over seeds; none where nothing was measured. scale: 100 shows percentage points."""
    if found is None or found.mean is None:
        return
    unit = " points" if scale == 100 else ""
    low, high = band
    words = (
        f"at most {scale * high:g}{unit}"
        if low is None
        else f"{signed(scale * low, 0)} to {signed(scale * high, 0)}{unit}"
    )
    if found.ci95 is None:
        said = f"{signed(scale * found.mean)}{unit} (one seed, no interval)"
        yield Canary(board, control, what, said, words, "undecided")
        return
    least, most = found.ci95
    said = (
        f"{signed(scale * found.mean)}{unit} "
        f"(95\u202f% interval {signed(scale * least)} to {signed(scale * most)}, {len(found.per_seed or ())} seeds)"
    )
    yield Canary(board, control, what, said, words, _state(found.ci95, band))


def _state(interval: tuple[float, float], band: tuple[float | None, float]) -> State:
    low = -float("inf") if band[0] is None else band[0]
    if interval[0] > band[1] or interval[1] < low:
        return "out"
    return "within" if low <= interval[0] and interval[1] <= band[1] else "undecided"


FORGET = "score of noise to forget, which retraining never saw,"
HELD_BACK = "score of noise that nobody trained on"


def _unseen_noise(sources: Sources, board: UnlearningProtocol) -> Iterator[Canary]:
    """Yield the exact tests of one board: scores of noise that a network never saw are drawn from N(0, 1)."""
    looks = list(_looks(sources, board))
    tests = [pooled_test(values) for _, _, values in looks]
    adjusted = holm([test.two_sided for test in tests])
    for (slug, what, values), test, p_value in zip(looks, tests, adjusted, strict=True):
        said = (
            f"{signed(test.z / len(values) ** 0.5)} over {len(values)} items (p {p_words(p_value)}, all looks counted)"
        )
        yield Canary(board.id, slug, what, said, f"0, p at least {CHANCE:g}", "out" if p_value < CHANCE else "within")


def _looks(sources: Sources, board: UnlearningProtocol) -> Iterator[tuple[str, str, list[float]]]:
    retrained = {entry.slug for name, entry in sources.anchors(board).items() if name != "original"}
    for entry in sources.unlearning_naming(board):
        result = _result(entry, board)
        if result is None:
            continue
        if entry.slug in retrained and (values := _scores(result, "forget")):
            yield entry.slug, FORGET, values
        if values := _scores(result, "never"):
            yield entry.slug, HELD_BACK, values


def _result(entry: UnlearningEntry, board: UnlearningProtocol) -> Result | None:
    stored = entry.shown(board)
    return stored.result if stored else None


def _scores(result: Result, name: str) -> list[float]:
    curves: Sequence[object] = [cell.gaussian for cell in result.checkpoint_cells if cell.gaussian]
    return [value for curve in curves for value in getattr(curve, name)]


def summary(sources: Sources) -> str:
    """Return how many canaries there are and how they stand, in one line."""
    found = canaries(sources)
    counts = {state: sum(canary.state == state for canary in found) for state in ("within", "undecided", "out")}
    words = [
        f"{counts['within']} within their band",
        f"{counts['undecided']} undecided",
        f"{counts['out']} out of band",
    ]
    return f"{len(found)} canaries: {list_words(words)}"
