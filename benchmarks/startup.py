"""How long commands take that measure nothing: processor seconds of `bench --help`, `validate` and an empty Python.

`python benchmarks/startup.py` runs each several times in processes of their own and prints one JSON document. The first
run of each is left out: it fills caches.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parents[1]
BENCH = [sys.executable, "-m", "bench"]
COMMANDS = {
    "python": [sys.executable, "-c", "pass"],
    "bench --help": [*BENCH, "--help"],
    "bench validate, UE": [*BENCH, "validate", "submissions/lsp-digits"],
    "bench validate, unlearning": [*BENCH, "validate", "submissions/scrub"],
    "bench list metrics": [*BENCH, "list", "metrics"],
    "bench explain ud": [*BENCH, "explain", "ud"],
}


def measure_commands(repetitions: int) -> dict[str, Any]:
    """Return wall and processor seconds of every command: median, least and most."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for _ in range(repetitions + 1):
        for name, command in COMMANDS.items():
            found[name].append(_run(command))
    return {
        name: {
            "seconds": _spread([wall for wall, _ in runs[1:]]),
            "processor_seconds": _spread([processor for _, processor in runs[1:]]),
        }
        for name, runs in found.items()
    }


def _run(command: list[str]) -> tuple[float, float]:
    before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, cwd=HERE, env=environment, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - clock, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": round(median(values), 3), "least": round(min(values), 3), "most": round(max(values), 3)}


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    chosen = parser.parse_args()
    found = {
        "commands": measure_commands(chosen.repetitions),
        "load": os.getloadavg()[0],
        "python": sys.version.split()[0],
    }
    sys.stdout.write(json.dumps(found | {"python": sys.version.split()[0]}, indent=2) + "\n")


if __name__ == "__main__":
    main()
