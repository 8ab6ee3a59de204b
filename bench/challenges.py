"""Challenge kits: what an unlearning protocol hands out, and what its evaluator keeps. Imports torch.

A kit is made once for each protocol, secret, probe and seed, and kept in a folder below `.bench/challenges`:
  public/train.safetensors     the poisoned training set: images, labels, and the changed items in full precision
  public/forget.safetensors    indices of what has to be forgotten
  public/original.safetensors  the checkpoint before unlearning
  public/kit.json              protocol, probe, seed and the digest of each of these files
  secret.safetensors           noise, base images, targets: what only the evaluator has
  cost.json                    seconds and hardware of training the original
  seal.json                    digests of all of these; bench.kit_files reads nothing that does not fit them
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor, nn

from bench.artifacts import encode_tensors, open_tensors, view_tensor
from bench.challenge_secret import Secret, read_secret
from bench.checkpoints import encode_checkpoint
from bench.code_digest import code_digest
from bench.data import load_data
from bench.defenses import DEFENSES
from bench.errors import UsageProblem
from bench.files import remove_leftovers
from bench.kit_files import read_kit, write_kit
from bench.models import MODELS
from bench.models.build import build_model
from bench.probes import PROBES
from bench.probes.probe import Changed, Poison, Probe, ProbeInput, poisoned_set, split_sets
from bench.provenance import describe_hardware
from bench.records import canonical_bytes, digest
from bench.registry import module_of, resolve
from bench.runtime import generator_for
from bench.training import Epoch, Labeled, to_device, train
from bench.unlearning_protocol import Setting, UnlearningProtocol

FOLDER = Path(".bench") / "challenges"
KIT_MODULES = (
    "bench.challenges",
    "bench.data.perturbed",
    "bench.defenses.defense",
    "bench.models.build",
    "bench.probes.probe",
    "bench.runtime",
    "bench.training",
)
"""Modules that decide a kit, beside those of its model and probe."""


@dataclass(frozen=True)
class Kit:
    """A challenge kit with its hidden part, on a device.

    clean, test: images as published. trained: the training set with the poison in place. forget: its indices.
    original: weights of the network that was trained on `trained`; original_sha256: of their file.
    seconds: what training the original took.
    """

    folder: Path
    clean: Labeled
    test: Labeled
    trained: Labeled
    poison: Poison
    original: Mapping[str, Tensor]
    original_sha256: str
    seconds: float

    def sets(self) -> tuple[Labeled, Labeled]:
        """Return what has to be forgotten and what is retained, as trained on."""
        return split_sets(self.trained, self.poison.forget.indices)


@dataclass(frozen=True)
class KitRequest:
    """Which kit. root: folder that holds `.bench`; probe: label of the condition; seed: of the kit, from 0."""

    root: Path
    protocol: UnlearningProtocol
    probe: str
    seed: int

    @property
    def stream(self) -> str:
        """Name of the random streams of everything about this kit that is no secret."""
        return f"{self.protocol.dataset.name}/{self.protocol.model}/{self.probe}/{self.seed}"


def open_kit(request: KitRequest, device: torch.device, progress: Callable[[int, int], None] | None = None) -> Kit:
    """Return a kit, made first where it is not there yet; of two processes that want one, the second waits.

    Raises DatasetMissing, UsageProblem where the probe does not fit the data, CorruptResult for a damaged kit.
    """
    secret = read_secret()
    folder = kit_folder(request, secret)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        remove_leftovers(folder.parent, folder.name)  # holds hidden parts, so that it must not stay
        if not folder.exists():
            write_kit(folder, _make(request, secret, device, progress), secret)
    return _load(request, secret, folder, device)


def kit_folder(request: KitRequest, secret: Secret) -> Path:
    """Return where a kit lies; other settings, another secret or other code mean another folder."""
    protocol, condition = request.protocol, request.protocol.condition(request.probe)
    modules = {*KIT_MODULES, module_of("model", protocol.model, MODELS), module_of("probe", condition.probe, PROBES)}
    asked = {
        "dataset": protocol.dataset.model_dump(mode="json"),
        "model": protocol.model,
        "recipe": protocol.recipe.model_dump(mode="json"),
        "probe": condition.model_dump(mode="json", exclude={"name", "primary", "seeds"}),
        "secret": secret.commitment,
        "code": code_digest(modules),
    }
    name = digest(asked).removeprefix("sha256:")[:16]
    return request.root / FOLDER / protocol.id / name / f"{request.probe}-{request.seed}"


def complete_settings(request: KitRequest) -> dict[str, Setting]:
    """Return all settings of a kit's probe: the protocol's, else the defaults. Raises UsageProblem for a wrong name."""
    defaults, stated = probe_of(request).defaults, request.protocol.condition(request.probe).settings
    unknown = stated.keys() - defaults.keys()
    if unknown:
        raise UsageProblem(f"{request.protocol.id}: {request.probe} has no setting {sorted(unknown)[0]!r}")
    return {**defaults, **stated}


def probe_of(request: KitRequest) -> Probe:
    """Return the probe that a kit is of."""
    probe: Probe = resolve("probe", request.protocol.condition(request.probe).probe, PROBES)
    return probe


def new_model(request: KitRequest, purpose: str, device: torch.device) -> nn.Module:
    """Return the protocol's network with fresh weights for a purpose."""
    dataset = request.protocol.dataset
    model = build_model(
        request.protocol.model,
        in_channels=dataset.channels,
        classes=dataset.classes,
        generator=generator_for(request.stream, f"{purpose} weights"),
    )
    return model.to(device)


def fit_model(
    request: KitRequest,
    model: nn.Module,
    data: Labeled,
    purpose: str,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Train a network by the protocol's recipe, as the original is. Raises TrainingDiverged."""
    recipe = request.protocol.recipe

    def report(_model: nn.Module, epoch: Epoch) -> None:
        if progress is not None:
            progress(epoch.number, recipe.epochs)

    train(
        model,
        data,
        # Accuracy while training decides nothing here.
        Labeled(data.images[:1], data.labels[:1]),
        recipe,
        resolve("defense", "none", DEFENSES),
        shuffle=generator_for(request.stream, f"{purpose} shuffle"),
        augment=generator_for(request.stream, f"{purpose} augment"),
        probe=report,
    )


def computing_seconds(device: torch.device) -> float:
    """Return a clock, in seconds, of what computing takes here.

    On an accelerator it is the wall clock. On the CPU, where one thread computes, it is the time of the processor,
    which other work on the machine does not lengthen.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()


def state_arrays(model: nn.Module) -> dict[str, Any]:
    """Return a network's state as numpy arrays by tensor name."""
    return {name: value.detach().cpu().contiguous().numpy() for name, value in model.state_dict().items()}


def _make(
    request: KitRequest, secret: Secret, device: torch.device, progress: Callable[[int, int], None] | None
) -> dict[str, bytes]:
    """Return the files of a kit by path."""
    clean, test = _images(request, device)
    poison = _poison(request, secret, clean, test, device)
    trained = poisoned_set(clean, poison)
    clock = computing_seconds(device)
    original = new_model(request, "original", device)
    fit_model(request, original, trained, "original", progress)
    cost = {"seconds": round(computing_seconds(device) - clock, 3), "hardware": describe_hardware(device)}
    return {
        **_public_files(request, clean, trained, poison, original),
        "secret.safetensors": encode_tensors(_secret_arrays(poison)),
        "cost.json": json.dumps(cost, indent=2).encode() + b"\n",
    }


def _images(request: KitRequest, device: torch.device) -> tuple[Labeled, Labeled]:
    data = load_data(request.protocol.dataset)
    train_set = to_device(torch.from_numpy(data.train.images), torch.from_numpy(data.train.labels), device)
    return train_set, to_device(torch.from_numpy(data.test.images), torch.from_numpy(data.test.labels), device)


def _poison(request: KitRequest, secret: Secret, clean: Labeled, test: Labeled, device: torch.device) -> Poison:
    protocol = request.protocol
    return probe_of(request).make(
        ProbeInput(
            train=clean,
            test=test,
            classes=protocol.dataset.classes,
            count=protocol.condition(request.probe).count,
            seed=request.seed,
            settings=complete_settings(request),
            make_model=lambda purpose: new_model(request, f"probe {purpose}", device),
            fit=lambda model, data, purpose: fit_model(request, model, data, f"probe {purpose}"),
            generator=lambda purpose: _secret_generator(request, secret, purpose),
        )
    )


def _secret_generator(request: KitRequest, secret: Secret, purpose: str) -> torch.Generator:
    seed = secret.seed(request.protocol.id, request.probe, request.seed, purpose)
    return torch.Generator().manual_seed(seed)


def _public_files(
    request: KitRequest, clean: Labeled, trained: Labeled, poison: Poison, original: nn.Module
) -> dict[str, bytes]:
    changed = torch.cat([part.indices for part in (poison.forget, poison.kept) if part is not None]).sort().values
    images = (clean.images * 255).round().to(torch.uint8)
    # The base of a changed item is not in the training set, and must not be in the kit.
    images[changed] = 0
    train_set = {
        "images": _array(images),
        "labels": _array(trained.labels),
        "changed": _array(changed),
        "changed_images": _array(trained.images[changed]),
    }
    files = {
        "train.safetensors": encode_tensors(train_set),
        "forget.safetensors": encode_tensors({"indices": _array(poison.forget.indices)}),
        "original.safetensors": encode_checkpoint(state_arrays(original)),
    }
    kit = {
        "schema": "bench.kit/1",
        "protocol": request.protocol.id,
        "protocol_sha256": request.protocol.sha256,
        "probe": request.probe,
        "seed": request.seed,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    files["kit.json"] = canonical_bytes(kit) + b"\n"
    return {f"public/{name}": content for name, content in files.items()}


def _secret_arrays(poison: Poison) -> dict[str, Any]:
    found = {f"secret/{name}": _array(value) for name, value in poison.secret.items()}
    for name, part in (("forget", poison.forget), ("kept", poison.kept)):
        if part is not None:
            found |= {
                f"{name}/indices": _array(part.indices),
                f"{name}/images": _array(part.images),
                f"{name}/labels": _array(part.labels),
            }
    return found


def _array(value: Tensor) -> Any:
    return value.detach().cpu().contiguous().numpy()


def _load(request: KitRequest, secret: Secret, folder: Path, device: torch.device) -> Kit:
    """Read a kit back; what it was made from is loaded, not made again. Raises CorruptResult."""
    files = read_kit(folder, secret)
    content = files["public/original.safetensors"]
    clean, test = _images(request, device)
    poison = _read_poison(_read_tensors(files["secret.safetensors"], device))
    return Kit(
        folder,
        clean,
        test,
        poisoned_set(clean, poison),
        poison,
        _read_tensors(content, device),
        hashlib.sha256(content).hexdigest(),
        float(json.loads(files["cost.json"])["seconds"]),
    )


_DTYPES = {"F32": "<f4", "I64": "<i8", "U8": "u1"}


def _read_tensors(content: bytes, device: torch.device) -> dict[str, Tensor]:
    return {
        entry.name: torch.from_numpy(view_tensor(content, entry, np.dtype(_DTYPES[entry.dtype])).copy()).to(device)
        for entry in open_tensors(content, "kit")
    }


def _read_poison(tensors: Mapping[str, Tensor]) -> Poison:
    def part(name: str) -> Changed | None:
        if f"{name}/indices" not in tensors:
            return None
        return Changed(*(tensors[f"{name}/{field}"] for field in ("indices", "images", "labels")))

    forget = part("forget")
    assert forget is not None, "every kit has something to forget"
    secret = {name.removeprefix("secret/"): value for name, value in tensors.items() if name.startswith("secret/")}
    return Poison(forget, secret, part("kept"))
