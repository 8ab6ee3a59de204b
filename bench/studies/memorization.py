"""`bench study memorization`: which images a network memorizes, and which cheap proxies find them.

May import torch, scipy and bench.studies.

Source: the estimator of Feldman and Zhang (arXiv:2008.03703) with the protocol of the RUM study (arXiv:2406.01257):
many networks, each trained on a random share of the images; memorization of an image is how much more often networks
that saw it classify it correctly. A share of labels is replaced, so that there is something that can only be memorized.
"""

from collections.abc import Callable, Iterable

import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from bench.code_digest import code_digest
from bench.data import load_data
from bench.data.dataset import split_digest
from bench.defenses.defense import NONE
from bench.metrics import difficulty
from bench.models import MODELS
from bench.models.build import build_model
from bench.protocol import Recipe, load_protocol
from bench.registry import module_of
from bench.runtime import generator_for, prepare_process
from bench.studies.record import Agreement, MemorizationStudy
from bench.studies.study import Study, StudyInput
from bench.training import Epoch, Labeled, to_device, train

KEY = "study/memorization/1"
"""Every random draw of the study comes from this text and its purpose."""

PROTOCOL = "ue-digits-v1"
MODEL = "resnet-narrow"
MODELS_TRAINED = 100
SHARE = 0.7
RELABELED = 0.05
EPOCHS: int | None = None
"""Epochs of training; None: as many as the protocol says."""
BINS = 20

CODE_MODULES = (
    "bench.data",
    "bench.data.dataset",
    "bench.metrics.difficulty",
    "bench.models.build",
    "bench.runtime",
    "bench.studies.memorization",
    "bench.training",
)
"""Whose code decides the numbers, beside the model's."""


def run_memorization(given: StudyInput) -> MemorizationStudy:
    """Train the networks and compare the proxies, on the CPU with one thread."""
    return measure_memorization(MODELS_TRAINED, given.progress)


def measure_memorization(models: int, progress: Callable[[str], None]) -> MemorizationStudy:
    """Do the study with a number of networks."""
    prepare_process(torch.device("cpu"))
    protocol = load_protocol(PROTOCOL)
    data = load_data(protocol.dataset)
    clean = to_device(torch.from_numpy(data.train.images), torch.from_numpy(data.train.labels), torch.device("cpu"))
    test = to_device(torch.from_numpy(data.test.images), torch.from_numpy(data.test.labels), torch.device("cpu"))
    noisy, changed = relabel(clean, protocol.dataset.classes, RELABELED)
    recipe = protocol.recipe_of(MODEL).model_copy(update={"epochs": EPOCHS} if EPOCHS else {})
    included, correct = _ensemble(noisy, recipe, models, progress)
    scores, errors = difficulty.memorization_estimate(correct, included)
    proxies = _proxies(noisy, test, recipe)
    return MemorizationStudy(
        schema="bench.study/1",
        study="memorization",
        code_sha256=code_digest([*CODE_MODULES, module_of("model", MODEL, MODELS)]),
        key=KEY,
        dataset=protocol.dataset.name,
        train_sha256=split_digest(data.train),
        images=len(noisy.labels),
        models=models,
        share=SHARE,
        recipe=recipe,
        relabeled_share=RELABELED,
        standard_error=round(float(errors.mean()), 6),
        relabeled=round(float(scores[changed].mean()), 6),
        others=round(float(scores[~changed].mean()), 6),
        histogram={"relabeled": _counts(scores[changed]), "others": _counts(scores[~changed])},
        agreements=tuple(_agreement(name, values, scores, changed) for name, values in proxies.items()),
    )


def relabel(data: Labeled, classes: int, share: float) -> tuple[Labeled, Tensor]:
    """Return the images with a share of the labels replaced by another class, and which ones, bool (N,)."""
    count = len(data.labels)
    generator = generator_for(KEY, "relabel")
    chosen = torch.randperm(count, generator=generator)[: round(count * share)]
    steps = torch.randint(1, classes, (len(chosen),), generator=generator)
    labels = data.labels.clone()
    labels[chosen] = (labels[chosen] + steps) % classes
    changed = torch.zeros(count, dtype=torch.bool)
    changed[chosen] = True
    return Labeled(data.images, labels), changed


def _ensemble(data: Labeled, recipe: Recipe, models: int, progress: Callable[[str], None]) -> tuple[Tensor, Tensor]:
    """Return which images each network saw and which it classifies correctly, bool (models, N) each."""
    count = len(data.labels)
    included, correct = torch.zeros(models, count, dtype=torch.bool), torch.zeros(models, count, dtype=torch.bool)
    for index in range(models):
        chosen = torch.randperm(count, generator=generator_for(KEY, f"subset {index}"))[: round(SHARE * count)]
        included[index, chosen] = True
        model = _trained(Labeled(data.images[chosen], data.labels[chosen]), recipe, f"network {index}")
        correct[index] = difficulty.correctness(difficulty.logits_of(model, data.images), data.labels).bool()
        if (index + 1) % 10 == 0:
            progress(f"memorization: network {index + 1} of {models}")
    return included, correct


def _trained(
    data: Labeled, recipe: Recipe, purpose: str, after: Callable[[nn.Module], None] | None = None
) -> nn.Module:
    classes = int(data.labels.max()) + 1
    model = build_model(
        MODEL, in_channels=data.images.shape[1], classes=classes, generator=generator_for(KEY, f"{purpose} weights")
    )

    def report(network: nn.Module, _epoch: Epoch) -> None:
        if after is not None:
            after(network)

    train(
        model,
        data,
        Labeled(data.images[:1], data.labels[:1]),
        recipe,
        NONE,
        shuffle=generator_for(KEY, f"{purpose} shuffle"),
        augment=generator_for(KEY, f"{purpose} augment"),
        probe=report,
    )
    return model.eval()


def _proxies(data: Labeled, test: Labeled, recipe: Recipe) -> dict[str, Tensor]:
    """Return proxies of one network that is trained on all images, each (N,) and high where it expects memorization."""
    seen: list[dict[str, Tensor]] = []

    def after(network: nn.Module) -> None:
        logits = difficulty.logits_of(network, data.images)
        seen.append(
            {
                "confidence": difficulty.confidence(logits, data.labels),
                "max probability": difficulty.max_probability(logits),
                "negative entropy": difficulty.negative_entropy(logits),
                "correctness": difficulty.correctness(logits, data.labels).double(),
            }
        )

    model = _trained(data, recipe, "proxies", after)
    averaged = {f"{name}, mean over epochs": -_mean(part[name] for part in seen) for name in seen[0]}
    return {
        **averaged,
        "confidence, last epoch": -seen[-1]["confidence"],
        "loss curvature, last epoch": difficulty.loss_curvature(model, data),
        "change by fine-tuning on test images": difficulty.held_out_change(
            model, data, test, generator_for(KEY, "held out")
        ),
    }


def _mean(parts: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(parts)).double().mean(0)


def _agreement(name: str, values: Tensor, scores: Tensor, changed: Tensor) -> Agreement:
    top = values.argsort(descending=True, stable=True)[: int(changed.sum())]
    correlation = spearmanr(values.double().numpy(), scores.double().numpy()).statistic
    return Agreement(
        proxy=name, spearman=round(float(correlation), 6), top=round(float(changed[top].double().mean()), 6)
    )


def _counts(scores: Tensor) -> tuple[int, ...]:
    return tuple(int(count) for count in torch.histc(scores.double(), BINS, -1.0, 1.0))


MEMORIZATION = Study(
    name="memorization",
    title="What is memorized, and who can tell cheaply",
    summary="Do cheap proxies find the images that only a network that saw them classifies correctly?",
    datasets=("digits",),
    run=run_memorization,
)
