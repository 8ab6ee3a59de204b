"""Base: the submissions as they were before a change, from a folder or from a commit of git.

May import the standard library and bench.errors.
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
from bench.problems import quoted, visible


@contextmanager
def open_base(root: Path, name: str) -> Iterator[Path]:
    """Yield a folder that holds submissions/ as they were.

    name: a folder, or else a commit of the repository that root lies in, as git names it. The commit's files are
    written to a temporary folder; links in it stay links and are followed by nobody.
    Raises UsageProblem where there is neither.
    """
    if Path(name).is_dir():
        yield Path(name)
        return
    with tempfile.TemporaryDirectory(prefix="bench-base-") as folder:
        _extract(_archive(root, commit_of(root, name)), Path(folder))
        yield Path(folder)


def commit_of(root: Path, name: str) -> str:
    """Return the full id of a commit. Raises UsageProblem."""
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if found.returncode != 0:
        raise UsageProblem(f"{quoted(name)} is neither a folder nor a commit of the repository at {root.absolute()}")
    return found.stdout.decode().strip()


def _archive(root: Path, commit: str) -> bytes:
    if not _git(root, "ls-tree", commit, "--", "submissions").stdout:
        return b""
    found = _git(root, "archive", "--format=tar", commit, "--", "submissions")
    if found.returncode != 0:
        raise UsageProblem(f"git cannot read {commit}: {visible(found.stderr.decode(errors='replace'), 300)}")
    return found.stdout


def _extract(archive: bytes, folder: Path) -> None:
    if not archive:
        return
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        # Regular files alone: a link of the base is no result, and nothing may be written outside the folder.
        members = [member for member in files if member.isfile() or member.isdir()]
        files.extractall(folder, members=members, filter="data")


def _git(root: Path, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    program = shutil.which("git")
    if program is None:
        raise UsageProblem("there is no git here; name a folder as the base instead")
    return subprocess.run([program, "-C", str(root), *arguments], capture_output=True, check=False)
