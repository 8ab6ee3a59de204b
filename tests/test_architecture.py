"""The drawing of docs/architecture.md as data, held against the syntax trees of every module in bench/.

To add a module, add a line to LAYERS unless the longest prefix already says where it belongs.
"""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

LAYERS = {
    "bench.errors": "errors",
    "bench": "records",
    "bench.challenge_secret": "records",
    "bench.code_digest": "records",
    "bench.comment": "records",
    "bench.files": "records",
    "bench.locking": "records",
    "bench.ledger": "records",
    "bench.machine": "records",
    "bench.markdown": "records",
    "bench.metrics.catalog": "records",
    "bench.metrics.catalog_checkpoints": "records",
    "bench.metrics.catalog_closeness": "records",
    "bench.metrics.catalog_gaussian": "records",
    "bench.metrics.metric": "records",
    "bench.models.layouts": "records",
    "bench.metrics.gus_statistics": "records",
    "bench.plain_text": "records",
    "bench.problems": "records",
    "bench.protocol": "records",
    "bench.protocols": "records",
    "bench.records": "records",
    "bench.registry": "records",
    "bench.studies.record": "records",
    "bench.result_form": "records",
    "bench.glance": "records",
    "bench.results": "records",
    "bench.seals": "records",
    "bench.review_text": "records",
    "bench.safetensors_header": "records",
    "bench.store": "records",
    "bench.submission": "records",
    "bench.toml_lines": "records",
    "bench.unlearning_protocol": "records",
    "bench.untrusted": "records",
    "bench.artifacts": "gate",
    "bench.budgets": "gate",
    "bench.checkpoint_check": "gate",
    "bench.checkpoint_validation": "gate",
    "bench.checkpoints": "gate",
    "bench.manifest_problems": "gate",
    "bench.perturbation_check": "gate",
    "bench.scaffold": "gate",
    "bench.similarity": "gate",
    "bench.validation": "gate",
    "bench.importing": "importing",
    "bench.data": "data",
    "bench.attacks": "lab",
    "bench.challenges": "lab",
    "bench.kit_files": "lab",
    "bench.defenses": "lab",
    "bench.metrics": "lab",
    "bench.models": "lab",
    "bench.probes": "lab",
    "bench.provenance": "lab",
    "bench.runtime": "lab",
    "bench.studies": "lab",
    "bench.tracks": "lab",
    "bench.training": "lab",
    "bench.unlearners": "lab",
    "bench.unlearning": "lab",
    "bench.attempts": "evaluation",
    "bench.base": "evaluation",
    "bench.crafting": "evaluation",
    "bench.evaluation": "evaluation",
    "bench.execution": "evaluation",
    "bench.integrity": "evaluation",
    "bench.planning": "evaluation",
    "bench.unlearning_crafting": "evaluation",
    "bench.claims_check": "evaluation",
    "bench.verification": "evaluation",
    "bench.leaderboard": "leaderboard",
    "bench.reported": "leaderboard",
    "bench.__main__": "cli",
    "bench.cli": "cli",
    "bench.compare_command": "cli",
    "bench.doctor": "cli",
    "bench.exits": "cli",
    "bench.explain": "cli",
    "bench.import_command": "cli",
    "bench.record_commands": "cli",
    "bench.review": "cli",
    "bench.unlearning_command": "cli",
    "bench.study_command": "cli",
}
"""Module or package prefix -> layer; the longest prefix decides. `bench` itself stands for bench/__init__.py only."""


TABLES = {"bench.attacks", "bench.importing", "bench.probes", "bench.studies", "bench.unlearners"}
"""Packages whose __init__ is the plain table of a family: a record, whatever layer the modules beside it are in."""


@dataclass(frozen=True)
class Rule:
    """What a layer may import: other layers, itself included, and libraries beside the standard one."""

    layers: frozenset[str]
    libraries: frozenset[str]


def rule(layers: str, libraries: str = "") -> Rule:
    return Rule(frozenset(layers.split()), frozenset(libraries.split()))


RULES = {
    "errors": rule(""),
    "records": rule("errors records", "pydantic pydantic_core rfc8785 scipy"),
    "data": rule("errors records data", "PIL numpy"),
    "gate": rule("errors records data gate", "numpy pydantic"),
    "lab": rule("errors records data gate lab", "PIL filelock kornia numpy scipy sklearn torch torchvision"),
    "importing": rule("errors records data gate importing", "numpy PIL pydantic"),
    "evaluation": rule("errors records data gate lab evaluation", "filelock numpy pydantic rich"),
    "leaderboard": rule(
        "errors records leaderboard",
        "altair jinja2 markdown_it markupsafe numpy pandas pyarrow pydantic pydantic_core scipy vl_convert",
    ),
    "cli": rule("errors records data gate importing lab evaluation leaderboard cli", "rich torch torchvision typer"),
}

PAGE_LIBRARIES = {"altair", "jinja2", "pandas", "pyarrow", "vl_convert"}
LIGHT_MODULES = ("bench.cli", "bench.validation", "bench.scaffold", "bench.data", "bench.tracks.ue", "bench.doctor")

FORBIDDEN_IMPORTS = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve", "yaml"}
FORBIDDEN_CALLS = {"torch.load", "eval", "exec", "pandas.read_pickle", "pd.read_pickle"}
EXCEPTIONS = {
    # The official CIFAR files are pickles; opened by checksum, with an unpickler that knows three names.
    "bench.data.cifar_batches": {"pickle"},
    # Released formats that are pickles; on request, in a confined process, with builders that import nothing.
    "bench.importing.pickles": {"pickle"},
    # Runs the decoder of the CIFAR archives, one file that is pinned by its SHA-256.
    "bench.data.cifar_archives": {"exec"},
}

FUNCTION_LINES = 60
FILE_LINES = 400


@cache
def modules() -> dict[str, Path]:
    """Every module of bench/ by dotted name."""
    files = sorted((ROOT / "bench").rglob("*.py"))
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


def statements(node: ast.AST, *, lazy: bool) -> Iterator[ast.AST]:
    """Yield the statements that run; with `lazy` those inside functions too. Skips `if TYPE_CHECKING` blocks."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        if not lazy and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        yield child
        yield from statements(child, lazy=lazy)


@cache
def imports(module: str, *, lazy: bool) -> frozenset[str]:
    """Modules that a module imports by name: those of bench in full, libraries by their first part."""
    found: set[str] = set()
    for node in statements(tree(module), lazy=lazy):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import, write the full name"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (names & modules().keys()) or {str(node.module)}
    return frozenset(name if name in modules() else name.partition(".")[0] for name in found)


def layer_of(module: str) -> str:
    if module in TABLES:
        return "records"
    prefixes = [
        prefix for prefix in LAYERS if module == prefix or (prefix != "bench" and module.startswith(f"{prefix}."))
    ]
    assert prefixes, f"{module} is in no layer; add it to LAYERS"
    return LAYERS[max(prefixes, key=len)]


def reach(module: str) -> set[str]:
    """Everything that importing a module imports."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in modules():
            waiting += imports(name, lazy=False)
            waiting += [name.rpartition(".")[0]] if "." in name else []
    return seen


def public_definitions(node: ast.AST) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef) and not child.name.startswith("_"):
            yield child
            if isinstance(child, ast.ClassDef):
                yield from public_definitions(child)


@pytest.mark.parametrize("module", modules())
def test_imports_point_one_way(module: str) -> None:
    allowed = RULES[layer_of(module)]
    for name in imports(module, lazy=True):
        if name in modules():
            assert layer_of(name) in allowed.layers, f"{module} ({layer_of(module)}) imports {name} ({layer_of(name)})"
        elif name not in sys.stdlib_module_names:
            assert name in allowed.libraries, f"{module} ({layer_of(module)}) imports {name}"


def test_no_module_reaches_both_torch_and_a_page_library() -> None:
    for module in modules():
        reached = reach(module)
        assert "torch" not in reached or not reached & PAGE_LIBRARIES, module


@pytest.mark.parametrize("module", LIGHT_MODULES)
def test_light_modules_import_nothing_heavy(module: str) -> None:
    script = f"import sys, {module}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "torchvision", "sklearn", *PAGE_LIBRARIES} & set(run.stdout.split())


def test_imports_have_no_cycle() -> None:
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, f"import cycle: {' -> '.join((*trail, module))}"
        if module in done:
            return
        for name in sorted(imports(module, lazy=True) & modules().keys()):
            visit(name, (*trail, module))
        done.add(module)

    for module in modules():
        visit(module, ())


@pytest.mark.parametrize("module", modules())
def test_nothing_can_run_what_a_file_says(module: str) -> None:
    allowed = EXCEPTIONS.get(module, set())
    assert not (imports(module, lazy=True) & FORBIDDEN_IMPORTS) - allowed
    for node in ast.walk(tree(module)):
        if not isinstance(node, ast.Call):
            continue
        assert ast.unparse(node.func) not in FORBIDDEN_CALLS - allowed, f"{module}:{node.lineno}"
        for keyword in node.keywords:
            text = ast.unparse(keyword.value)
            assert (keyword.arg, text) not in {("allow_pickle", "True"), ("shell", "True")}, f"{module}:{node.lineno}"
        if ast.unparse(node.func) in {"np.load", "numpy.load"}:
            assert any(keyword.arg == "allow_pickle" for keyword in node.keywords), f"{module}:{node.lineno}"


@pytest.mark.parametrize("module", modules())
def test_every_public_name_has_a_docstring(module: str) -> None:
    if tree(module).body:
        assert ast.get_docstring(tree(module)), f"{module}: no module docstring"
    for definition in public_definitions(tree(module)):
        assert ast.get_docstring(definition), f"{module}:{definition.lineno}: {definition.name} has no docstring"


@pytest.mark.parametrize("module", modules())
def test_files_and_functions_stay_short(module: str) -> None:
    lines = len(modules()[module].read_text(encoding="utf-8").splitlines())
    assert lines <= FILE_LINES, f"{module} has {lines} lines"
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= FUNCTION_LINES, f"{module}:{node.lineno}: {node.name} has {length} lines"


def test_importing_does_nothing() -> None:
    for module in modules().keys() - {"bench.__main__"}:
        for node in tree(module).body:
            bare_call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
            assert not bare_call, f"{module}:{node.lineno}: a call when the module is imported"


def test_every_layer_prefix_still_exists() -> None:
    assert LAYERS.keys() <= modules().keys()


def test_every_package_is_listed_in_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = set(project["tool"]["setuptools"]["packages"]) - {"bench._templates"}
    found = {".".join(file.parent.relative_to(ROOT).parts) for file in modules().values()}
    assert listed == found
