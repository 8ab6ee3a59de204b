"""Looks names up in the tables of models, defenses, attacks and formats.

A table maps a name to `module:attribute`, so that listing a table, or digesting the code behind an entry, does not
import torch. Imports bench.errors only.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from bench.errors import UnknownName


def module_of(kind: str, name: str, table: Mapping[str, str]) -> str:
    """Return the dotted module that holds a table entry, without importing it. Raises UnknownName."""
    if name not in table:
        raise UnknownName(kind, name, table)
    return table[name].partition(":")[0]


def resolve(kind: str, name: str, table: Mapping[str, str]) -> Any:
    """Import and return a table entry. Raises UnknownName."""
    module = import_module(module_of(kind, name, table))
    return getattr(module, table[name].partition(":")[2])
