"""A checkpoint that gives nothing away: a network of zeros has no input gradient, so no score, and no claim is made."""

import hashlib
import json
from pathlib import Path

import numpy as np
from nursing import Nursery
from unlearned import make_tensors, small_unlearning_protocol, write_unlearning_protocol

from bench.checkpoints import encode_checkpoint
from bench.submission import UnlearningManifest, load_submission
from bench.unlearning_crafting import manifest_text

PROTOCOL = ("--protocol", "unlearning-small-v1", "--jobs", "1")


def write_zeros(root: Path) -> Path:
    """Write a submission of networks of zeros, made from the same kits as the reference `original`."""
    original = load_submission(root / "submissions" / "original").manifest
    assert isinstance(original, UnlearningManifest)
    tensors = {name: np.zeros_like(value) for name, value in make_tensors(small_unlearning_protocol()).items()}
    content = encode_checkpoint(tensors)
    folder = root / "submissions" / "zeros"
    folder.mkdir()
    (folder / "a.safetensors").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    update = {"path": "a.safetensors", "sha256": digest, "bytes": len(content), "cost": None}
    manifest = original.model_copy(
        update={
            "slug": "zeros",
            "method": original.method.model_copy(update={"name": "Zeros", "family": "other"}),
            "recipe": (),
            "artifact": tuple(item.model_copy(update=update) for item in original.artifact),
        }
    )
    (folder / "submission.toml").write_text(manifest_text(manifest))
    return folder


def test_a_network_of_zeros_is_measured_and_its_trace_stays_unknown(nursery: Nursery, tmp_path: Path):
    write_unlearning_protocol(tmp_path / "protocols")
    for name in ("original", "retrain"):
        made = nursery.run(tmp_path, "unlearn", name, *PROTOCOL, "--slug", name)
        assert made.code == 0, made.said
    folder = write_zeros(tmp_path)
    for command in (
        ("evaluate", "submissions/original", "submissions/retrain", "submissions/zeros", "--jobs", "1"),
        ("verify", "submissions"),
        ("render", "--allow-canary"),
    ):
        ended = nursery.run(tmp_path, *command)
        assert ended.code == 0, ended.said
        assert "Traceback" not in ended.said
    (path,) = folder.glob("results/*/*[0-9a-f].json")
    found = {item["metric"]: item for item in json.loads(path.read_bytes())["outcome"]["measurements"]}
    assert (found["gus_bound"]["status"], found["gus_tpr_01"]["status"]) == ("not_measurable", "not_measurable")
    assert "no item has a Gaussian score" in found["gus_bound"]["reason"]
    page = (tmp_path / "site" / "submissions" / "zeros" / "index.html").read_text()
    assert "gone within" not in page
