"""The confined process: reads one released file and hands its numbers back. Run as a program, by bench.importing.apart.

Imports the standard library, and the reader of one format after the process is limited. Its one argument is a JSON
object: `format`; `files`, descriptors by role; `arrays` and `verdict`, descriptors to write to. Numbers go to `arrays`
one array after another, what they are to `verdict` as JSON.
"""

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from bench.importing.formats import Content


def main() -> None:
    """Read the file that the request names under limits, and report."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from bench.errors import BenchError  # noqa: PLC0415 (found only now)
    from bench.importing import FORMATS, confinement  # noqa: PLC0415

    request = json.loads(sys.argv[1])
    limit = confinement.memory_limit(sum(os.fstat(descriptor).st_size for descriptor in request["files"].values()))
    confinement.limit_process(limit)
    network = "open" if not confinement.leave_network() else "none"
    from bench.registry import resolve  # noqa: PLC0415

    chosen = resolve("format", request["format"], FORMATS)
    files = {role: os.fdopen(descriptor, "rb") for role, descriptor in request["files"].items()}
    arrays, verdict = (os.fdopen(request[name], "wb") for name in ("arrays", "verdict"))
    for module in confinement.PRELOADED:
        import_module(module)
    confinement.refuse_all_else()
    report: dict[str, Any]
    try:
        report = {"network": network, "contents": _write(chosen.read(files), arrays)}
    except BenchError as error:
        report = {"error": str(error)[:2000], "exit_code": error.exit_code}
    except MemoryError:
        words = f"file: needs more than {limit} bytes of memory, too large for what it is; save it unpacked (np.save)"
        report = {"error": words, "exit_code": 4}
    except Exception as error:
        report = {"error": f"file: cannot be read as this format ({type(error).__name__})", "exit_code": 4}
    verdict.write(json.dumps(report).encode())
    verdict.flush()
    arrays.flush()


def _write(contents: "dict[str, Content]", file: BinaryIO) -> dict[str, Any]:
    """Write every array; return what they are: dtype, shape and where they begin."""
    return {
        role: {
            "values": _write_array(content.values, file),
            "labels": None if content.labels is None else _write_array(content.labels, file),
            "index": None if content.index is None else _write_array(content.index, file),
            "within_class": content.within_class,
            "meaning": content.meaning,
        }
        for role, content in contents.items()
    }


def _write_array(array: Any, file: BinaryIO) -> dict[str, Any]:
    begin = file.tell()
    for row in array if array.ndim > 1 else (array,):
        file.write(row.tobytes())
    file.write(b"\0" * (-file.tell() % 8))
    return {"dtype": array.dtype.str, "shape": list(array.shape), "begin": begin}


if __name__ == "__main__":
    main()
