"""The files of a challenge kit on disk: written whole, listed under a seal, and read back only as they were written.

May import bench.challenge_secret, errors, files, records and untrusted; no torch. Does not know what the files hold.

`seal.json` names every other file of a kit with its size and SHA-256, and carries a code that only the secret gives:
who edits a file cannot make the list fit again. With the open challenge everybody has the secret; then the seal finds
damage and carelessness, not intent.
"""

import hashlib
import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.challenge_secret import Secret
from bench.errors import CorruptResult, RefusedArtifact
from bench.files import unfinished_folder, write_atomically
from bench.records import canonical_bytes
from bench.untrusted import list_entries, open_untrusted, read_untrusted

SEAL_NAME = "seal.json"
_SEAL_LIMIT_BYTES = 64 * 1024
_ENTRY_LIMIT = 100


def write_kit(folder: Path, files: Mapping[str, bytes], secret: Secret) -> None:
    """Write the files of a kit beside its place and move them there together, their list last. Raises OSError."""
    listed = {name: _entry(content) for name, content in files.items()}
    sealed = {"schema": "bench.kit-seal/1", "files": listed, "seal": secret.code(_message(folder, listed))}
    with unfinished_folder(folder.parent, folder.name) as made:
        for name, content in files.items():
            write_atomically(made / name, content)
        write_atomically(made / SEAL_NAME, canonical_bytes(sealed) + b"\n")
        made.chmod(0o755)
        made.rename(folder)


def read_kit(folder: Path, secret: Secret) -> dict[str, bytes]:
    """Return the content of every file of a kit by its path.

    Raises CorruptResult, naming the file, where anything was changed, added, removed or linked since the kit was made,
    or where it was made as another kit or with another secret.
    """
    try:
        return _read(folder, secret)
    except (RefusedArtifact, FileNotFoundError) as error:
        reason = "a file of the kit is missing" if isinstance(error, FileNotFoundError) else str(error)
        raise _damaged(folder, reason) from error


def _read(folder: Path, secret: Secret) -> dict[str, bytes]:
    listed = _listed(folder, secret)
    found = set()
    for path, mode in list_entries(folder, limit=_ENTRY_LIMIT):
        if not stat.S_ISDIR(mode):
            found.add(path)
            if not stat.S_ISREG(mode):
                raise _damaged(folder, f"{path} is a link or no regular file")
    if surplus := sorted(found - {*listed, SEAL_NAME}):
        raise _damaged(folder, f"{surplus[0]} is no file of the kit")
    contents = {}
    for name, entry in listed.items():
        with open_untrusted(folder, name, entry["bytes"]) as file:
            content = bytes(file.read(file.size))
            if file.finish() != entry["sha256"]:
                raise _damaged(folder, f"{name} was changed")
        contents[name] = content
    return contents


def _listed(folder: Path, secret: Secret) -> dict[str, dict[str, Any]]:
    """Return the list of a kit's files, whose form is known once its seal fits."""
    content = read_untrusted(folder, SEAL_NAME, _SEAL_LIMIT_BYTES)
    try:
        sealed = json.loads(content)
        listed: dict[str, dict[str, Any]] = sealed["files"]
        fits = secret.fits(sealed["seal"], _message(folder, listed))
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError) as error:
        raise _damaged(folder, f"{SEAL_NAME} cannot be read") from error
    if not fits:
        raise _damaged(folder, f"{SEAL_NAME} was changed, or the kit was made elsewhere or with another secret")
    return listed


def _entry(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _message(folder: Path, listed: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Return what is sealed: the list, and which kit it is of, so that no kit can take the place of another."""
    protocol, settings = folder.absolute().parts[-3:-1]
    return canonical_bytes({"kit": [protocol, settings, folder.name], "files": listed})


def _damaged(folder: Path, reason: str) -> CorruptResult:
    return CorruptResult(f"{folder}: {reason}; remove the folder to make the kit again")
