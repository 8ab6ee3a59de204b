"""Checkpoints: the weights of a network as a safetensors file, read through the same door as perturbations.

May import numpy, bench.errors, records and bench.artifacts; no torch.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.artifacts import TensorFile, encode_tensors, open_tensors, read_tensors, view_tensor
from bench.errors import InvalidSubmission
from bench.problems import quoted, visible
from bench.safetensors_header import TensorEntry
from bench.submission import Checkpoint

Tensors = dict[str, NDArray[Any]]
Layout = Mapping[str, tuple[str, tuple[int, ...]]]
"""Tensor name -> (dtype as safetensors names it, shape)."""

CHECKPOINT_DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "I64": np.dtype("<i8")}


class CheckpointProblem(InvalidSubmission):
    """A checkpoint is not one of the network that the protocol asks for; names each tensor that is wrong.

    findings: (tensor or "", what is wrong), all of them.
    """

    def __init__(self, where: str, findings: list[tuple[str, str]]) -> None:
        self.findings = findings
        lines = [f"tensor {quoted(name, 80)} {text}" if name else text for name, text in findings[:10]]
        more = [f"and {len(findings) - 10} more"] if len(findings) > 10 else []
        super().__init__("\n".join(f"{where}: {line}" for line in lines + more))


@dataclass(frozen=True)
class CheckpointFile:
    """What a checkpoint file holds.

    tensors: read-only views. sha256, size: of the whole file, of the very bytes that are viewed. content_sha256: of the
    tensors alone, the same whatever order and spacing the file's writer chose.
    """

    tensors: Tensors
    sha256: str
    size: int
    content_sha256: str


def read_checkpoint(folder: Path, checkpoint: Checkpoint, layout: Layout) -> CheckpointFile:
    """Read a submitted checkpoint that must have exactly the tensors of a layout, all finite.

    Its digest is left to the caller. Raises RefusedArtifact where the file is unsafe, FileNotFoundError where there is
    none, CheckpointProblem where a tensor is missing, additional, of another dtype or shape, or not finite.
    """
    where = f"{visible(str(folder))}/{visible(checkpoint.path)}"

    def wanted(entries: list[TensorEntry]) -> bool:
        _check_layout(entries, where, layout)
        return True

    file = read_tensors(folder, checkpoint.path, wanted)
    assert file.content is not None, "it was wanted"
    return _checkpoint_file(file, where, layout)


def parse_checkpoint(content: bytes | bytearray, where: str, layout: Layout) -> CheckpointFile:
    """Return the tensors of a checkpoint file. where: its name in messages. Raises as `read_checkpoint` does."""
    view = memoryview(content).toreadonly()
    entries = open_tensors(view, where)
    _check_layout(entries, where, layout)
    return _checkpoint_file(TensorFile(entries, view, hashlib.sha256(content).hexdigest(), len(content)), where, layout)


def _check_layout(entries: list[TensorEntry], where: str, layout: Layout) -> None:
    findings = layout_findings({entry.name: entry for entry in entries}, layout)
    if findings:
        raise CheckpointProblem(where, findings)


def _checkpoint_file(file: TensorFile, where: str, layout: Layout) -> CheckpointFile:
    assert file.content is not None
    found = {entry.name: entry for entry in file.entries}
    tensors = {
        name: view_tensor(file.content, found[name], CHECKPOINT_DTYPES[dtype]) for name, (dtype, _) in layout.items()
    }
    findings = [(name, text) for name, values in tensors.items() if (text := value_finding(name, values))]
    if findings:
        raise CheckpointProblem(where, findings)
    return CheckpointFile(tensors, file.sha256, file.size, hashlib.sha256(encode_checkpoint(tensors)).hexdigest())


def encode_checkpoint(tensors: Tensors) -> bytes:
    """Return the bytes of a checkpoint file, tensors sorted by name. Equal tensors, equal bytes."""
    return encode_tensors({name: tensors[name] for name in sorted(tensors)})


def layout_findings(found: Mapping[str, TensorEntry], layout: Layout) -> list[tuple[str, str]]:
    """Return every tensor that is missing, additional, or of another dtype or shape than the network's."""
    findings = [(name, "is missing") for name in layout if name not in found]
    findings += [(name, "is not a tensor of this network") for name in found if name not in layout]
    for name, (dtype, shape) in layout.items():
        entry = found.get(name)
        if entry is None:
            continue
        if entry.dtype != dtype:
            findings.append((name, f"has dtype {entry.dtype}, expected {dtype}"))
        elif entry.shape != shape:
            findings.append((name, f"has shape {list(entry.shape)}, expected {list(shape)}"))
    return findings


def value_finding(name: str, values: NDArray[Any]) -> str:
    """Return what is wrong with the values of a tensor, "" where nothing is."""
    if not np.isfinite(values).all():
        count = int(np.size(values) - np.isfinite(values).sum())
        return f"holds {count} values that are not finite"
    if name.endswith("running_var") and (values < 0).any():
        return "holds negative variances"
    return ""
