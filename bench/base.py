"""Base: the submissions as they were before a change, from a folder or from a commit of git.

May import the standard library, bench.errors, files and problems.
"""

import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import UsageProblem
from bench.files import remove_leftovers, unfinished_folder
from bench.problems import quoted

TEMPORARY_NAME = "bench-base"
"""What the temporary folder of a base is called; one that a killed command left is removed by the next one."""


@contextmanager
def open_base(root: Path, name: str) -> Iterator[Path]:
    """Yield a folder that holds submissions/ as they were.

    name: a commit of the repository that root lies in, as git names it, or else a folder. The commit goes first, so
    that no folder of a change can stand in for it. Its files are written to a temporary folder, links left out.
    Raises UsageProblem where there is neither.
    """
    commit = find_commit(root, name)
    if commit is None:
        if not Path(name).is_dir():
            raise UsageProblem(
                f"{quoted(name)} is neither a commit of the repository at {root.absolute()} nor a folder"
            )
        yield Path(name)
        return
    parent = Path(tempfile.gettempdir())
    remove_leftovers(parent, TEMPORARY_NAME)
    with unfinished_folder(parent, TEMPORARY_NAME) as folder:
        _extract(_archive(root, commit), folder)
        yield folder


def find_commit(root: Path, name: str) -> str | None:
    """Return the full id of a commit, None where there is no such commit, no repository or no git."""
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    return found.stdout.decode().strip() if found is not None and found.returncode == 0 else None


def _archive(root: Path, commit: str) -> bytes:
    tree = _git(root, "ls-tree", commit, "--", "submissions")
    if tree is None or not tree.stdout:
        return b""
    found = _git(root, "archive", "--format=tar", commit, "--", "submissions")
    if found is None or found.returncode != 0:
        raise UsageProblem(f"git cannot read the submissions of {commit}")
    return found.stdout


def _extract(archive: bytes, folder: Path) -> None:
    if not archive:
        return
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        # Regular files alone: a link of the base is no result, and nothing may be written outside the folder.
        members = [member for member in files if member.isfile() or member.isdir()]
        files.extractall(folder, members=members, filter="data")


def _git(root: Path, *arguments: str) -> "subprocess.CompletedProcess[bytes] | None":
    program = shutil.which("git")
    if program is None or not root.is_dir():
        return None
    return subprocess.run([program, "-C", str(root), *arguments], capture_output=True, check=False)
