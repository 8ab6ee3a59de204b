"""The digest of evaluation code: which source decided a number, whatever its comments say.

Imports the standard library only; the digested modules are read, not imported.
"""

import ast
import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path


def code_digest(modules: Iterable[str]) -> str:
    """Return the hex SHA-256 over the syntax trees of modules, given by dotted name, in any order.

    Comments, docstrings, blank lines and line breaks do not count, so that wording never costs a measurement.
    """
    sha = hashlib.sha256()
    for module in sorted(set(modules)):
        sha.update(f"{module} {_module_digest(module)}\n".encode())
    return sha.hexdigest()


def source_digest(source: str) -> str:
    """Return the hex SHA-256 of one source text's syntax tree."""
    sha = hashlib.sha256()
    for token in _tokens(_without_docstrings(ast.parse(source))):
        sha.update(token.encode())
        sha.update(b"\0")
    return sha.hexdigest()


@cache
def _module_digest(module: str) -> str:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no source for module {module}")
    return source_digest(Path(spec.origin).read_text(encoding="utf-8"))


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        # Any statement that is only a string does nothing: docstrings of functions, and of constants.
        node.body = [item for item in node.body if not _is_string_statement(item)]
    return tree


def _is_string_statement(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _tokens(value: object) -> Iterator[str]:
    """Yield a syntax tree as text that is the same for every supported Python version.

    ast.dump would not do: versions differ in which empty fields exist and are printed, so empty ones are left out.
    """
    if isinstance(value, ast.AST):
        yield type(value).__name__
        for field, item in ast.iter_fields(value):
            if item is None or item == [] or field in ("type_comment", "kind"):
                continue
            yield f".{field}"
            yield from _tokens(item)
    elif isinstance(value, list):
        yield f"[{len(value)}"
        for item in value:
            yield from _tokens(item)
    else:
        yield f"{type(value).__name__}:{value!r}"
