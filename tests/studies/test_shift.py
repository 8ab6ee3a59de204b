import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli import app, main
from bench.leaderboard.study_charts import study_specs
from bench.records import canonical_bytes
from bench.registry import resolve
from bench.studies import STUDIES
from bench.studies.record import ShiftStudy
from bench.studies.shift import PROTOCOLS
from bench.studies.study import Study

PUBLISHED = Path(__file__).resolve().parent.parent.parent / "docs" / "studies"


def test_the_table_resolves_to_studies_of_that_name() -> None:
    for name in STUDIES:
        study = resolve("study", name, STUDIES)
        assert isinstance(study, Study)
        assert study.name == name
        assert set(study.datasets) <= set(PROTOCOLS)


def test_absent_data_ends_with_code_5_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(SystemExit) as ended:
        main(["study", "shift", "--out", str(tmp_path / "out")])
    assert ended.value.code == 5
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "cifar10: not found" in printed.err
    assert "epoch" not in printed.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [["fog"], ["shift", "--dataset", "imagenet"]])
def test_unknown_names_end_with_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["study", *arguments])
    assert ended.value.code == 2
    assert "known:" in capsys.readouterr().err


def test_help_names_the_studies() -> None:
    shown = CliRunner().invoke(app, ["study", "--help"])
    assert shown.exit_code == 0
    assert "shift" in shown.output


def test_the_published_study_is_canonical_and_its_page_shows_files_that_exist() -> None:
    content = (PUBLISHED / "shift.json").read_bytes()
    record = ShiftStudy.model_validate_json(content)
    assert canonical_bytes(record.model_dump(mode="json", by_alias=True)) == content
    links = set(re.findall(r"\]\((shift[^)]*)\)", (PUBLISHED / "shift.md").read_text(encoding="utf-8")))
    assert links == {"shift.json", *(f"{name}.svg" for name in study_specs(record))}
    assert all((PUBLISHED / link).is_file() for link in links)
