"""`bench compare` on the stored results: exit codes, and what it says of mistakes."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli import main

ROOT = Path(__file__).resolve().parent.parent.parent

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["compare", "--root", str(ROOT), *arguments])
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return call


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("tap-mini",), "1 submissions: 2 to 6 can be compared"),
        (("tap-mini",) * 7, "7 submissions: 2 to 6 can be compared"),
        (("tap-mini", "em-mimi"), "nearly so named: em-mini"),
        (("tap-mini", "lsp-d"), "lsp-digits"),
        (("tap-mini", "gd"), "tap-mini: ue-cifar10-mini-v1\n  gd: unlearning-cifar10-mini-v1, unlearning-digits-v1"),
        (("tap-mini", "lsp", "--protocol", "ue-digits-v1"), "not all have a result of ue-digits-v1"),
        (("tap-mini", "lsp", "--protocol", "nonsense"), "unknown protocol 'nonsense'"),
        (("tap-mini", "lsp", "--metric", "test_acuracy"), "nearly so named: test_accuracy"),
        (("tap-mini", "../../etc"), "is no submission"),
    ],
)
def test_mistakes_end_in_a_sentence_and_exit_code_2(run: Run, arguments: tuple[str, ...], words: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert "Traceback" not in err


def test_a_folder_elsewhere_is_compared_like_a_submission(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "tap-mini"
    shutil.copytree(ROOT / "submissions/tap-mini", folder)
    code, out, _ = run("tap-mini", str(folder), "--format", "json", "--metric", "ud")
    record = json.loads(out)["comparisons"][0]
    assert code == 0
    assert [item["label"] for item in record["entries"]] == ["tap-mini", str(folder)]
    assert record["entries"][1]["rank"] == ""
    assert {line["metric"] for line in record["lines"]} == {"test_accuracy", "ud"}
    assert {found["verdict"] for line in record["lines"] for found in line["differences"]} == {"same document"}


def test_a_regression_fails_on_request_only(run: Run) -> None:
    worse = ("lsp-digits", "hypo-digits", "--metric", "test_accuracy")
    code, out, err = run(*worse)
    assert code == 0
    assert "worse" in out
    assert "hypo-digits is significantly worse than lsp-digits" in err
    assert run(*worse, "--fail-on-regression")[0] == 1
    assert run("hypo-digits", "lsp-digits", "--metric", "test_accuracy", "--fail-on-regression")[0] == 0


def test_the_command_never_imports_torch() -> None:
    script = (
        "import sys; from bench.cli import main\n"
        "try: main(['compare', 'tap-mini', 'em-mini'])\n"
        "except SystemExit as stop: print(stop.code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 False"
