"""The Parquet file of every measurement, against the results it is made of."""

import io
from typing import Any

import pandas as pd
import pytest
from leaderboard.both import read_both
from pyarrow import parquet as pq

from bench.leaderboard.exports.parquet import COLUMNS, measurements_parquet, seeds_of_values
from bench.leaderboard.frame import per_seed
from bench.leaderboard.sources import Sources


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    return read_both(tmp_path_factory.mktemp("both"))


def frame_of(content: bytes) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(content))


def test_parquet_has_every_value_of_every_seed_of_every_result(sources: Sources) -> None:
    frame = frame_of(measurements_parquet(sources))
    assert list(frame.columns) == list(COLUMNS)
    expected: dict[tuple[str, str, str, str], list[float]] = {}
    for entry in sources.submissions:
        for stored in entry.results:
            for item in stored.result.outcome.measurements:
                if item.per_seed is not None:
                    key = (entry.slug, stored.result.name, item.condition, item.metric)
                    expected[key] = list(item.per_seed)
    with_seed = frame[frame["seed"].notna()]
    keys = ["slug", "result", "condition", "metric"]
    found: dict[Any, list[float]] = {
        key: list(rows["value"]) for key, rows in with_seed.groupby(keys, observed=True, sort=False)
    }
    assert found == expected
    mist = frame[(frame["slug"] == "mist") & (frame["metric"] == "test_accuracy") & frame["primary"]]
    assert mist.groupby(["tier", "shown"], observed=True)["value"].count().to_dict() == {
        ("full", True): 3,
        ("quick", False): 1,
    }


def test_parquet_states_why_a_value_is_missing(sources: Sources) -> None:
    frame = frame_of(measurements_parquet(sources))
    missing = frame[frame["value"].isna()]
    assert set(missing["status"])
    assert "ok" not in set(missing["status"])
    assert (missing["reason"] != "").all()


def test_seeds_of_values_are_those_of_the_frame(sources: Sources, wide: Any) -> None:
    for entry in (*sources.submissions, *wide.sources.entries[:4]):
        for stored in entry.results:
            for item in stored.result.outcome.measurements:
                pairs = dict(zip(seeds_of_values(stored.result, item), item.per_seed or (), strict=True))
                assert pairs == per_seed(stored.result, item.metric, item.condition)


def test_parquet_gives_the_same_bytes_in_any_order_of_submissions(sources: Sources) -> None:
    shuffled = Sources(
        protocols=dict(reversed(list(sources.protocols.items()))),
        entries=tuple(reversed(sources.entries)),
        unlearning_protocols=sources.unlearning_protocols,
        unlearning_entries=tuple(reversed(sources.unlearning_entries)),
    )
    content = measurements_parquet(sources)
    assert content == measurements_parquet(shuffled)
    metadata = pq.ParquetFile(io.BytesIO(content)).metadata
    assert metadata.num_rows == len(frame_of(content))
    assert b"pandas" not in (metadata.metadata or {})


def test_parquet_of_nothing_still_has_its_columns() -> None:
    assert list(frame_of(measurements_parquet(Sources({}, ()))).columns) == list(COLUMNS)
