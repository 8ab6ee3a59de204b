"""Runs groups of tests at the same time, each in a pytest of its own; further arguments go to all of them.

    python tests/side_by_side.py tests/crash -- tests/hostile tests/importing -- -k name

Groups are separated by `--`; arguments that begin with a dash go to every group. What a group prints is shown line by
line, behind its number. The exit status is the first one that is not 0; 5, no tests, counts only if no group has any.
"""

import subprocess
import sys
from collections.abc import Sequence
from threading import Thread
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


def _show(number: int, said: IO[str]) -> None:
    with said:
        for line in said:
            sys.stdout.write(f"{number}| {line}")
            sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    """Run the groups and return the exit status."""
    groups, common = split(arguments)
    running, readers = [], []
    for number, group in enumerate(groups, 1):
        command = [sys.executable, "-m", "pytest", *group, *common]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        assert process.stdout is not None
        readers.append(Thread(target=_show, args=(number, process.stdout)))
        readers[-1].start()
        running.append(process)
    found = [process.wait() for process in running]
    for reader in readers:
        reader.join()
    for number, (group, code) in enumerate(zip(groups, found, strict=True), 1):
        sys.stdout.write(f"{number}| exit status {code}: {' '.join(group)}\n")
    if all(code == NO_TESTS for code in found):
        return NO_TESTS
    return next((code for code in found if code not in (0, NO_TESTS)), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
