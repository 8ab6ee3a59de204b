"""PT: what torch.save writes, read without torch: the archive's numbers as they lie there, its pickle as plain data.

May import numpy and bench.importing.
"""

import io
import zipfile

from bench.errors import RefusedArtifact
from bench.importing.arrays import open_zip, read_entry
from bench.importing.formats import DATA_LIMIT_BYTES, Content, Files, Format
from bench.importing.pickles import StorageStandIn, as_content, load_legacy, load_plain

_PICKLE_LIMIT_BYTES = 64 * 1024**2


def read_tensors(files: Files) -> dict[str, Content]:
    """Read a tensor of deltas, or a dict with `data` (images) and `labels`."""
    file = files["data"]
    start = file.read(4)
    file.seek(0)
    if start != b"PK\x03\x04":
        return {"data": as_content(load_legacy(io.BytesIO(file.read())))}
    with open_zip(file) as archive:
        names = {info.filename: info for info in archive.infolist()}
        pickles = [name for name in names if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise RefusedArtifact("file: a zip archive that torch.save did not write")
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in names and read_entry(archive, names[f"{folder}byteorder"], 16) != b"little":
            raise RefusedArtifact("file: written on a big-endian machine; save it again on another one")
        storages: dict[str, StorageStandIn] = {}
        found = load_plain(io.BytesIO(read_entry(archive, names[pickles[0]], _PICKLE_LIMIT_BYTES)), storages)
        for key, storage in storages.items():
            storage.fill(_storage_bytes(archive, names.get(f"{folder}data/{key}")))
        return {"data": as_content(found)}


def _storage_bytes(archive: zipfile.ZipFile, info: zipfile.ZipInfo | None) -> bytes:
    if info is None or info.compress_type != zipfile.ZIP_STORED:
        raise RefusedArtifact("file: a tensor's numbers are absent, or packed as torch.save never packs them")
    return read_entry(archive, info, DATA_LIMIT_BYTES)


PT = Format("torch.save of a tensor of deltas (EM, PUE, AUE), or of data and labels (PIL)", read_tensors, pickled=True)
