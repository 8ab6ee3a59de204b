"""What is wrong, or remarkable, with the checkpoint files of a submission. No torch.

May import numpy, bench.errors, records, bench.checkpoints and the layouts of networks.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bench.checkpoints import CheckpointFile, CheckpointProblem, Layout, read_checkpoint
from bench.errors import InvalidSubmission, RefusedArtifact
from bench.models.layouts import checkpoint_layout
from bench.problems import Problem, visible
from bench.submission import Checkpoint, Submission, UnlearningManifest
from bench.unlearning_protocol import UnlearningProtocol

if TYPE_CHECKING:
    from bench.results import Check


def protocol_layout(protocol: UnlearningProtocol) -> Layout:
    """Return the tensors that every checkpoint of a protocol has."""
    dataset = protocol.dataset
    return checkpoint_layout(protocol.model, in_channels=dataset.channels, classes=dataset.classes)


def checkpoint_problems(folder: Path, checkpoint: Checkpoint, layout: Layout, *, made_again: bool) -> list[Problem]:
    """Return everything that is wrong with one checkpoint's file.

    made_again: whether a recipe makes the file where it is absent; then its absence is no problem.
    """
    shown = f"{folder}/{visible(checkpoint.path)}"
    try:
        file = read_checkpoint(folder, checkpoint, layout)
    except FileNotFoundError:
        if made_again:
            return []
        remedy = "put the file there or correct the path"
        return [Problem(shown, "", "artifact-absent", "is not there", remedy)]
    except RefusedArtifact as error:
        message, _, remedy = str(error).partition("; ")
        return [Problem(shown, "", "unsafe", message, remedy or "hand in a regular safetensors file", unsafe=True)]
    except CheckpointProblem as error:
        remedy = "hand in the weights of the protocol's network under its own tensor names"
        return [
            Problem(shown, "", "tensor", f"tensor {visible(name)!r} {text}" if name else text, remedy)
            for name, text in error.findings
        ]
    return list(_identity_problems(shown, file, checkpoint))


def check_checkpoints(
    submission: Submission, protocol: UnlearningProtocol, others: Iterable[Submission]
) -> "tuple[Check, ...]":
    """Return what was found about the checkpoints that a submission brings for a protocol.

    others: all other submissions, whose checkpoints must not come back under another name.
    Raises InvalidSubmission, RefusedArtifact for a file that cannot be used.
    """
    manifest = submission.manifest
    assert isinstance(manifest, UnlearningManifest)
    layout, read = protocol_layout(protocol), {}
    for item in manifest.artifacts_for(protocol.id):
        try:
            read[item] = read_checkpoint(submission.folder, item, layout)
        except FileNotFoundError:
            # A recipe makes it; the cell compares what comes out with the digest.
            continue
        for problem in _identity_problems(item.path, read[item], item):
            raise InvalidSubmission(f"{problem.file}: {problem.message}; {problem.remedy}")
    return (_tensor_check(layout), _copy_check(manifest, protocol, read, others))


def _tensor_check(layout: Layout) -> "Check":
    from bench.results import Check  # noqa: PLC0415 (brings scipy, which a check without a result does not need)

    # Said whether the files are here or are made again: what was found must not depend on that.
    detail = "each checkpoint has exactly the tensors of the network, in its dtypes and shapes, all values finite"
    return Check(id="tensors", status="pass", measured=f"{len(layout)} tensors", detail=detail)


def _copy_check(
    manifest: UnlearningManifest,
    protocol: UnlearningProtocol,
    read: dict[Checkpoint, CheckpointFile],
    others: Iterable[Submission],
) -> "Check":
    """Say whether a checkpoint is one that somebody else has handed in, or the original itself."""
    from bench.results import Check  # noqa: PLC0415 (brings scipy, which a check without a result does not need)

    known = {
        item.sha256: other.slug
        for other in others
        if isinstance(other.manifest, UnlearningManifest)
        for item in other.manifest.artifacts_for(protocol.id)
    }
    found = []
    for item in manifest.artifacts_for(protocol.id):
        digests = {item.sha256, read[item].content_sha256 if item in read else item.sha256}
        if item.original in digests and manifest.method.family != "reference":
            found.append(f"{item.path} equals the original of its kit")
        found += [f"{item.path} equals a checkpoint of {known[digest]}" for digest in sorted(digests & known.keys())]
    if manifest.method.family == "reference" or not found:
        detail = "no checkpoint equals the original of its kit or one of another submission"
        return Check(id="copies", status="pass", measured="none", detail=detail)
    return Check(id="copies", status="warn", measured=f"{len(found)} equal", detail="; ".join(found[:5]))


def _identity_problems(shown: str, file: CheckpointFile, checkpoint: Checkpoint) -> Iterator[Problem]:
    if file.size != checkpoint.bytes:
        message = f"has {file.size} bytes, the manifest says {checkpoint.bytes}"
        yield Problem(shown, "", "size", message, "correct `bytes`, or put the file there that was meant")
    if file.sha256 != checkpoint.sha256:
        message = f"has sha256 {file.sha256}, the manifest says {checkpoint.sha256}"
        yield Problem(shown, "", "digest", message, "correct `sha256`, or put the file there that was meant")
