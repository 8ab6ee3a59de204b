"""`bench study sal`: how close every search comes to the largest change of the loss, at what cost, on how many images.

May import torch and bench.studies. Written up in docs/studies/sal.md.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from bench.attacks import ATTACKS
from bench.attacks.attack import Attack, CraftInput
from bench.code_digest import code_digest
from bench.data import load_data
from bench.data.dataset import ImageData, split_digest
from bench.data.perturbed import apply_perturbation
from bench.defenses.defense import NONE
from bench.metrics.converged_sal import THOROUGH, Convergence, measure_converged_sal
from bench.metrics.distance import unlearnable_distance
from bench.metrics.official_sal import OfficialSearch, measure_official_sal
from bench.metrics.probe_set import ProbeSet, draw_by_loss, image_losses
from bench.metrics.sal import LayerLearnability, Search, frozen, layer_weights, search_ball
from bench.metrics.tails import Answer, Question, Tails, cut
from bench.models import MODELS
from bench.models.build import build_model
from bench.protocol import Protocol, load_protocol
from bench.registry import module_of, resolve
from bench.runtime import generator_for, prepare_process
from bench.studies.exhaustive import Asking, exhaustive_search
from bench.studies.record import ProbeSize, SalStudy, SearchedRun
from bench.studies.study import Study, StudyInput
from bench.training import Epoch, Labeled, to_device, train

KEY = "study/sal/2"
"""Every random draw of the study comes from this text and its purpose."""

PROTOCOL = "ue-digits-v2"
MODEL = "resnet-narrow"
PERTURBED = ("lsp", "ops", "em", "tap")
EPOCHS = (1, 4, 12)
"""An early, a middle and the last epoch: where the searches are compared."""

SEED, SEEDS = 1, (1, 2, 3, 4)

Drawn = Literal["same", "even", "loss", "all"]
SIZES: tuple[tuple[int, Drawn], ...] = (
    *((96, "same"), (256, "same")),
    *((96, "even"), (256, "even")),
    *((64, "loss"), (96, "loss"), (128, "loss")),
)

ROWS = 4096
"""Images in one pass."""

PLAIN = Search(max_steps=6, tolerance=0.01)
"""What `exact` does in ue-digits-v1."""

CODE_MODULES = (
    "bench.data",
    "bench.data.dataset",
    "bench.data.perturbed",
    "bench.metrics.converged_sal",
    "bench.metrics.distance",
    "bench.metrics.hard_images",
    "bench.metrics.official_sal",
    "bench.metrics.probe_set",
    "bench.metrics.sal",
    "bench.metrics.sphere_ascent",
    "bench.metrics.tails",
    "bench.models.build",
    "bench.runtime",
    "bench.studies.exhaustive",
    "bench.studies.sal",
    "bench.training",
)
"""Whose code decides the numbers, beside the model's and the attacks'."""

Values = tuple[float, ...]


@dataclass(frozen=True)
class Extent:
    """How much is measured. attacks: beside clean images. sizes: of the probe and how it is
    drawn; the whole set comes on top.

    steps, restarts: of the exhaustive search. passes: of the published one.
    """

    attacks: tuple[str, ...] = PERTURBED
    epochs: tuple[int, ...] = EPOCHS
    seeds: tuple[int, ...] = SEEDS
    sizes: tuple[tuple[int, Drawn], ...] = SIZES
    steps: int = 200
    restarts: int = 8
    passes: int = 10


@dataclass(frozen=True)
class _Moment:
    """A network at the end of an epoch."""

    attack: str
    seed: int
    epoch: int
    weights: dict[str, Tensor]


def run_sal(given: StudyInput) -> SalStudy:
    """Train, search and compare, on the CPU with one thread."""
    return measure_searches(Extent(), given.progress)


def measure_searches(extent: Extent, progress: Callable[[str], None]) -> SalStudy:
    """Do the study to some extent."""
    prepare_process(torch.device("cpu"))
    protocol = load_protocol(PROTOCOL)
    data = load_data(protocol.dataset)
    sets = dict(_perturbed(extent.attacks, data, protocol, progress))
    measured = sorted({*extent.epochs, *protocol.sal.epochs})
    moments = [
        moment
        for attack, images in sets.items()
        for seed in extent.seeds
        for moment in _trained(attack, images, protocol, seed, measured, progress)
    ]
    compared = [moment for moment in moments if moment.seed == SEED and moment.epoch in extent.epochs]
    modules = [module_of("attack", name, ATTACKS) for name in extent.attacks]
    return SalStudy(
        schema="bench.study/1",
        study="sal",
        code_sha256=code_digest([*CODE_MODULES, *modules, module_of("model", MODEL, MODELS)]),
        key=KEY,
        protocol=PROTOCOL,
        train_sha256=split_digest(data.train),
        images=len(data.train.labels),
        probe_images=protocol.sal.probe_images,
        layers=tuple(layer_weights(_network(protocol, compared[0]))),
        seed=SEED,
        seeds=extent.seeds,
        probe=tuple(_on_probe(moment, sets[moment.attack], protocol, extent, progress) for moment in compared),
        whole=tuple(_on_all(moment, sets[moment.attack], protocol, extent, progress) for moment in compared),
        sizes=tuple(_sizes(moments, sets, protocol, extent, progress)),
    )


def _perturbed(
    attacks: Sequence[str], data: ImageData, protocol: Protocol, progress: Callable[[str], None]
) -> Iterable[tuple[str, Labeled]]:
    """Yield clean and perturbed training images by attack, crafted as for the submissions on digits."""
    labels, cpu = torch.from_numpy(data.train.labels), torch.device("cpu")
    yield "none", to_device(torch.from_numpy(data.train.images), labels, cpu)
    for name in attacks:
        progress(f"sal: crafting {name}")
        attack: Attack = resolve("attack", name, ATTACKS)
        delta = attack.craft(
            CraftInput(
                data.train.images,
                data.train.labels,
                protocol.budgets,
                SEED,
                classes=protocol.dataset.classes,
                model=MODEL,
                augmentation=protocol.recipe.augmentation,
            )
        )
        yield name, to_device(torch.from_numpy(apply_perturbation(data.train.images, delta)), labels, cpu)


def _trained(
    attack: str,
    data: Labeled,
    protocol: Protocol,
    seed: int,
    epochs: Sequence[int],
    progress: Callable[[str], None],
) -> list[_Moment]:
    progress(f"sal: training on {attack}, seed {seed}")
    kept: list[_Moment] = []

    def keep(model: nn.Module, epoch: Epoch) -> None:
        if epoch.number in epochs:
            weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
            kept.append(_Moment(attack, seed, epoch.number, weights))

    train(
        _fresh(protocol, seed),
        data,
        Labeled(data.images[:1], data.labels[:1]),
        protocol.recipe_of(MODEL),
        NONE,
        shuffle=generator_for(KEY, f"shuffle {seed}"),
        augment=generator_for(KEY, f"augment {seed}"),
        probe=keep,
    )
    return kept


def _on_probe(
    moment: _Moment, data: Labeled, protocol: Protocol, extent: Extent, progress: Callable[[str], None]
) -> SearchedRun:
    """Compare the searches on images drawn by their loss, as the protocol draws them, with the exhaustive one."""
    progress(f"sal: searching on the probe, {moment.attack}, epoch {moment.epoch}")
    model, epsilon = _network(protocol, moment), protocol.sal.epsilon
    chosen = _draw(model, data, protocol.sal.probe_images, "loss", moment)
    probe = _some(data, chosen.indices)
    found = {
        name: measure_converged_sal(
            model, probe.images, probe.labels, epsilon=epsilon, shares=chosen.shares, search=search
        )
        for name, search in (("gradient", Convergence(starts=0)), ("converged", None), ("thorough", THOROUGH))
    }
    restarts = generator_for(KEY, f"restarts {moment.attack} {moment.epoch}")
    plain, exhaustive = _plainly(model, probe, chosen.shares, epsilon, extent, restarts)
    layers = len(plain.values)
    return SearchedRun(
        attack=moment.attack,
        epoch=moment.epoch,
        loss=_short(found["converged"].loss),
        values={"plain": _values(plain)}
        | {name: _values(item) for name, item in found.items()}
        | {"exhaustive": _values(exhaustive)},
        evaluations={"plain": _short(plain.gradients / layers)}
        | {name: _short(item.gradients / layers) for name, item in found.items()}
        | {"exhaustive": _short(exhaustive.gradients / layers)},
    )


def _draw(model: nn.Module, data: Labeled, count: int, drawn: Drawn, moment: _Moment) -> ProbeSet:
    """Choose images; a draw anew has the seed and the epoch in its name."""
    if drawn == "loss":
        draw = generator_for(KEY, f"draw {moment.seed} {moment.epoch}")
        return draw_by_loss(image_losses(model, data.images, data.labels), data.labels, count, draw)
    purpose = "probe" if drawn == "same" else f"probe {moment.seed} {moment.epoch}"
    chosen = torch.randperm(len(data.labels), generator=generator_for(KEY, purpose))[:count].sort().values
    return ProbeSet(chosen, torch.full((len(chosen),), 1 / len(chosen), dtype=torch.float64))


def _on_all(
    moment: _Moment, data: Labeled, protocol: Protocol, extent: Extent, progress: Callable[[str], None]
) -> SearchedRun:
    """Compare the published search with the converged one, both from the loss at the weights themselves."""
    progress(f"sal: searching on all images, {moment.attack}, epoch {moment.epoch}")
    model, epsilon = _network(protocol, moment), protocol.sal.epsilon
    search = OfficialSearch(epsilon, passes=extent.passes)
    official = measure_official_sal(
        model, data.images, data.labels, search, generator_for(KEY, f"loader {moment.attack} {moment.epoch}")
    )
    converged = measure_converged_sal(model, data.images, data.labels, epsilon=epsilon)
    reached = tuple(
        _short(max(item.highest - official.start, official.start - item.lowest, 0.0))
        for item in official.ranges.values()
    )
    # As many evaluations without gradient follow, after each pass in both directions.
    return SearchedRun(
        attack=moment.attack,
        epoch=moment.epoch,
        loss=_short(converged.loss),
        values={"official": reached, "converged": _values(converged)},
        evaluations={
            "official": _short(2 * extent.passes * (1 + 1 / 3)),
            "converged": _short(converged.gradients / len(reached)),
        },
    )


def _plainly(
    model: nn.Module, probe: Labeled, shares: Tensor, epsilon: float, extent: Extent, generator: torch.Generator
) -> tuple[LayerLearnability, LayerLearnability]:
    """Return what few projected steps find, and what the exhaustive search does, for every layer."""
    weights = {name: weight.detach() for name, weight in layer_weights(model).items()}
    radii = {name: epsilon * float(torch.linalg.vector_norm(weight)) for name, weight in weights.items()}
    with frozen(model):
        tails = cut(model, probe.images, probe.labels, shares, rows=ROWS)
        loss = tails.ask([Question(name, weight) for name, weight in weights.items()])[0].loss
        few = {
            name: search_ball(
                partial(_ask, tails, name),
                weight,
                radii[name],
                search=PLAIN,
                loss_floor=0.0,
            )
            for name, weight in weights.items()
        }
        many = _side_by_side(
            {
                name: exhaustive_search(weight, radii[name], generator, steps=extent.steps, restarts=extent.restarts)
                for name, weight in weights.items()
            },
            tails,
        )
    return (
        LayerLearnability(
            loss, {name: item.sal for name, item in few.items()}, sum(item.gradients for item in few.values())
        ),
        LayerLearnability(loss, {name: many[name][0] for name in weights}, sum(spent for _, spent in many.values())),
    )


def _ask(tails: Tails, layer: str, weight: Tensor) -> Answer:
    return tails.ask([Question(layer, weight)])[0]


def _side_by_side(searches: dict[str, Asking], tails: Tails) -> dict[str, tuple[float, int]]:
    """Run a search for each layer, the questions of all layers in one pass."""
    found: dict[str, tuple[float, int]] = {}
    asked = {name: next(search) for name, search in searches.items()}
    while asked:
        answers = tails.ask([Question(name, weight) for name, weight in asked.items()])
        replies, asked = dict(zip(asked, answers, strict=True)), {}
        for name, reply in replies.items():
            try:
                asked[name] = searches[name].send(reply)
            except StopIteration as end:
                found[name] = end.value
    return found


def _sizes(
    moments: Sequence[_Moment],
    sets: dict[str, Labeled],
    protocol: Protocol,
    extent: Extent,
    progress: Callable[[str], None],
) -> Iterable[ProbeSize]:
    """Measure UD from probes of several sizes, drawn in several ways, and from all images."""
    total = len(sets["none"].labels)
    for size, drawn in (*extent.sizes, (total, "all")):
        progress(f"sal: UD from {size} images, {drawn}")
        distances: dict[str, list[float]] = {attack: [] for attack in extent.attacks}
        for seed in extent.seeds:
            curves = {
                attack: [
                    _values(_searched(moment, data, protocol, size, drawn))
                    for moment in moments
                    if (moment.attack, moment.seed) == (attack, seed) and moment.epoch in protocol.sal.epochs
                ]
                for attack, data in sets.items()
            }
            for attack, found in distances.items():
                found.append(_short(unlearnable_distance(curves[attack], curves["none"])))
        yield ProbeSize(images=size, drawn=drawn, distances={name: tuple(found) for name, found in distances.items()})


def _searched(moment: _Moment, data: Labeled, protocol: Protocol, size: int, drawn: Drawn) -> LayerLearnability:
    model = _network(protocol, moment)
    chosen = _draw(model, data, size, drawn, moment)
    some = _some(data, chosen.indices)
    return measure_converged_sal(model, some.images, some.labels, epsilon=protocol.sal.epsilon, shares=chosen.shares)


def _fresh(protocol: Protocol, seed: int) -> nn.Module:
    return build_model(
        MODEL,
        in_channels=protocol.dataset.channels,
        classes=protocol.dataset.classes,
        generator=generator_for(KEY, f"weights {seed}"),
    )


def _network(protocol: Protocol, moment: _Moment) -> nn.Module:
    model = _fresh(protocol, moment.seed)
    model.load_state_dict(moment.weights)
    return model.eval()


def _some(data: Labeled, chosen: Tensor) -> Labeled:
    return Labeled(data.images[chosen], data.labels[chosen])


def _values(found: LayerLearnability) -> Values:
    return tuple(_short(value) for value in found.values.values())


def _short(value: float) -> float:
    return float(f"{value:.6g}")


SAL = Study(
    name="sal",
    title="How far the loss can move",
    summary="Searches for SAL compared: what they find, what they cost, and on how many images.",
    datasets=("digits",),
    run=run_sal,
)
