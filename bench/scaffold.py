"""`bench new`: writes a manifest to fill in.

May import pydantic, bench.errors, files and records.
"""

import os
from datetime import date
from pathlib import Path
from string import Template
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from bench.errors import UsageProblem
from bench.files import remove_leftovers, unfinished_folder, write_atomically
from bench.plain_text import Slug
from bench.problems import quoted
from bench.submission import FAMILIES, MANIFEST_NAME, UNLEARNING_FAMILIES


def create_submission(root: Path, track: Literal["ue", "unlearning"], slug: str) -> list[Path]:
    """Write `<root>/submissions/<slug>/submission.toml` with every key explained; return what was written.

    Raises UsageProblem for a bad slug or an existing folder.
    """
    check_slug(slug)
    folder = root / "submissions" / slug
    if os.path.lexists(folder):
        raise UsageProblem(f"{folder} exists already; choose another slug, or edit what is there")
    template, families = _TEMPLATES[track]
    text = template.substitute(slug=slug, today=date.today().isoformat(), families=" | ".join(families))
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder.parent, slug)
    with unfinished_folder(folder.parent, slug) as made:
        write_atomically(made / MANIFEST_NAME, text.encode())
        made.chmod(0o755)
        made.rename(folder)
    return [folder / MANIFEST_NAME]


def check_slug(slug: str) -> None:
    """Raise UsageProblem for a text that cannot be a slug."""
    try:
        TypeAdapter(Slug).validate_python(slug)
    except ValidationError as error:
        raise UsageProblem(
            f"{quoted(slug)} cannot be a slug; use 2 to 48 of a-z, 0-9 and '-', with no '-' at either end"
        ) from error


_MANIFEST = Template("""\
# A submission to the track of unlearnable examples. submissions/README.md explains each key.
# Replace every FILL-IN, then run: bench validate submissions/$slug

schema = "bench.submission/1"
track = "ue"
slug = "$slug"  # the name of this folder
protocols = ["ue-digits-v2"]  # one or more of `bench list protocols`
submitted = $today

[method]
name = "FILL-IN: the method's name, as readers know it"
family = "FILL-IN: one of $families"
summary = "FILL-IN: one plain sentence, at most 280 characters"
surrogate = "none"  # the network that the perturbation was computed with
uses_labels = "FILL-IN: true or false, without quotes"
extra_data = "none"  # data beyond the protocol's training images

[[authors]]  # once for each author
name = "FILL-IN: your name"
# orcid = "0000-0002-1825-0097"
# github = "your-name"

[links]  # https only; each may be left out
# paper = "https://..."
# code = "https://..."
# license = "MIT"

# [cite]
# bibtex = '''@misc{...}'''

[[artifact]]  # once for each protocol
role = "perturbation"
protocol = "ue-digits-v2"
path = "delta.safetensors"  # inside this folder
sha256 = "FILL-IN: what `sha256sum delta.safetensors` prints"
bytes = "FILL-IN: the size of the file in bytes, without quotes"
tensor = "delta"  # int8, in units of 1/255
layout = "NCHW"
order = "dataset-index"  # row i changes training image i
kind = "FILL-IN: sample-wise or class-wise"
norm = "FILL-IN: linf, l0, l2 or unbounded, one that the protocol allows"

# [[reported]]  # your own numbers: shown beside the measured ones, never ranked
# metric = "test_accuracy"  # one of `bench list metrics`
# condition = "resnet18/none"  # model/defense
# value = 0.19
# source = "Table 1"

[disclosure]
attempts_before_this = 0  # versions of this method that were evaluated before
test_set_used = "FILL-IN: true or false, without quotes: did you look at test accuracy while tuning?"
conflict_of_interest = "none"

[agreement]
artifact_license = "FILL-IN: for example CC-BY-4.0"
publish = "FILL-IN: true, without quotes, to agree that artifacts and results are published"
""")


_CHECKPOINTS = Template("""\
# A submission to the unlearning track. submissions/README.md explains each key.
# `bench challenge unlearning-digits-v1` writes the kits: unlearn from each original, hand in one checkpoint for each.
# Replace every FILL-IN, then run: bench validate submissions/$slug

schema = "bench.submission/1"
track = "unlearning"
slug = "$slug"  # the name of this folder
protocols = ["unlearning-digits-v1"]  # one or more of `bench list protocols`
submitted = $today

[method]
name = "FILL-IN: the method's name, as readers know it"
family = "FILL-IN: one of $families"
summary = "FILL-IN: one plain sentence, at most 280 characters"

[[authors]]  # once for each author
name = "FILL-IN: your name"
# orcid = "0000-0002-1825-0097"
# github = "your-name"

[links]  # https only; each may be left out
# paper = "https://..."
# code = "https://..."
# license = "MIT"

[[artifact]]  # once for each probe and seed of the protocol
role = "checkpoint"
protocol = "unlearning-digits-v1"
probe = "gaussian"
seed = 0
path = "checkpoints/gaussian-0.safetensors"  # inside this folder; the network's tensors under their own names
sha256 = "FILL-IN: what `sha256sum FILE` prints"
bytes = "FILL-IN: the size of the file in bytes, without quotes"
original = "FILL-IN: sha256 of original.safetensors in the kit that you started from"
# cost = { compute_share = 0.1, seconds = 12.5, hardware = "one H200" }  # compute relative to training the original

[disclosure]
attempts_before_this = 0  # versions of this method that were evaluated before
search_trials = 0  # settings that were tried
tuned_on_retrained = "FILL-IN: true or false, without quotes: did a retrained model have a part in the choice?"
test_set_used = "FILL-IN: true or false, without quotes: did you look at test accuracy while tuning?"
conflict_of_interest = "none"

[agreement]
artifact_license = "FILL-IN: for example CC-BY-4.0"
publish = "FILL-IN: true, without quotes, to agree that artifacts and results are published"
""")

_TEMPLATES = {"ue": (_MANIFEST, FAMILIES), "unlearning": (_CHECKPOINTS, UNLEARNING_FAMILIES)}
