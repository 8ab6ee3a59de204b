"""Features: what the last hidden layer of a network sees in the images of a protocol.

May import torch, bench.data, bench.models, bench.training and bench.runtime.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.data import load_data
from bench.data.dataset import ImageSplit, split_digest
from bench.defenses.defense import NONE
from bench.models.build import build_model
from bench.protocol import Protocol, Recipe
from bench.runtime import generator_for
from bench.studies.study import Progress
from bench.training import Epoch, Labeled, accuracy, to_device, train


@dataclass(frozen=True)
class Features:
    """Features float64 (N, D) of both splits with labels int64 (N,), digests of the images, accuracy of the network."""

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    train_sha256: str
    test_sha256: str
    accuracy: float


def extract_features(protocol: Protocol, model_name: str, recipe: Recipe, key: str, progress: Progress) -> Features:
    """Train a network on clean images and return the inputs of its last linear layer, without augmentation.

    key: text that all random draws come from. Raises DatasetMissing, DataMismatch, TrainingDiverged.
    """
    data = load_data(protocol.dataset)
    train_set, test_set = _to_cpu(data.train), _to_cpu(data.test)
    model = build_model(
        model_name,
        in_channels=protocol.dataset.channels,
        classes=protocol.dataset.classes,
        generator=generator_for(key, "weights"),
    )

    def report(_: nn.Module, epoch: Epoch) -> None:
        progress(f"{protocol.dataset.name}: epoch {epoch.number} of {recipe.epochs}, test {epoch.test_accuracy:.3f}")

    train(
        model,
        train_set,
        test_set,
        recipe,
        NONE,
        shuffle=generator_for(key, "shuffle"),
        augment=generator_for(key, "augment"),
        probe=report,
    )
    return Features(
        penultimate(model, train_set),
        train_set.labels,
        penultimate(model, test_set),
        test_set.labels,
        split_digest(data.train),
        split_digest(data.test),
        accuracy(model, test_set),
    )


def penultimate(model: nn.Module, data: Labeled, *, batch_size: int = 500) -> Tensor:
    """Return the inputs of the model's `linear` layer in eval mode, float64 (N, D); the mode is restored."""
    training = model.training
    model.eval()
    seen: list[Tensor] = []
    hook = model.get_submodule("linear").register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].double()))
    try:
        with torch.no_grad():
            for images in data.images.split(batch_size):
                model(images)
    finally:
        hook.remove()
        model.train(training)
    return torch.cat(seen)


def _to_cpu(split: ImageSplit) -> Labeled:
    return to_device(torch.from_numpy(split.images), torch.from_numpy(split.labels), torch.device("cpu"))
