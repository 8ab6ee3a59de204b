"""Running cells on this machine, where no worker is needed to see what happens."""

from pathlib import Path

import pytest

from bench.errors import EnvironmentProblem
from bench.execution.cache import CellCache
from bench.execution.local import run_cells
from bench.protocol import load_protocol
from bench.tracks.ue import CellJob


def test_a_cache_that_cannot_be_written_is_the_machines_fault_and_names_the_cell(tmp_path):
    (tmp_path / "cells").write_text("a file where a folder belongs")
    protocol = load_protocol("ue-digits-v1")
    job = CellJob("sha256:" + "ab" * 32, protocol, protocol.cells("quick")[0], Path(), None, "fog m/none/0")
    with pytest.raises(EnvironmentProblem, match=r"fog m/none/0: .*cells") as refused:
        run_cells([job], workers=1, device="cpu", cache=CellCache(tmp_path / "cells"), fresh=False, listener=print)
    assert refused.value.exit_code == 5
