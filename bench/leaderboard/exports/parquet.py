"""Parquet: every measurement of every protocol, seed by seed, in one file.

Imports pyarrow inside the functions, because it is slow to import; never torch. Columns are made from buffers, for
`pyarrow.array` imports pandas wherever it is installed, which takes longer than all the rest.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.leaderboard.frame import OFFICIAL_METRICS, seeds_of
from bench.leaderboard.sources import Sources, remembered
from bench.results import Measurement, Result
from bench.unlearning_protocol import AnyProtocol

if TYPE_CHECKING:
    import pyarrow as pa

PATH = "downloads/measurements.parquet"

TEXTS = ("track", "protocol", "slug", "name", "role", "tier", "result", "condition", "metric", "status", "reason")
TRUTHS = ("shown", "primary")
COLUMNS = {
    "track": "ue or unlearning",
    "protocol": "id of the protocol",
    "slug": "the submission",
    "name": "name of its method",
    "role": "entry, control or reference",
    "tier": "full or quick",
    "result": "first 16 hex digits of the result's id",
    "shown": "whether the board shows this result; false for superseded ones and those of another artifact",
    "condition": "network and defense, or probe",
    "primary": "whether the board is about this condition",
    "metric": "key of the metric",
    "status": "ok, or why there is no value",
    "reason": "why there is no value, in the words of the result",
    "seed": "null for a value of all seeds together, and where there is no value",
    "value": "full precision, fractions from 0 to 1; null where there is none",
}
"""What the columns mean, in their order."""


def measurements_parquet(sources: Sources) -> bytes:
    """Return all measurements of all stored results as Parquet: the same results give the same bytes.

    A row for each value of each seed; a measurement without values by seed has one row, with its status. Results of
    protocols that are no longer known are left out. Sorted by protocol, submission, result, condition and metric.
    """
    import pyarrow as pa  # noqa: PLC0415 - slow to import, and only this file needs it

    ordered = sorted(sources.all_protocols, key=lambda protocol: protocol.id)
    parts = [pa.ipc.open_stream(board_measurements(sources, item)).read_all() for item in ordered]
    whole = pa.concat_tables(parts).unify_dictionaries() if parts else _table([])
    return _written(whole)


@remembered
def board_measurements(sources: Sources, protocol: AnyProtocol) -> bytes:
    """Return the measurements of all results of one protocol, as an Arrow stream."""
    import pyarrow as pa  # noqa: PLC0415

    table, sink = _table(list(_rows(sources, protocol))), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _written(table: "pa.Table") -> bytes:
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    sink = pa.BufferOutputStream()
    parquet.write_table(
        table,
        sink,
        compression="zstd",
        version="2.6",
        data_page_version="1.0",
        store_schema=True,
    )
    content: bytes = sink.getvalue().to_pybytes()
    return content


def seeds_of_values(result: Result, measurement: Measurement) -> tuple[int, ...]:
    """Return the seed of each value of a measurement, in their order; as `frame.per_seed` pairs them."""
    count = len(measurement.per_seed or ())
    if measurement.metric in OFFICIAL_METRICS:
        cells = [cell for cell in result.training_cells if cell.condition == measurement.condition]
        return tuple(cell.seed for cell in cells if cell.official is not None)[:count]
    return seeds_of(result, measurement.condition)[:count]


def _table(rows: list[tuple[Any, ...]]) -> "pa.Table":
    import pyarrow as pa  # noqa: PLC0415

    columns = list(zip(*rows, strict=True)) if rows else [()] * len(COLUMNS)
    arrays = [
        _texts(column) if name in TEXTS else _plain(name, column) for name, column in zip(COLUMNS, columns, strict=True)
    ]
    return pa.Table.from_arrays(arrays, names=list(COLUMNS))


def _texts(column: Sequence[str]) -> "pa.Array":
    """Return texts as an array with a dictionary, in the order in which they come first."""
    import pyarrow as pa  # noqa: PLC0415

    known = {text: index for index, text in enumerate(dict.fromkeys(column))}
    encoded = [text.encode() for text in known]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    words = pa.Array.from_buffers(pa.string(), len(known), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))])
    places = pa.py_buffer(np.array([known[text] for text in column], dtype=np.int32))
    return pa.DictionaryArray.from_buffers(pa.dictionary(pa.int32(), pa.string()), len(column), [None, places], words)


def _plain(name: str, column: Sequence[Any]) -> "pa.Array":
    """Return numbers or truths as an array; None is missing."""
    import pyarrow as pa  # noqa: PLC0415

    if name in TRUTHS:
        return pa.Array.from_buffers(pa.bool_(), len(column), [None, pa.py_buffer(_bits(column))])
    kind, dtype = (pa.int32(), np.int32) if name == "seed" else (pa.float64(), np.float64)
    missing = [item is None for item in column]
    present = pa.py_buffer(_bits([item is not None for item in column])) if any(missing) else None
    content = np.array([0 if item is None else item for item in column], dtype=dtype)
    return pa.Array.from_buffers(kind, len(column), [present, pa.py_buffer(content)])


def _bits(truths: Sequence[bool]) -> NDArray[np.uint8]:
    return np.packbits(np.array(truths, dtype=np.bool_), bitorder="little")


def _rows(sources: Sources, protocol: AnyProtocol) -> Iterator[tuple[Any, ...]]:
    found = []
    for entry in sources.naming(protocol):
        for stored in entry.results_of(protocol):
            place = (entry.filed.track, protocol.id, entry.slug, entry.name, entry.role)
            found.append(((*place, stored.head.tier, stored.head.name, stored is entry.shown(protocol)), stored))
    for head, stored in sorted(found, key=lambda pair: pair[0][1:7]):
        result = stored.result
        yield from (line for item in _ordered(result) for line in _lines(head, result, item))


def _ordered(result: Result) -> Iterable[Measurement]:
    return sorted(result.outcome.measurements, key=lambda item: (item.condition, item.metric))


def _lines(head: tuple[Any, ...], result: Result, item: Measurement) -> Iterator[tuple[Any, ...]]:
    primary = any(asked.primary for asked in result.subject.conditions if asked.label == item.condition)
    body = (*head, item.condition, primary, item.metric, item.status, item.reason or "")
    for seed, value in zip(seeds_of_values(result, item), item.per_seed or (), strict=True):
        yield (*body, seed, value)
    if item.per_seed is None or item.pooled is not None:
        yield (*body, None, item.pooled)
