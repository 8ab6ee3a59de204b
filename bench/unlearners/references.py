"""references: the two ends that every unlearner is read against, the original network and retrained ones.

May import torch and bench.training. Source: arXiv:2406.17216, section 4.4.
"""

from torch import nn

from bench.defenses.defense import NONE
from bench.training import Epoch, Labeled, train
from bench.unlearners.descent import finished
from bench.unlearners.unlearner import Unlearner, UnlearnInput


def keep_original(given: UnlearnInput) -> nn.Module:
    """Return the model as it is."""
    return given.model


def retrain(given: UnlearnInput) -> nn.Module:
    """Return a network with weights of its own that was trained on the retained data alone, by the original recipe."""
    return _retrained(given, "retrain")


def retrain_again(given: UnlearnInput) -> nn.Module:
    """Return a second retrained network; weights, order of images and augmentation are drawn independently."""
    return _retrained(given, "retrain-second")


def _retrained(given: UnlearnInput, purpose: str) -> nn.Module:
    recipe, count = given.recipe, len(given.retain.labels)
    model = given.make_model(purpose)
    # Accuracy after each epoch is asked for by the loop, not here: a single image keeps it from costing anything.
    sample = Labeled(given.retain.images[:1], given.retain.labels[:1])
    shuffle, augment = given.generator(f"{purpose}-order"), given.generator(f"{purpose}-augment")
    train(model, given.retain, sample, recipe, NONE, shuffle=shuffle, augment=augment, probe=_ignore)
    size = min(recipe.batch_size, count)
    given.meter.count(recipe.epochs * (count // size * size))
    return finished(model)


def _ignore(model: nn.Module, epoch: Epoch) -> None:  # noqa: ARG001
    return


ORIGINAL = Unlearner(
    name="Original (no unlearning)",
    family="reference",
    summary="The network as it was trained, forget set included: what doing nothing leaves.",
    paper=None,
    run=keep_original,
)

RETRAIN = Unlearner(
    name="Retrain",
    family="reference",
    summary="A network trained from new weights on the retained data alone, by the original recipe; above any budget.",
    paper=None,
    run=retrain,
)

RETRAIN_SECOND = Unlearner(
    name="Retrain, second run",
    family="reference",
    summary="Retrained once more with other random draws: how far two exact unlearnings are from each other.",
    paper=None,
    run=retrain_again,
)
