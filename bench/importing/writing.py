"""Writes an imported submission: the folder appears whole, with its artifact and a manifest to complete.

May import pydantic, bench.errors, records and bench.artifacts.
"""

import hashlib
import json
from datetime import date
from pathlib import Path
from string import Template
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bench.artifacts import Integers, encode_perturbation
from bench.errors import UsageProblem
from bench.files import remove_leftovers, unfinished_folder, write_atomically
from bench.importing.report import ImportReport
from bench.importing.request import Credits
from bench.plain_text import Link, Name
from bench.problems import quoted
from bench.scaffold import check_slug as check_slug_form
from bench.submission import FAMILIES, MANIFEST_NAME

ARTIFACT_NAME = "delta.safetensors"


def check_slug(root: Path, slug: str) -> None:
    """Raise UsageProblem for a slug that cannot be one, or whose folder exists."""
    check_slug_form(slug)
    folder = root / "submissions" / slug
    if folder.exists() or folder.is_symlink():
        raise UsageProblem(f"{folder} exists already; choose another --slug")


def write_submission(root: Path, values: Integers, report: ImportReport, who: Credits) -> ImportReport:
    """Write the submission's folder, all of it or nothing; return the report with digest and size of the artifact."""
    content = encode_perturbation(values)
    done = report.model_copy(update={"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)})
    manifest = manifest_text(done, who)
    parent = root / "submissions"
    parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(parent, report.slug)
    with unfinished_folder(parent, report.slug) as made:
        write_atomically(made / ARTIFACT_NAME, content)
        write_atomically(made / MANIFEST_NAME, manifest.encode())
        made.chmod(0o755)
        made.rename(parent / report.slug)
    return done


def manifest_text(report: ImportReport, who: Credits) -> str:
    """Return the manifest, with FILL-IN where only the author knows. Raises UsageProblem for a credit that is unfit."""
    authors = [f"[[authors]]\nname = {_string(name, '--author', Name)}\n" for name in who.authors]
    return _MANIFEST.substitute(
        slug=report.slug,
        protocol=report.protocol,
        today=date.today().isoformat(),
        name='"FILL-IN: the method\'s name, as readers know it"'
        if who.name is None
        else _string(who.name, "--name", Name),
        families=" | ".join(FAMILIES),
        authors="\n".join(authors) or '[[authors]]  # once for each author\nname = "FILL-IN: your name"\n',
        paper='# paper = "https://..."' if who.paper is None else f"paper = {_string(who.paper, '--paper', Link)}",
        path=ARTIFACT_NAME,
        sha256=report.sha256,
        bytes=report.bytes,
        kind=report.kind,
        norm=report.norm,
        source=f"format {report.format}, sign {report.sign}, rounding {report.rounding}, order {report.order}",
    )


def _string(text: str, option: str, kind: Any) -> str:
    """Return a text as a TOML string."""
    try:
        TypeAdapter(kind).validate_python(text)
    except ValidationError as error:
        raise UsageProblem(f"{option} {quoted(text)}: {error.errors()[0]['msg']}") from error
    return json.dumps(text, ensure_ascii=False)


_MANIFEST = Template("""\
# Imported from a released file: $source. submissions/README.md explains each key.
# Replace every FILL-IN, then run: bench validate submissions/$slug

schema = "bench.submission/1"
track = "ue"
slug = "$slug"
protocols = ["$protocol"]
submitted = $today

[method]
name = $name
family = "FILL-IN: one of $families"
summary = "FILL-IN: one plain sentence, at most 280 characters"
surrogate = "none"  # the network that the perturbation was computed with
uses_labels = "FILL-IN: true or false, without quotes"
extra_data = "none"  # data beyond the protocol's training images

$authors
[links]  # https only; each may be left out
$paper
# code = "https://..."
# license = "MIT"

[[artifact]]
role = "perturbation"
protocol = "$protocol"
path = "$path"
sha256 = "$sha256"
bytes = $bytes
tensor = "delta"
layout = "NCHW"
order = "dataset-index"
kind = "$kind"
norm = "$norm"

[disclosure]
attempts_before_this = 0  # versions of this method that were evaluated before
test_set_used = "FILL-IN: true or false, without quotes: was test accuracy looked at while tuning?"
conflict_of_interest = "none"

[agreement]
artifact_license = "FILL-IN: the license of the release, for example CC-BY-4.0"
publish = "FILL-IN: true, without quotes, to agree that artifacts and results are published"
""")
