"""The command line: exit codes, streams, help, and messages without tracebacks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from factories import make_result, make_run
from measured import write_clean, write_noise, write_protocol

from bench.cli import app, main
from bench.store import write_result

README = Path(__file__).resolve().parent.parent / "README.md"
COMMANDS = sorted(command.name or command.callback.__name__ for command in app.registered_commands)


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    write_protocol(tmp_path / "protocols")
    monkeypatch.setenv("BENCH_PROTOCOLS", str(tmp_path / "protocols"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "submissions").mkdir()
    return tmp_path


@pytest.fixture
def run(capsys):
    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(list(arguments))
        out, err = capsys.readouterr()
        return stop.value.code or 0, out, err

    return call


def test_the_commands_are_the_documented_ones():
    assert COMMANDS == [
        "annotate",
        "challenge",
        "compare",
        "craft",
        "doctor",
        "evaluate",
        "explain",
        "import",
        "ledger",
        "list",
        "new",
        "render",
        "review",
        "serve",
        "study",
        "unlearn",
        "validate",
        "verify",
    ]
    assert [name for name in COMMANDS if f"bench {name}" not in README.read_text()] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_has_a_line_of_help(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert len(out.splitlines()) > 5
    registered = next(c for c in app.registered_commands if (c.name or c.callback.__name__) == command)
    assert registered.callback.__doc__.strip().splitlines()[0].rstrip().endswith(".")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--version",), 0, "bench 0."),
        (("list", "models"), 0, "resnet18"),
        (("list", "things"), 2, "known: attacks, datasets"),
        (("list", "probes"), 0, ""),
        (("explain", "ud"), 0, "#LP(perturbed) / #LP(clean)"),
        (("explain", "ue-small-v1"), 0, "60 training images"),
        (("explain", "ue-small-v1"), 0, "Identity: training and test images pinned by digest\n"),
        (("explain", "ue-cifar100-v1"), 0, "Identity: test images pinned by digest; what is not pinned is measured"),
        (("explain", "ue-cifar10-v1"), 0, "Training of vit: 100 epochs, batch 256, adam"),
        (("list", "datasets"), 0, "imagenet100"),
        (("explain", "lsp"), 0, "linearly separable"),
        (("explain", "ueraser-max"), 0, "worst of five augmented copies"),
        (("explain", "nonsense"), 2, "unknown name 'nonsense'"),
        (("evaluate", "submissions/none"), 2, "unknown submission folder"),
        (("evaluate",), 2, "evaluate --help"),
        (("craft", "nonsense", "--protocol", "ue-small-v1"), 2, "unknown attack 'nonsense'; known: "),
        (("craft", "lsp", "--protocol", "nonsense"), 2, "unknown protocol 'nonsense'"),
        (("unlearn", "nonsense", "--protocol", "unlearning-digits-v1"), 2, "unknown unlearner 'nonsense'"),
        (("unlearn", "gd", "--protocol", "ue-digits-v1"), 2, "unknown protocol"),
        (("challenge", "nonsense"), 2, "unknown protocol 'nonsense'"),
        (("verify", "nowhere"), 2, "no such file or folder"),
        (("nonsense",), 2, "nonsense"),
    ],
)
def test_exit_codes_and_messages(root, run, arguments, code, words):
    found, out, err = run(*arguments)
    assert found == code
    assert words in out + err
    assert "Traceback" not in err


def test_a_new_submission_lists_what_is_to_be_filled_in(root, run):
    assert run("new", "ue", "my-method")[0] == 0
    code, out, _ = run("validate", "submissions/my-method", "--format", "json")
    assert code == 3
    assert all(problem["line"] for problem in json.loads(out)["problems"])
    assert run("new", "ue", "my-method")[0] == 2


def test_crafting_writes_a_valid_submission_and_makes_its_artifact_again(root, run):
    assert run("craft", "lsp", "--protocol", "ue-small-v1", "--slug", "my-lsp")[0] == 0
    assert run("validate", "submissions/my-lsp") == (0, "no problems\n", "")
    artifact = root / "submissions" / "my-lsp" / "delta.safetensors"
    content = artifact.read_bytes()
    artifact.unlink()
    assert "made again" in run("craft", "lsp", "--protocol", "ue-small-v1", "--slug", "my-lsp")[1]
    assert artifact.read_bytes() == content


def test_crafting_another_seed_over_an_existing_submission_is_refused_and_changes_nothing(root, run):
    run("craft", "random", "--protocol", "ue-small-v1", "--slug", "my-noise")
    artifact = root / "submissions" / "my-noise" / "delta.safetensors"
    content = artifact.read_bytes()
    code, _, err = run("craft", "random", "--protocol", "ue-small-v1", "--slug", "my-noise", "--seed", "1")
    assert code == 3
    assert "does not give the artifact that the manifest pins" in err
    assert artifact.read_bytes() == content


def test_a_dry_run_plans_and_measures_nothing(root, run):
    write_clean(root)
    write_noise(root)
    code, out, _ = run("evaluate", "submissions/noise", "--dry-run")
    assert code == 0
    assert out.splitlines()[-1] == "4 cells to measure, 2 of them references to compare with"
    assert not (root / ".bench").exists()
    plan = json.loads(run("evaluate", "submissions/noise", "--dry-run", "--json")[1])
    assert [cell["state"] for cell in plan["cells"]] == ["to measure", "to measure"]


def test_an_invalid_submission_is_not_evaluated_and_every_problem_is_listed(root, run):
    folder = write_noise(root)
    manifest = folder / "submission.toml"
    manifest.write_text(manifest.read_text().replace('slug = "noise"', 'slug = "fog"').replace("linf", "l7"))
    code, _, err = run("evaluate", "submissions/noise")
    assert code == 3
    assert "slug" in err
    assert "l7" in err


def test_a_pickled_artifact_is_refused_and_runs_nothing(root, run):
    folder = write_noise(root)
    marker = root / "marker"
    payload = f"cbuiltins\nopen\n(S'{marker}'\nS'w'\ntR.".encode()
    (folder / "delta.safetensors").write_bytes(payload)
    code, out, _ = run("validate", "submissions/noise")
    assert code == 4
    assert "pickle" in out
    assert run("evaluate", "submissions/noise")[0] == 4
    assert not marker.exists()


def test_a_protocol_the_submission_is_not_made_for_is_a_usage_problem(root, run):
    write_clean(root)
    code, _, err = run("evaluate", "submissions/clean", "--protocol", "ue-digits-v1")
    assert code == 2
    assert "not made for ue-digits-v1" in err


def test_missing_data_ends_with_5_and_says_where_it_was_looked_for(root, run, monkeypatch):
    monkeypatch.setenv("HOME", str(root / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(root / "cache"))
    monkeypatch.delenv("BENCH_DATA", raising=False)
    code, _, err = run("craft", "lsp", "--protocol", "ue-cifar10-mini-v1")
    assert code == 5
    assert "looked in" in err
    assert "BENCH_DATA" in err


def test_verify_names_file_and_pointer_of_a_change(root, run):
    result = make_result()
    path = write_result(result, make_run(id=result.id), root / "submissions" / "fog")
    path.write_bytes(path.read_bytes().replace(b'"seed":0', b'"seed":5', 1))
    code, out, _ = run("verify", "submissions/fog")
    assert code == 1
    assert f"{path.relative_to(root)}: /outcome/cells/0/seed: was changed" in out
    assert json.loads(run("verify", "--json")[1])["results"] == 1


def test_a_full_disk_is_said_in_one_line(root, run, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bench.crafting.write_and_sweep", full)
    code, _, err = run("craft", "random", "--protocol", "ue-small-v1")
    assert code == 5
    assert "No space left on device" in err


def test_help_needs_neither_torch_nor_pandas():
    code = "import sys, bench.cli; print([m for m in ('torch', 'pandas', 'altair', 'sklearn') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
