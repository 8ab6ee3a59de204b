"""`bench study sal`: how close every search comes to the largest change of the loss, at what cost, on how many images.

May import torch and bench.studies. Written up in docs/studies/sal.md.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

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
from bench.metrics.sal import LayerLearnability, Search, frozen, holds, layer_weights, measure_sal, walk
from bench.models import MODELS
from bench.models.build import build_model
from bench.protocol import Protocol, load_protocol
from bench.registry import module_of, resolve
from bench.runtime import generator_for, prepare_process
from bench.studies.exhaustive import exhaustive_change
from bench.studies.record import ProbeSize, SalStudy, SearchedRun
from bench.studies.study import Study, StudyInput
from bench.training import Epoch, Labeled, to_device, train

KEY = "study/sal/1"
"""Every random draw of the study comes from this text and its purpose."""

PROTOCOL = "ue-digits-v1"
MODEL = "resnet-narrow"
PERTURBED = ("lsp", "ops", "em", "tap")
EPOCHS = (1, 4, 12)
"""An early, a middle and the last epoch: where the searches are compared."""

SEED, SEEDS = 1, (1, 2, 3)
SIZES = (64, 128, 256, 512)

CODE_MODULES = (
    "bench.data",
    "bench.data.dataset",
    "bench.data.perturbed",
    "bench.metrics.converged_sal",
    "bench.metrics.distance",
    "bench.metrics.official_sal",
    "bench.metrics.sal",
    "bench.metrics.sphere_ascent",
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
    """How much is measured. attacks: beside clean images. sizes: of the probe; the whole set comes on top.

    steps, restarts: of the exhaustive search. passes: of the published one.
    """

    attacks: tuple[str, ...] = PERTURBED
    epochs: tuple[int, ...] = EPOCHS
    seeds: tuple[int, ...] = SEEDS
    sizes: tuple[int, ...] = SIZES
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
    probe_images = protocol.sal.probe_images
    assert probe_images is not None
    order = torch.randperm(len(data.train.labels), generator=generator_for(protocol.dataset.name, "probe"))
    chosen = order[:probe_images].sort().values
    modules = [module_of("attack", name, ATTACKS) for name in extent.attacks]
    return SalStudy(
        schema="bench.study/1",
        study="sal",
        code_sha256=code_digest([*CODE_MODULES, *modules, module_of("model", MODEL, MODELS)]),
        key=KEY,
        protocol=PROTOCOL,
        train_sha256=split_digest(data.train),
        images=len(data.train.labels),
        probe_images=probe_images,
        layers=tuple(layer_weights(_network(protocol, compared[0]))),
        seed=SEED,
        seeds=extent.seeds,
        probe=tuple(_on_probe(moment, _some(sets[moment.attack], chosen), protocol, extent, progress)
                    for moment in compared),
        whole=tuple(_on_all(moment, sets[moment.attack], protocol, extent, progress) for moment in compared),
        sizes=tuple(_sizes(moments, sets, protocol, extent, progress)),
    )  # fmt: skip


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
    moment: _Moment, probe: Labeled, protocol: Protocol, extent: Extent, progress: Callable[[str], None]
) -> SearchedRun:
    """Compare the searches on the probe images with the exhaustive one."""
    progress(f"sal: searching on the probe, {moment.attack}, epoch {moment.epoch}")
    model, epsilon = _network(protocol, moment), protocol.sal.epsilon
    given = (model, probe.images, probe.labels)
    settings = Search(protocol.sal.max_steps, protocol.sal.tolerance)
    found = {
        "plain": measure_sal(*given, epsilon=epsilon, search=settings),
        "gradient": measure_converged_sal(*given, epsilon=epsilon, search=Convergence(starts=0)),
        "converged": measure_converged_sal(*given, epsilon=epsilon),
        "thorough": measure_converged_sal(*given, epsilon=epsilon, search=THOROUGH),
    }
    values, spent = _exhaustive(
        model, probe, epsilon, extent, generator_for(KEY, f"restarts {moment.attack} {moment.epoch}")
    )
    layers = len(values)
    return SearchedRun(
        attack=moment.attack,
        epoch=moment.epoch,
        loss=_short(found["converged"].loss),
        values={name: _values(item) for name, item in found.items()} | {"exhaustive": values},
        evaluations={name: _short(item.gradients / layers) for name, item in found.items()}
        | {"exhaustive": _short(spent / layers)},
    )


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


def _exhaustive(
    model: nn.Module, probe: Labeled, epsilon: float, extent: Extent, generator: torch.Generator
) -> tuple[Values, int]:
    weights, found, spent = layer_weights(model), {}, 0
    with frozen(model):
        for stage, tail, inputs in walk(model, probe.images, len(probe.labels)):
            for name in [name for name, weight in weights.items() if holds(stage, weight)]:
                weight = weights[name].detach()
                local = next(label for label, parameter in tail.named_parameters() if parameter is weights[name])
                found[name], used = exhaustive_change(
                    partial(_tail_loss, tail, local, inputs, probe.labels),
                    weight,
                    epsilon * float(torch.linalg.vector_norm(weight)),
                    generator,
                    steps=extent.steps,
                    restarts=extent.restarts,
                )
                spent += used
    return tuple(_short(found[name]) for name in weights), spent


def _tail_loss(tail: nn.Module, name: str, inputs: Tensor, labels: Tensor, value: Tensor) -> tuple[float, Tensor]:
    variable = value.detach().requires_grad_(True)
    loss = F.cross_entropy(functional_call(tail, {name: variable}, (inputs,)), labels, reduction="none").double().mean()
    return float(loss.detach()), torch.autograd.grad(loss, variable)[0]


def _sizes(
    moments: Sequence[_Moment],
    sets: dict[str, Labeled],
    protocol: Protocol,
    extent: Extent,
    progress: Callable[[str], None],
) -> Iterable[ProbeSize]:
    """Measure UD from probes of several sizes: the same images for all seeds, and others for every seed."""
    total = len(sets["none"].labels)
    for size, fixed in [(size, fixed) for size in extent.sizes for fixed in (True, False)] + [(total, True)]:
        progress(f"sal: UD from {size} images, {'the same' if fixed else 'others'} for each seed")
        distances: dict[str, list[float]] = {attack: [] for attack in extent.attacks}
        for seed in extent.seeds:
            purpose = "probe" if fixed else f"probe {seed}"
            chosen = torch.randperm(total, generator=generator_for(protocol.dataset.name, purpose))[:size].sort().values
            curves = {
                attack: [
                    _values(
                        measure_converged_sal(
                            _network(protocol, moment),
                            data.images[chosen],
                            data.labels[chosen],
                            epsilon=protocol.sal.epsilon,
                        )
                    )
                    for moment in moments
                    if (moment.attack, moment.seed) == (attack, seed) and moment.epoch in protocol.sal.epochs
                ]
                for attack, data in sets.items()
            }
            for attack, found in distances.items():
                found.append(_short(unlearnable_distance(curves[attack], curves["none"])))
        yield ProbeSize(images=size, fixed=fixed, distances={name: tuple(found) for name, found in distances.items()})


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
