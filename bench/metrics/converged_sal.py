"""SAL by a search that is converged: quasi-Newton on the boundary of the ball, from starts that a linear model names.

May import torch, bench.errors and its own family. docs/studies/sal.md measures it against the other searches.

Where the loss has vanished, its gradient tells which image is hardest now, not which one a change of the layer can
reach: there are many local maxima, and restarts at random miss the highest. The margins of the hardest images, taken
as linear in the layer's weights, say which of them can fall inside the ball, alone or together; that costs one pass
over these images for all layers, and its best answers are where the ascent begins.

All layers are searched at the same time: each search asks for losses, and `bench.metrics.tails` answers all of them
in one pass.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from bench.errors import SearchDiverged
from bench.metrics.hard_images import Hard, hard_images, linear_starts
from bench.metrics.sal import LayerLearnability, Search, frozen, layer_weights, search_ball
from bench.metrics.sphere_ascent import Ascent, Climb
from bench.metrics.tails import Answer, Question, Tails, cut


@dataclass(frozen=True)
class Convergence:
    """Settings of the search; the defaults are those that docs/studies/sal.md measures.

    saturated: mean loss (nats) from which on one ascent along the gradient is enough; below it there are trials.
    hardest: images in the linear model. starts: of its directions, that are tried beside the gradient; 0 for no trials.
    heavy: images that a layer's trials look at, those with the largest loss that the linear model foresees.
    trial: of these ascents. keep: how many of them go on after their first, second, ... evaluation.
    finals: how many of the best are looked at on all images; the best of them goes on. ascent: of that one.
    """

    saturated: float = 0.03
    hardest: int = 96
    starts: int = 8
    heavy: int = 24
    trial: Ascent = field(default_factory=lambda: Ascent(tolerance=2e-2, steps=8))
    keep: tuple[int, ...] = (5, 4, 3, 2)
    finals: int = 2
    ascent: Ascent = field(default_factory=lambda: Ascent(tolerance=3e-4, steps=30))


BENT = 1.5
"""A loss that rises by this much more than its gradient says bends upward; it falls by less, which is not searched."""

THOROUGH = Convergence(
    starts=20, heavy=1 << 30, trial=Ascent(1e-3, 30), keep=(), finals=3, ascent=Ascent(tolerance=1e-4, steps=60)
)
"""Several times as much work, for comparisons."""

_Search = Generator[list[Question], list[Answer], float]
"""What a layer's search is: it asks questions, is sent the answers, and returns SAL."""


@dataclass(frozen=True)
class _Probe:
    """What all layers share: the weighed losses (N,), the gradient of their sum, and the hardest images.

    hard: None where the loss is large enough to go by the gradient alone.
    """

    losses: Tensor
    gradients: dict[str, Tensor]
    hard: Hard | None

    @property
    def loss(self) -> float:
        return float(self.losses.sum())


@dataclass(frozen=True)
class _Ball:
    """Where a layer's search looks: changes of its weight up to a radius."""

    layer: str
    weight: Tensor
    radius: float

    def question(self, unit: Tensor, images: Tensor | None) -> Question:
        """Ask for the loss at the boundary, in a direction of unit length."""
        return Question(self.layer, self.weight + self.radius * unit, images)


def measure_converged_sal(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    epsilon: float,
    shares: Tensor | None = None,
    search: Convergence | None = None,
    rows: int = 4096,
) -> LayerLearnability:
    """Measure SAL of every convolution and linear weight, the other weights held still.

    images: (N, C, H, W), float32, scale 0 to 1, un-augmented; labels: (N,) int64; both on the model's device.
    epsilon: radius relative to each layer's Frobenius norm.
    shares: (N,), what each image's loss is multiplied by; 1/N by default, so that the loss is their mean.
    rows: largest number of images in a pass; it matters for memory only.
    The model is measured in eval mode and left exactly as it was; no random numbers are used. `gradients` counts
    evaluations on as many images as there are, fractions rounded up.
    Raises SearchDiverged where a loss is not finite.
    Source: arXiv:2509.08058, Eq. 3, with the absolute value.
    """
    search = search or Convergence()
    weights = layer_weights(model)
    if shares is None:
        shares = torch.full((len(labels),), 1 / len(labels), device=labels.device)
    shares = shares.double()
    with frozen(model):
        probe = _look(model, weights, images, labels, shares, search, rows)
        tails = cut(model, images, labels, shares, rows=rows)
        searches = {
            name: _search(
                _Ball(name, weight.detach(), epsilon * float(torch.linalg.vector_norm(weight))), probe, tails, search
            )
            for name, weight in weights.items()
        }
        values = _answer(searches, tails)
    seen = len(labels) + tails.passed
    return LayerLearnability(probe.loss, {name: values[name] for name in weights}, -(-seen // len(labels)))


def _answer(searches: dict[str, _Search], tails: Tails) -> dict[str, float]:
    """Run searches side by side, all their questions in one pass after the other."""
    found: dict[str, float] = {}
    replies: dict[str, list[Answer] | None] = dict.fromkeys(searches)
    while replies:
        asked: dict[str, list[Question]] = {}
        for name, reply in replies.items():
            try:
                asked[name] = next(searches[name]) if reply is None else searches[name].send(reply)
            except StopIteration as end:
                found[name] = end.value
        answers = iter(tails.ask([question for questions in asked.values() for question in questions]))
        replies = {name: [next(answers) for _ in questions] for name, questions in asked.items()}
    return found


def _search(ball: _Ball, probe: _Probe, tails: Tails, search: Convergence) -> _Search:
    """Search one ball for the largest change of the loss."""
    if ball.radius == 0:
        return 0.0
    gradient = probe.gradients[ball.layer]
    # A loss that vanished in float32 has no gradient; rescaling the layer can still raise it.
    slope = gradient if bool(gradient.any()) else ball.weight
    starts = [slope] if probe.hard is None else (yield from _trials(ball, slope, probe, probe.hard, search))
    climbs = [Climb(start, search.ascent) for start in starts]
    yield from _ascend(ball, climbs, probe, keep=(1,))
    found, promised = _best(climbs)[0].value, ball.radius * float(torch.linalg.vector_norm(gradient))
    if found < min(probe.loss, BENT * promised):
        fall = Climb(-slope, search.ascent)
        yield from _ascend(ball, [fall], probe, sign=-1.0)
        found = max(found, fall.value)
    if found < min(probe.loss, promised):
        # Neither way it keeps its slope up to the boundary: the largest change may lie inside the ball.
        found = max(found, _inside(ball, probe, tails, search.ascent))
    return found


def _trials(
    ball: _Ball, slope: Tensor, probe: _Probe, hard: Hard, search: Convergence
) -> Generator[list[Question], list[Answer], list[Tensor]]:
    """Let short ascents compete on the images that the linear model expects to lose; return where the best ended."""
    directions, foreseen = linear_starts(hard, ball.layer, ball.radius, search.starts)
    starts = [*(direction.view_as(slope) for direction in directions if bool(direction.any())), slope]
    climbs = [Climb(start, search.trial) for start in starts]
    heaviest = foreseen.argsort(descending=True, stable=True)[: search.heavy]
    yield from _ascend(ball, climbs, probe, images=hard.indices[heaviest].sort().values, keep=search.keep)
    return [climb.direction for climb in _best(climbs)[: search.finals]]


def _ascend(
    ball: _Ball,
    climbs: Sequence[Climb],
    probe: _Probe,
    *,
    images: Tensor | None = None,
    sign: float = 1.0,
    keep: Sequence[int] = (),
) -> Generator[list[Question], list[Answer], None]:
    """Ascend on the boundary, several ways at once.

    images: those that count, None for all. sign: 1 for a rise of the loss, -1 for a fall. keep: see Convergence.
    An ascent that would stay below the best with twice the gain that its model promises is given up.
    """
    base = float((probe.losses if images is None else probe.losses[images]).sum())
    rounds = 0
    while live := [climb for climb in climbs if climb.asked is not None]:
        answers = yield [ball.question(climb.asked, images) for climb in live if climb.asked is not None]
        for climb, answer in zip(live, answers, strict=True):
            climb.tell(sign * (answer.loss - base), sign * ball.radius * answer.gradient)
        ranked = _best(climbs)
        for place, climb in enumerate(ranked):
            hopeless = climb.evaluations >= 3 and climb.value + 2 * climb.promise < ranked[0].value
            if hopeless or (rounds < len(keep) and place >= keep[rounds]):
                climb.give_up()
        rounds += 1


def _best(climbs: Sequence[Climb]) -> list[Climb]:
    return sorted(climbs, key=lambda climb: climb.value, reverse=True)


def _inside(ball: _Ball, probe: _Probe, tails: Tails, settings: Ascent) -> float:
    start, search = (probe.loss, probe.gradients[ball.layer]), Search(settings.steps, settings.tolerance)

    def loss_and_gradient(weight: Tensor) -> Answer:
        return tails.ask([Question(ball.layer, weight)])[0]

    return search_ball(loss_and_gradient, ball.weight, ball.radius, search=search, start=start, loss_floor=0.0).sal


def _look(
    model: nn.Module,
    weights: dict[str, nn.Parameter],
    images: Tensor,
    labels: Tensor,
    shares: Tensor,
    search: Convergence,
    rows: int,
) -> _Probe:
    """Look once at all images: losses, the gradient for all layers, and the hardest images where the loss vanished."""
    variables = {name: weight.detach().requires_grad_(True) for name, weight in weights.items()}
    gradients = {name: torch.zeros_like(weight) for name, weight in variables.items()}
    losses, logits = [], []
    for part, targets, share in zip(images.split(rows), labels.split(rows), shares.split(rows), strict=True):
        logits.append(functional_call(model, variables, (part,)))
        losses.append(F.cross_entropy(logits[-1], targets, reduction="none").double() * share)
        slopes = torch.autograd.grad(losses[-1].sum(), list(variables.values()))
        for name, slope in zip(variables, slopes, strict=True):
            gradients[name] += slope
    found = torch.cat([part.detach() for part in losses])
    if not bool(torch.isfinite(found).all()):
        raise SearchDiverged("SAL search: the loss is not finite at the layer's own weights; no value is reported")
    hard = None
    if search.starts and float(found.sum()) < search.saturated:
        whole = torch.cat([part.detach() for part in logits])
        hard = hard_images(model, images, labels, shares, whole, search.hardest)
    return _Probe(found, gradients, hard)
