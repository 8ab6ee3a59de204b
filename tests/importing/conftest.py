"""The small protocol, in a folder of its own."""

from pathlib import Path

import pytest
from measured import write_protocol


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    write_protocol(tmp_path / "protocols")
    monkeypatch.setenv("BENCH_PROTOCOLS", str(tmp_path / "protocols"))
    return tmp_path
