"""Released files, built in the formats of their authors, over the small protocol: 60 of scikit-learn's 1,437 digits."""

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import torch
from measured import PROTOCOL_ID, small_protocol
from PIL import Image

from bench.data.perturbed import apply_perturbation
from bench.importing.conversion import import_file
from bench.importing.report import ImportReport
from bench.importing.request import ImportRequest
from bench.importing.target import Target, load_target

TRAINING_IMAGES = 1437


def whole_target() -> Target:
    """All digits, and which of them the small protocol uses."""
    return load_target(small_protocol(), whole=True)


def make_delta(seed: int = 0, limit: int = 30) -> np.ndarray:
    """A change of every training image, int8 (1437, 1, 8, 8)."""
    return np.random.default_rng(seed).integers(-limit, limit + 1, (TRAINING_IMAGES, 1, 8, 8)).astype(np.int8)


def perturb(delta: np.ndarray) -> np.ndarray:
    return apply_perturbation(whole_target().images, delta)


def import_release(root: Path, name: str, file: Path, **options) -> ImportReport:
    """Import a file for the small protocol as submission `fog`."""
    options.setdefault("trust_pickle", name in ("pt", "pkl"))
    return import_file(root, ImportRequest(name, file, options.pop("slug", "fog"), protocol=PROTOCOL_ID, **options))


def write_npy(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


def write_tensor(path: Path, content, *, legacy: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def write_pickle(path: Path, content, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol))
    return path


def png_bytes(image: np.ndarray) -> bytes:
    """One image (C, H, W) as PNG."""
    file = io.BytesIO()
    Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).save(file, "PNG")
    return file.getvalue()


def write_zip(path: Path, entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path
