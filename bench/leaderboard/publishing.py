"""Publishing: files of the site onto the disk and back off it, never touching what something else put there.

Imports the records; never torch. `.rendered.jsonl` in the folder is the list of what was written, a line a part of the
site: it is added to while a site is written, so that an interrupted one is known as our own and taken up again.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.errors import UsageProblem
from bench.files import remove_leftovers, write_atomically, write_together
from bench.locking import sole_writer
from bench.records import canonical_bytes

LISTING = ".rendered.jsonl"
UNFINISHED = "unfinished"

FILES_AT_ONCE = 200
"""Files that are open while they are written; many systems allow 256."""


@dataclass(frozen=True)
class Part:
    """A part of the site: the digest of what it was made from, or UNFINISHED, and its files' sizes.

    line: what the list says of it, kept because most parts of a large site stay as they are.
    """

    key: str
    files: Mapping[str, int]
    line: bytes

    @classmethod
    def of(cls, name: str, key: str, files: Mapping[str, int]) -> "Part":
        """Describe a part by its name."""
        return cls(key, files, canonical_bytes([name, key, dict(files)]) + b"\n")


class Publisher:
    """Writes a site part by part into a folder, and leaves alone what is as it should be.

    Raises UsageProblem where the folder's list is not one, or where a path of the site is taken by something that no
    rendering wrote.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._parts = listed(out)
        if any(part.key == UNFINISHED for part in self._parts.values()):
            for folder in sorted({out, *(path.parent for path in out.rglob("*"))}):
                remove_leftovers(folder)
        remove_leftovers(out)
        self._written = (out / LISTING).stat().st_mtime_ns if self._parts else 0
        found = _content(out)
        self._in_order = found == self._ordered()
        if found and not found.endswith(b"\n"):  # cut off: what is added next would be lost with its last line
            self._write_list()
        self._own = {name for part in self._parts.values() for name in part.files}

    def holds(self, name: str, key: str) -> bool:
        """Say whether a part was made from the same inputs and none of its files was touched since."""
        part = self._parts.get(name)
        return part is not None and part.key == key and all(map(self._untouched, part.files, part.files.values()))

    def write(self, parts: Iterable[tuple[str, str, Mapping[str, bytes]]]) -> None:
        """Write parts as they come, each its name, its key and its files; each file whole or not at all.

        Files that are as they should be are left alone.
        """
        batch: list[tuple[str, str, Mapping[str, bytes]]] = []
        for part in parts:
            batch.append(part)
            if sum(len(files) for _, _, files in batch) >= FILES_AT_ONCE:
                self._write(batch)
                batch = []
        self._write(batch)

    def _write(self, batch: Sequence[tuple[str, str, Mapping[str, bytes]]]) -> None:
        gone: set[str] = set()
        batch = [part for part in batch if not self._lies_there(*part)]
        for name, _, files in batch:
            self._refuse_foreign(files)
            gone |= set(self._files_of(name)) - set(files)
            self._note(name, UNFINISHED, {**self._files_of(name), **dict.fromkeys(files, 0)})
        contents = {self._out / file: content for _, _, files in batch for file, content in files.items()}
        changed = [path for path, content in contents.items() if not _same(path, content)]
        for start in range(0, len(changed), FILES_AT_ONCE):
            write_together({path: contents[path] for path in changed[start : start + FILES_AT_ONCE]})
        for name, key, files in batch:
            self._note(name, key, {file: len(content) for file, content in files.items()})
        self._remove(gone)

    def _lies_there(self, name: str, key: str, files: Mapping[str, bytes]) -> bool:
        """Say whether a part is as the list has it, byte for byte: then the list need not be written again."""
        if not self.holds(name, key) or self._files_of(name).keys() != files.keys():
            return False
        return all(_same(self._out / file, content) for file, content in files.items())

    def finish(self, names: Iterable[str]) -> list[str]:
        """Remove the parts that are not among `names`; return the paths of all files, sorted."""
        kept = set(names)
        left = {name: part for name, part in self._parts.items() if name not in kept}
        self._parts = {name: part for name, part in self._parts.items() if name in kept}
        self._remove({file for part in left.values() for file in part.files})
        if left or not self._in_order:
            self._write_list()
        return sorted(file for part in self._parts.values() for file in part.files)

    def _write_list(self) -> None:
        write_atomically(self._out / LISTING, self._ordered())
        self._in_order = True

    def _ordered(self) -> bytes:
        return b"".join(self._parts[name].line for name in sorted(self._parts))

    def _files_of(self, name: str) -> Mapping[str, int]:
        part = self._parts.get(name)
        return part.files if part else {}

    def _untouched(self, file: str, size: int) -> bool:
        # The list is written last: whatever is newer was changed by something else.
        try:
            found = os.stat(f"{self._out}/{file}")  # noqa: PTH116 - of every file of a site, and paths are slow to make
        except OSError:
            return False
        return found.st_size == size and found.st_mtime_ns <= self._written

    def _note(self, name: str, key: str, files: Mapping[str, int]) -> None:
        part = self._parts[name] = Part.of(name, key, files)
        self._own |= set(files)
        self._in_order = False
        self._out.mkdir(parents=True, exist_ok=True)
        with (self._out / LISTING).open("ab") as file:
            file.write(part.line)

    def _refuse_foreign(self, files: Mapping[str, bytes]) -> None:
        new = (name for name in files if name not in self._own)
        taken = [name for name in new if (self._out / name).exists() and not _same(self._out / name, files[name])]
        if taken:
            raise UsageProblem(
                f"{self._out}: {len(taken)} path(s) of the site hold files that were not rendered, such as {taken[0]}; "
                "move them away or choose another folder"
            )

    def _remove(self, files: set[str]) -> None:
        """Delete files that no part has any more, and the folders that this empties."""
        if not files:
            return
        for name in sorted(files - {file for part in self._parts.values() for file in part.files}):
            path = self._out / name
            path.unlink(missing_ok=True)
            for folder in path.parents:
                if folder == self._out or not folder.is_dir() or any(folder.iterdir()):
                    break
                folder.rmdir()


@contextmanager
def publisher_of(out: Path) -> Iterator[Publisher]:
    """Hold a folder and give what writes into it; of two renderings into one folder, one waits. Raises UsageProblem."""
    if out.exists() and not out.is_dir():
        raise UsageProblem(f"{out}: is not a folder; name a folder for the site")
    with sole_writer(out):
        yield Publisher(out)


def differences(files: Mapping[str, bytes], out: Path) -> list[str]:
    """Return one line for each file that is missing, differs, or is left over from an earlier rendering."""
    found = []
    for name in sorted(set(files) | {file for part in listed(out).values() for file in part.files}):
        path = out / name
        if name not in files:
            if path.exists():
                found.append(f"{name}: left over")
        elif not path.is_file():
            found.append(f"{name}: missing")
        elif path.read_bytes() != files[name]:
            found.append(f"{name}: differs")
    return found


def listed(out: Path) -> dict[str, Part]:
    """Return the parts that earlier renderings wrote, by name; none for a new folder. Raises UsageProblem."""
    # An interruption can cut off the last line; what it would have said is that a part is being written.
    *lines, _ = _content(out).split(b"\n")
    try:
        return dict(map(_parsed, lines))
    except (ValueError, TypeError) as error:
        problem = f"is not a list of rendered files ({error}); delete it and render again"
        raise UsageProblem(f"{out / LISTING}: {problem}") from error


def _content(out: Path) -> bytes:
    """Return the list as it lies there, empty where there is none."""
    path = out / LISTING
    return path.read_bytes() if path.is_file() else b""


def _parsed(line: bytes) -> tuple[str, Part]:
    name, key, files = json.loads(line)
    if not (isinstance(name, str) and isinstance(key, str)):
        raise TypeError("a part has no name")
    if not all(_inside(file) for file in files):
        raise ValueError("it names a path outside the folder")
    return name, Part(key, {file: int(size) for file, size in files.items()}, line + b"\n")


def _inside(name: str) -> bool:
    return not name.startswith("/") and ".." not in name.split("/") and "\\" not in name and name != ""


def _same(path: Path, content: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content
