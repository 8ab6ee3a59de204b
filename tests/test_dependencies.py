"""What the project leans on: every package is declared, its license is known, permissive and in docs/licenses.md."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PINNED = sorted(set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements" / "run.txt").read_text(), re.MULTILINE)))

PERMISSIVE = {
    *("0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0"),
    *("CC0-1.0", "ISC", "MIT", "MIT-CMU", "PSF-2.0", "Zlib"),
}
PROPRIETARY = "LicenseRef-NVIDIA-Proprietary"
"""Of the CUDA libraries that PyTorch brings on Linux; the one exception, for packages of this prefix."""

NVIDIA = re.compile(r"nvidia-|cuda-")
SILENT = {"cuda-toolkit": PROPRIETARY}
"""Packages without a word about their license in their metadata, with what their publisher says elsewhere."""

FIELDS = {"NVIDIA Proprietary Software": PROPRIETARY, "MIT License": "MIT", "ISC License": "ISC"}
CLASSIFIERS = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: MIT License": "MIT",
}


def license_of(name: str) -> str | None:
    """The license that an installed package states: an SPDX expression, a short field, or a classifier."""
    if name in SILENT:
        return SILENT[name]
    stated = metadata.metadata(name)
    if stated.get("License-Expression"):
        return stated["License-Expression"]
    found = [CLASSIFIERS[item] for item in stated.get_all("Classifier", []) if item in CLASSIFIERS]
    field = stated.get("License") or ""
    short = FIELDS.get(field, field) if len(field) < 40 and "\n" not in field else ""
    return short or (found[0] if found else None)


def is_permissive(expression: str) -> bool:
    """Whether a package may be used under permissive terms: every part of an AND, one part of an OR."""
    assert "(" not in expression, f"{expression}: read it and extend this test"
    parts = [part.split(" AND ") for part in expression.split(" OR ")]
    return any(all(item.strip() in PERMISSIVE for item in part) for part in parts)


def listed() -> dict[str, str]:
    text = (ROOT / "docs" / "licenses.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| `([a-z0-9-]+)` \| (.+?) \|$", text, re.MULTILINE))


@pytest.mark.parametrize("name", PINNED)
def test_a_pinned_package_has_a_permissive_license_that_is_listed(name):
    stated = listed()[name]
    assert is_permissive(stated) or (stated == PROPRIETARY and NVIDIA.match(name)), f"{name}: {stated}"
    try:
        found = license_of(name)
    except metadata.PackageNotFoundError:
        return  # Of another system; what is listed was read there.
    assert found == stated, f"{name} states {found}; write it into docs/licenses.md if it may stay"


def test_nothing_is_listed_that_is_not_pinned():
    assert sorted(listed()) == PINNED


@pytest.mark.parametrize(
    ("expression", "permissive"),
    [
        ("MIT", True),
        ("Apache-2.0 OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-only", False),
        ("LicenseRef-NVIDIA-Proprietary", False),
        ("", False),
    ],
)
def test_expressions_are_read_as_spdx_means_them(expression, permissive):
    assert is_permissive(expression) is permissive


@cache
def distributions() -> dict[str, list[str]]:
    """Importable name -> the distributions that bring it, in normal form."""
    return {
        name: [re.sub(r"[-_.]+", "-", item).lower() for item in found]
        for name, found in metadata.packages_distributions().items()
    }


def imported_names() -> dict[str, set[str]]:
    """Top-level names that a file of bench/ imports anywhere, by file; the standard library and bench left out."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "bench").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [item.name for item in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            names = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names - {"bench"}
            for name in names:
                found.setdefault(name, set()).add(path.relative_to(ROOT).as_posix())
    return found


OF_ITS_OWN = {"markupsafe": "jinja2", "pydantic_core": "pydantic"}
"""Interfaces of libraries that lie in distributions of their own: for escaped text, and for JSON without a model."""


def test_the_package_imports_its_declared_dependencies_and_nothing_else():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.match(r"[a-z0-9-]+", line)[0] for line in project["dependencies"]}
    imported = imported_names()
    for name, files in imported.items():
        origin = {OF_ITS_OWN[name]} if name in OF_ITS_OWN else set(distributions().get(name, ()))
        assert origin & declared, f"{sorted(files)[0]} imports {name}, which no declared dependency brings"
    used = {item for name in imported for item in distributions().get(name, ())}
    assert declared - used <= {"safetensors"}, f"declared and not imported: {sorted(declared - used)}"
