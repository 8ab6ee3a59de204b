"""A process that runs command lines of `bench` for the tests, each in a child of its own, and measures what they took.

Importing once and forking makes a command cost milliseconds, so that every hostile case can go through the real command
line. Reads one JSON request a line from stdin and answers with one JSON line. Run as a program.
"""

import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

KILL_SECONDS = 60
CRASHED = 70


def main() -> None:
    """Answer requests until stdin ends."""
    from submission_factory import tiny_data

    import bench.cli
    import bench.validation
    import bench.verification

    own = bench.validation._load_data
    bench.validation._load_data = lambda dataset: tiny_data() if dataset.name == "tiny" else own(dataset)
    for line in sys.stdin:
        request = json.loads(line)
        sys.stdout.write(json.dumps(_run(request["arguments"], request["folder"])) + "\n")
        sys.stdout.flush()


def _run(arguments: list[str], folder: str) -> dict[str, object]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        clock = time.monotonic()
        child = os.fork()
        if child == 0:
            _become_command(arguments, folder, out.fileno(), err.fileno())
        _, status, usage = os.wait4(child, 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read(2_000_000).decode("utf-8", "backslashreplace"))
        return {
            "code": os.waitstatus_to_exitcode(status),
            "out": texts[0],
            "err": texts[1],
            "megabytes": usage.ru_maxrss / 1024,
            "seconds": usage.ru_utime + usage.ru_stime,
            "wall": time.monotonic() - clock,
        }


def _become_command(arguments: list[str], folder: str, out: int, err: int) -> None:
    """Run a command line in this process and end it, as the console script would."""
    import bench.cli

    code = CRASHED
    try:
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.chdir(folder)
        resource.setrlimit(resource.RLIMIT_CPU, (KILL_SECONDS, KILL_SECONDS))
        # A command that waits for a FIFO uses no processor time: the clock ends it too.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(KILL_SECONDS)
        try:
            bench.cli.main(arguments)
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(bool(end.code))
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    main()
