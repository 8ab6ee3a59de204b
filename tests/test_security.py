"""Every promise of SECURITY.md names a test that exists."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def test_the_tests_that_keep_the_promises_exist():
    found = NAMED.findall(TEXT)
    assert len(found) >= 16
    for file, name in found:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{file}::{name}"


def test_every_threat_has_an_answer_and_a_test():
    rows = [line for line in TEXT.splitlines() if re.match(r"\| T\d", line)]
    assert [row.split()[1] for row in rows] == [f"T{number}" for number in range(1, 17)]
    assert all(NAMED.search(row) for row in rows)
