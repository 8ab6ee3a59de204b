"""Runs groups of tests at the same time, each in a pytest of its own; further arguments go to all of them.

    python tests/side_by_side.py tests/crash -- tests/hostile tests/importing -- -k name

Groups are separated by `--`; arguments that begin with a dash go to every group. What a group prints is shown when it
ends. The exit status is the first one that is not 0; 5, no tests, counts only if no group has any.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from typing import IO

NO_TESTS = 5


def split(arguments: Sequence[str]) -> tuple[list[list[str]], list[str]]:
    """Return the groups and what goes to all of them."""
    groups: list[list[str]] = [[]]
    for index, argument in enumerate(arguments):
        if argument == "--":
            groups.append([])
        elif argument.startswith("-"):
            return [group for group in groups if group], list(arguments[index:])
        else:
            groups[-1].append(argument)
    return [group for group in groups if group], []


def _ended(group: Sequence[str], said: IO[bytes], process: subprocess.Popen[bytes]) -> int:
    """Wait for a group, print what it said, and return its exit status."""
    status = process.wait()
    said.seek(0)
    sys.stdout.write(f"\n{' '.join(group)}: exit status {status}\n{said.read().decode(errors='replace')}")
    sys.stdout.flush()
    return status


def main(arguments: Sequence[str]) -> int:
    """Run the groups and return the exit status."""
    groups, common = split(arguments)
    with ExitStack() as opened:
        running = []
        for group in groups:
            said = opened.enter_context(tempfile.TemporaryFile())
            command = [sys.executable, "-m", "pytest", *group, *common]
            process = opened.enter_context(subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT))
            running.append((group, said, process))
        found = [_ended(*item) for item in running]
    if all(code == NO_TESTS for code in found):
        return NO_TESTS
    return next((code for code in found if code not in (0, NO_TESTS)), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
