"""Factories: a valid submission of one checkpoint under the small unlearning protocol."""

import hashlib
from pathlib import Path
from typing import Any

from unlearned import make_tensors, small_unlearning_protocol

from bench.checkpoints import encode_checkpoint

FILE = "a.safetensors"

MANIFEST = """\
schema = "bench.submission/1"
track = "unlearning"
slug = "fog"
protocols = ["unlearning-small-v1"]
submitted = 2026-01-02

[method]
name = "Fog"
family = "ascent"
summary = "For tests only."

[[authors]]
name = "Tests"

[[artifact]]
role = "checkpoint"
protocol = "unlearning-small-v1"
probe = "gaussian"
seed = 0
path = "a.safetensors"
sha256 = "{sha256}"
bytes = {size}
original = "{original}"

[disclosure]
tuned_on_retrained = false
test_set_used = false

[agreement]
artifact_license = "CC0-1.0"
publish = true
"""


def write_checkpoint_submission(
    folder: Path, content: bytes | None = None, *, original: str = "0" * 64, **tensors: Any
) -> Path:
    """Write a submission of one checkpoint; its manifest pins the bytes given, by default a network with `tensors`."""
    if content is None:
        content = encode_checkpoint({**make_tensors(small_unlearning_protocol()), **tensors})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_bytes(content)
    text = MANIFEST.format(sha256=hashlib.sha256(content).hexdigest(), size=len(content), original=original)
    (folder / "submission.toml").write_text(text)
    return folder
