"""Factories: valid manifests of the UE track, as text and read. Every argument has a default that works."""

import json
from collections.abc import Sequence
from typing import Any

from protocol_factory import HEX

from bench.submission import Manifest, parse_manifest


def manifest_text(
    slug: str = "fog",
    *,
    name: str | None = None,
    family: str = "synthetic-shortcut",
    summary: str = "Adds one pattern to each class.",
    protocols: Sequence[str] = ("ue-tiny-v1",),
    author: str = "Ada Example",
    paper: str | None = "https://example.org/paper",
    artifact: bool | None = None,
    extra: str = "",
) -> str:
    """The text of a valid `submission.toml`; references carry no artifact unless asked to."""
    method_name = slug.capitalize() if name is None else name
    with_artifact = family != "reference" if artifact is None else artifact
    lines = [
        'schema = "bench.submission/1"',
        'track = "ue"',
        f"slug = {_toml(slug)}",
        f"protocols = [{', '.join(_toml(item) for item in protocols)}]",
        "submitted = 2026-01-31",
        "[method]",
        f"name = {_toml(method_name)}",
        f"family = {_toml(family)}",
        f"summary = {_toml(summary)}",
        "uses_labels = true",
        "[[authors]]",
        f"name = {_toml(author)}",
        'github = "ada-example"',
        *(["[links]", f"paper = {_toml(paper)}"] if paper else []),
        "[disclosure]",
        "attempts_before_this = 2",
        "test_set_used = false",
        "[agreement]",
        'artifact_license = "CC-BY-4.0"',
        "publish = true",
    ]
    if with_artifact:
        for protocol in protocols:
            lines += _artifact_lines(protocol)
    return "\n".join(lines) + "\n" + extra


def make_manifest(slug: str = "fog", **changes: Any) -> Manifest:
    return parse_manifest(manifest_text(slug, **changes))


def _artifact_lines(protocol: str) -> list[str]:
    return [
        "[[artifact]]",
        'role = "perturbation"',
        f"protocol = {_toml(protocol)}",
        f'path = "{protocol}.safetensors"',
        f'sha256 = "{HEX}"',
        "bytes = 89728",
        'kind = "class-wise"',
        'norm = "linf"',
    ]


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
