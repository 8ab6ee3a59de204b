"""What `bench import` makes of files that are no release: exit code and why; nothing is run or written."""

import pytest
from corpus import MARKER
from import_cases import IMPORTS


@pytest.mark.parametrize("case", IMPORTS, ids=[case.name.replace(" ", "-") for case in IMPORTS])
def test_a_hostile_release_is_refused_with_a_reason(case, bench, tmp_path):
    case.build(tmp_path)
    kind = case.command[1]
    before = sorted(tmp_path.iterdir())
    ran = bench(*case.command, f"file.{kind}", "--slug", "fog", "--trust-pickle", "--protocol", "ue-digits-v1")
    assert ran.code == case.exit_code, ran.text
    assert case.word in ran.err, ran.text
    assert "file" in ran.err
    assert sorted(tmp_path.iterdir()) == before
    assert not (tmp_path / MARKER).exists()
