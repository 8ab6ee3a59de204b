"""How long a site takes: made at once, made again with nothing changed, and after one changed result.

`python benchmarks/site.py FOLDER --boards 20 --entries 500` writes synthetic submissions below FOLDER, unless there
are some, renders them in processes of their own and prints one JSON document. Linux only: it reads /proc.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
LIBRARIES = ("jinja2", "numpy", "pandas", "pyarrow", "pydantic", "scipy")
EVERY_SECONDS = 0.5
"""Between two looks at memory, which take the processes time too."""
RENDER = """
import sys
from pathlib import Path
from bench.leaderboard.building import render_site
from synthetic import synthetic_protocols
if __name__ == "__main__":
    root, out, boards = sys.argv[1:]
    print(render_site(Path(root), Path(out), protocols=synthetic_protocols(int(boards))).made)
"""


def measure_site(folder: Path, *, boards: int, entries: int) -> dict[str, Any]:
    """Render a synthetic site from nothing, again, and after one changed result; return what each took.

    seconds: by the clock on the wall. processor_seconds and peak_bytes: of all processes together, the memory that
    several share counted once (proportional set size), both sampled.
    """
    _submissions(folder, boards, entries)
    out = folder / "site"
    shutil.rmtree(out, ignore_errors=True)
    shutil.rmtree(folder / ".bench" / "site", ignore_errors=True)
    time.sleep(2.1)  # what changed within two seconds is looked at again at the next rendering
    steps: dict[str, Callable[[], None]] = {
        "full": lambda: None,
        "nothing changed": lambda: None,
        "one result changed": lambda: _change_one(folder, boards),
    }
    found = {}
    for name, prepare in steps.items():
        prepare()
        found[name] = _measured([sys.executable, "-c", RENDER, str(folder), str(out), str(boards)])
    results = len(list(folder.glob("submissions/*/results/*/*.json")))
    return {
        "results": results,
        "boards": boards,
        "entries": entries,
        "renderings": found,
        "site_bytes": sum(path.stat().st_size for path in out.rglob("*") if path.is_file()),
        "cores": os.cpu_count(),
        "python": sys.version.split()[0],
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def _submissions(folder: Path, boards: int, entries: int) -> None:
    if not (folder / "submissions").is_dir():
        sizes = ["--boards", str(boards), "--entries", str(entries)]
        script = str(HERE / "tests" / "synthetic.py")
        subprocess.run([sys.executable, script, str(folder), *sizes], check=True, env=_environment(), stdout=sys.stderr)


CHANGE = """
import sys
from pathlib import Path
from synthetic import synthetic_protocols
from unlearning_factory import Left, make_checkpoint_result, write_unlearner
root, boards, number = sys.argv[1:]
protocol = next(item for name, item in synthetic_protocols(int(boards)).items() if name.startswith("unlearning-"))
slug, left = "load00-0005", Left(gus=int(number) / 1e6, patch=0.2)
result = make_checkpoint_result(left, slug, protocol=protocol)
write_unlearner(Path(root), slug, protocol=protocol, results=[result], unlearner="other")
"""


def _change_one(folder: Path, boards: int) -> None:
    """Give one submission of the unlearning track another result on its only board."""
    command = [sys.executable, "-c", CHANGE, str(folder), str(boards), str(time.time_ns() % 10**6)]
    subprocess.run(command, check=True, env=_environment())


def _measured(command: list[str]) -> dict[str, float]:
    started = time.perf_counter()
    process = subprocess.Popen(command, env=_environment(), start_new_session=True, stdout=subprocess.PIPE, text=True)
    spent: dict[int, float] = {}
    peak = 0
    while process.returncode is None:
        sampled = list(_session(process.pid))
        spent |= {number: seconds for number, seconds, _ in sampled}
        peak = max(peak, sum(size for _, _, size in sampled))
        with suppress(subprocess.TimeoutExpired):
            process.wait(EVERY_SECONDS)
    seconds = time.perf_counter() - started
    made = process.communicate()[0]
    if process.returncode:
        raise SystemExit(f"rendering ended with {process.returncode}")
    return {
        "seconds": round(seconds, 2),
        "processor_seconds": round(sum(spent.values()), 1),
        "peak_bytes": peak,
        "units_made": int(made),
        "load": os.getloadavg()[0],
    }


def _session(leader: int) -> Iterator[tuple[int, float, int]]:
    """Yield number, processor time in seconds and memory in bytes of each process of a session."""
    tick = os.sysconf("SC_CLK_TCK")
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(") ")[2].split()
            if int(fields[3]) == leader:
                rollup = (path / "smaps_rollup").read_text()
                size = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
                yield int(path.name), (int(fields[11]) + int(fields[12])) / tick, size * 1024
        except (OSError, StopIteration):  # it has ended
            continue


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{HERE}{os.pathsep}{HERE / 'tests'}", "OMP_NUM_THREADS": "1"}


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--boards", type=int, default=20)
    parser.add_argument("--entries", type=int, default=500)
    chosen = parser.parse_args()
    found = measure_site(chosen.folder.resolve(), boards=chosen.boards, entries=chosen.entries)
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
