"""`bench import`: exit codes, streams, and a submission that validates once it is filled in."""

import json

import numpy as np
import pytest
from measured import PROTOCOL_ID
from release_factory import make_delta, write_npy, write_pickle

from bench.cli import main
from bench.importing import FORMATS
from bench.problems import exit_code
from bench.validation import validate_folder

ANSWERS = {
    "FILL-IN: one of": '"error-minimizing"',
    "FILL-IN: one plain": '"A change."',
    "FILL-IN: true": "true",
    "FILL-IN: the license": '"MIT"',
}


@pytest.fixture
def run(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    monkeypatch.setenv("NO_COLOR", "1")

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["import", *arguments, "--protocol", PROTOCOL_ID])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return stop.value.code or 0, out, err

    return call


def test_an_import_reports_and_validates_once_it_is_filled_in(root, run):
    write_npy(root / "own.npy", make_delta())
    code, out, err = run("npy", "own.npy", "--slug", "my-fog", "--name", 'F"og', "--author", "Zoë", "--json")
    report = json.loads(out)
    assert (code, report["schema"], report["norm"]) == (0, "bench.import/1", "linf")
    assert "replace every FILL-IN" in err
    path = root / "submissions" / "my-fog" / "submission.toml"
    text = path.read_text()
    for start, answer in ANSWERS.items():
        while start in text:
            at = text.index(f'"{start}')
            text = text[:at] + answer + text[text.index('"', at + 1) + 1 :]
    path.write_text(text)
    assert exit_code(validate_folder(path.parent)) == 0
    assert 'name = "F\\"og"' in text


def test_text_names_what_was_measured(root, run):
    write_npy(root / "own.npy", make_delta())
    code, out, _ = run("npy", "own.npy", "--slug", "my-fog")
    assert code == 0
    assert "as in the training set; 60 of 1437 rows used" in out
    assert "largest 30" in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("npy", "absent.npy", "--slug", "my-fog"), 2, "no such file"),
        (("npy", "own.npy", "--slug", "Bad Slug"), 2, "cannot be a slug"),
        (("npy", "own.npy", "--slug", "my-fog", "--paper", "http://x"), 2, "--paper"),
        (("npy", "own.npy", "--slug", "my-fog", "--norm", "l2"), 2, "norms it allows: linf, l0"),
        (("npz", "own.npy", "--slug", "my-fog", "--labels", "own.npy"), 2, "takes no --labels"),
        (("npy", ".", "--slug", "my-fog"), 2, "is a folder"),
        (("npy", "large.npy", "--slug", "my-fog"), 3, "nothing was written"),
        (("pkl", "rem.pkl", "--slug", "my-fog"), 4, "--trust-pickle"),
    ],
)
def test_exit_codes_and_messages(root, run, arguments, code, words):
    write_npy(root / "own.npy", make_delta())
    write_npy(root / "large.npy", np.full((60, 1, 8, 8), -100, np.int8))
    write_pickle(root / "rem.pkl", make_delta())
    found, _, err = run(*arguments)
    assert (found, words in err) == (code, True), err
    assert not (root / "submissions" / "my-fog").exists()


def test_help_lists_the_formats(run):
    assert all(name in run("--help")[1] for name in FORMATS)
