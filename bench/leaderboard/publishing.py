"""Publishing: files of the site onto the disk and back off it, never touching what something else put there.

Imports the records; never torch. `.rendered.json` in the folder lists what was written.
"""

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from bench.errors import UsageProblem
from bench.files import remove_leftovers, write_atomically
from bench.locking import sole_writer
from bench.records import canonical_bytes

LISTING = ".rendered.json"


def write_files(files: Mapping[str, bytes], out: Path) -> list[Path]:
    """Write the files that changed, remove those that an earlier rendering wrote and this one does not.

    Each file is written whole or not at all; of two that render into one folder, one waits.
    Returns the paths of all files, sorted.
    Raises UsageProblem where a path of the site is taken by something that no rendering wrote.
    """
    if out.exists() and not out.is_dir():
        raise UsageProblem(f"{out}: is not a folder; name a folder for the site")
    with sole_writer(out):
        return _write_files(files, out)


def _write_files(files: Mapping[str, bytes], out: Path) -> list[Path]:
    for folder in sorted({out, *(path.parent for path in out.rglob("*"))}):
        remove_leftovers(folder)
    before = listed(out)
    _refuse_foreign(files, before, out)
    # Listed first, so that an interrupted rendering leaves no file that the next one would not know as its own.
    _write_listing(sorted(before | set(files)), out)
    for name, content in files.items():
        if not _holds(out / name, content):
            write_atomically(out / name, content)
    for name in sorted(before - set(files)):
        _remove(out, name)
    _write_listing(sorted(files), out)
    return [out / name for name in sorted(files)]


def differences(files: Mapping[str, bytes], out: Path) -> list[str]:
    """Return one line for each file that is missing, differs, or is left over from an earlier rendering."""
    found = []
    for name in sorted(set(files) | listed(out)):
        path = out / name
        if name not in files:
            if path.exists():
                found.append(f"{name}: left over")
        elif not path.is_file():
            found.append(f"{name}: missing")
        elif path.read_bytes() != files[name]:
            found.append(f"{name}: differs")
    return found


def listed(out: Path) -> set[str]:
    """Return the paths that earlier renderings wrote; empty for a new folder. Raises UsageProblem."""
    path = out / LISTING
    if not path.is_file():
        return set()
    try:
        names = json.loads(path.read_bytes())
        if not all(isinstance(name, str) and _inside(name) for name in names):
            raise ValueError("it names a path outside the folder")
    except (ValueError, TypeError) as error:
        raise UsageProblem(f"{path}: is not a list of rendered files ({error}); delete it and render again") from error
    return set(names)


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name and name != ""


def _refuse_foreign(files: Mapping[str, bytes], before: set[str], out: Path) -> None:
    taken = [
        name for name in files if name not in before and (out / name).exists() and not _holds(out / name, files[name])
    ]
    if taken:
        raise UsageProblem(
            f"{out}: {len(taken)} path(s) of the site hold files that were not rendered, such as {taken[0]}; "
            "move them away or choose another folder"
        )


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content


def _remove(out: Path, name: str) -> None:
    path = out / name
    path.unlink(missing_ok=True)
    for folder in path.parents:
        if folder == out or any(folder.iterdir()):
            return
        folder.rmdir()


def _write_listing(names: list[str], out: Path) -> None:
    write_atomically(out / LISTING, canonical_bytes(names) + b"\n")
