"""Measures how one real cell changes with what results do not promise to be independent of; see docs/determinism.md.

    python tests/crash/measure_code_paths.py

Trains one cell of ue-digits-v1, quick tier, once for each setting, in processes of its own, and prints a table: whether
the cell is equal to the last digit, and how far its numbers are from those of the first row.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

SETTINGS: dict[str, dict[str, str]] = {
    "as promised: one thread": {},
    "the same again": {},
    "OMP_NUM_THREADS=2, which is overruled": {"OMP_NUM_THREADS": "2"},
    "two threads by force": {"THREADS": "2"},
    "ATEN_CPU_CAPABILITY=avx2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "ATEN_CPU_CAPABILITY=default": {"ATEN_CPU_CAPABILITY": "default"},
    "ONEDNN_MAX_CPU_ISA=AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    "ONEDNN_MAX_CPU_ISA=SSE41": {"ONEDNN_MAX_CPU_ISA": "SSE41"},
    "MKL_CBWR=COMPATIBLE": {"MKL_CBWR": "COMPATIBLE"},
    "without deterministic algorithms": {"NONDETERMINISTIC": "1"},
}

CHILD = """
import json, os, sys
from pathlib import Path
import torch
from bench.protocol import load_protocol
from bench.runtime import choose_device, prepare_process
from bench.tracks.ue import CellJob
from bench.tracks.ue_cell import run_cell
device = choose_device("cpu")
prepare_process(device)
if "THREADS" in os.environ: torch.set_num_threads(int(os.environ["THREADS"]))
if "NONDETERMINISTIC" in os.environ: torch.use_deterministic_algorithms(False)
protocol = load_protocol("ue-digits-v1")
cell = protocol.cells("quick")[0]
job = CellJob("sha256:" + "0" * 64, protocol, cell, Path(), None, cell.label)
result, _ = run_cell(job, device, lambda done, total: None)
print(json.dumps(result.model_dump(mode="json")))
"""


def measure(setting: dict[str, str]) -> dict[str, object]:
    """Return the cell that a setting finds."""
    root = str(Path(__file__).resolve().parent.parent.parent)
    environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1", **setting}
    done = subprocess.run([sys.executable, "-c", CHILD], env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def flat(value: object) -> list[float]:
    """Return all numbers of a document in order."""
    if isinstance(value, dict):
        return [number for key in sorted(value) for number in flat(value[key])]
    if isinstance(value, list):
        return [number for item in value for number in flat(item)]
    return [float(value)] if isinstance(value, int | float) else []


def main() -> None:
    """Print the table."""
    first: dict[str, object] = {}
    sys.stdout.write(
        "| setting | digest | final test accuracy | largest difference of a SAL value, relative |\n|---|---|---|---|\n"
    )
    for name, setting in SETTINGS.items():
        found = measure(setting)
        first = first or found
        digest = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:8]
        ours, theirs = flat(found["sal"]["values"]), flat(first["sal"]["values"])
        off = max(abs(a - b) / max(abs(b), 1e-6) for a, b in zip(ours, theirs, strict=True))
        sys.stdout.write(f"| {name} | `{digest}` | {found['test_accuracy'][-1]:.6f} | {off:.1e} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
