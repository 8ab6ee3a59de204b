import hashlib
import re

from factories import make_result, make_run
from hypothesis import given
from hypothesis import strategies as st
from leaderboard.conftest import Built
from leaderboard.shelved import in_memory
from protocol_factory import make_protocol, make_wide_protocol
from unlearning_factory import make_unlearning_protocol

from bench.leaderboard.citation import Evidence, board_digest, cite_board, evidence_of
from bench.leaderboard.columns import ue_columns, unlearning_columns
from bench.metrics.catalog import METRICS

ids = st.lists(st.integers(0, 10**6).map(lambda number: f"sha256:{number:064x}"), unique=True, max_size=5)


def test_the_digest_of_a_board_is_that_of_its_sorted_ids() -> None:
    expected = hashlib.sha256(b'["a","b"]').hexdigest()
    assert board_digest(["b", "a"]) == f"sha256:{expected}"


@given(ids)
def test_the_digest_of_a_board_depends_on_nothing_but_its_results(names: list[str]) -> None:
    assert board_digest(names) == board_digest(list(reversed(names)))
    assert board_digest([*names, "sha256:more"]) != board_digest(names)


def test_evidence_names_the_raw_result_and_the_day_of_its_last_run() -> None:
    result = make_result()
    runs = (make_run(ended="2026-02-03T23:59:00Z"), make_run(ended="2026-01-31T10:05:00Z"))
    found = evidence_of("fog", in_memory(result, *runs), "@misc{fog}")
    assert found == Evidence(
        raw=f"submissions/fog/ue-tiny-v1-{result.name}.json",
        id=result.id,
        day="2026-02-03",
        kind="class-wise",
        bibtex="@misc{fog}",
    )
    assert evidence_of("fog", None, "") == Evidence()


def test_rows_without_a_result_do_not_count_in_a_citation() -> None:
    shown = [Evidence(id="sha256:b", day="2026-01-02"), Evidence(), Evidence(id="sha256:a", day="2026-01-01")]
    found = cite_board(shown)
    assert (found.digest, found.newest, found.results) == (board_digest(["sha256:a", "sha256:b"]), "2026-01-02", 2)
    assert cite_board([]).newest == ""


def test_columns_name_metrics_and_conditions_that_exist() -> None:
    boards = [
        (make_wide_protocol(), ue_columns(make_wide_protocol(), "Clean", defended=True, searched=True)),
        (make_protocol(), ue_columns(make_protocol(), "Clean", defended=False, searched=False)),
        (make_unlearning_protocol(), unlearning_columns(make_unlearning_protocol(), "gaussian")),
        (make_unlearning_protocol(), unlearning_columns(make_unlearning_protocol(), None)),
    ]
    for protocol, columns in boards:
        labels = {item.label for item in getattr(protocol, "probes", None) or protocol.conditions}
        keys = [column.key for column in columns]
        assert keys[:2] == ["rank", "name"]
        assert len(set(keys)) == len(keys)
        for column in columns:
            assert not column.metric or column.metric in METRICS
            assert set(column.conditions.split()) <= labels
            assert bool(column.metric) == bool(column.conditions)


def test_every_row_of_a_board_has_a_cell_for_every_column(built: Built) -> None:
    table = built.text("ue/ue-tiny-v1/index.html").split('id="board"')[1].split("</table>")[0]
    columns = table.count("data-key=")
    rows = re.findall(r"<tr data-filter.*?</tr>", table, re.DOTALL)
    assert len(rows) == 6
    assert all(len(re.findall(r"<t[dh][ >]", row)) == columns for row in rows)
