"""A review says what changed and what it means, whatever is wrong with it, for a folder and for a commit of git."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from bench.artifacts import write_perturbation
from bench.attempts import annotate
from bench.base import find_commit, open_base
from bench.cli import main
from bench.errors import UsageProblem
from bench.review import make_review
from bench.review_text import Changed, Review, review_markdown

REPOSITORY = Path(__file__).resolve().parent.parent / "submissions"
SLUGS = ("clean", "lsp-digits", "ops-digits", "random-digits")


def copy(slug: str, root: Path, name: str | None = None) -> Path:
    """A shipped submission with its result of ue-digits-v1 alone, and the ledger as it was before later protocols."""
    target = root / "submissions" / (name or slug)
    shutil.copytree(REPOSITORY / slug, target, ignore=shutil.ignore_patterns("ue-cifar10-mini-v1", "ue-digits-v2"))
    ledger = target / "ledger.jsonl"
    lines = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(b"".join(line for line in lines if b'"ue-digits-v2"' not in line))
    return target


def rename(folder: Path, old: str) -> None:
    manifest = folder / "submission.toml"
    manifest.write_text(manifest.read_text().replace(f'slug = "{old}"', f'slug = "{folder.name}"'))


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("base")
    for slug in SLUGS:
        copy(slug, root)
    # The cut copy of clean training lacks a result, which a maintainer would have to explain.
    annotate(
        root / "submissions" / "clean" / "results" / "ue-cifar10-mini-v1" / "aafc44edfa979953.json",
        reason="Left out of this copy.",
        by="Tests",
    )
    return root


@pytest.fixture(scope="module")
def reviewed(base, tmp_path_factory) -> Review:
    """A new copycat with a number that it claims, a withdrawn result, and a removed one."""
    root = tmp_path_factory.mktemp("root")
    shutil.copytree(base / "submissions", root / "submissions")
    folder = copy("lsp-digits", root, "copycat")
    rename(folder, "lsp-digits")
    (folder / "ledger.jsonl").unlink()
    with (folder / "submission.toml").open("a") as file:
        file.write('\n[[reported]]\nmetric = "test_accuracy"\ncondition = "resnet-narrow/none"\n')
        file.write('value = 0.1\nsource = "@everyone, Table 1"\n')
    result = next((root / "submissions" / "lsp-digits" / "results").glob("*/*.json"))
    annotate(result, reason="Wrong <b>images</b>.", by="A. Maintainer", action="withdraw")
    shutil.rmtree(root / "submissions" / "ops-digits" / "results")
    (root / "submissions" / "empty").mkdir()
    (root / "submissions" / "empty" / "model.pt").write_bytes(b"x")
    return make_review(root, base, name="main")


def lines(review: Review, slug: str) -> dict[str, tuple[str, ...]]:
    (found,) = [item for item in review.changed if item.slug == slug]
    return {section.title: section.lines for section in found.sections}


def changed(review: Review, slug: str) -> Changed:
    return next(item for item in review.changed if item.slug == slug)


def test_only_what_changed_is_reviewed(reviewed):
    found = {item.slug: item.state for item in reviewed.changed}
    assert found == {"copycat": "new", "empty": "new", "lsp-digits": "changed", "ops-digits": "changed"}
    assert reviewed.elsewhere == ()


def test_a_copy_is_named_by_digest_and_by_likeness(reviewed):
    alike = lines(reviewed, "copycat")["Alike to stored artifacts"]
    assert "delta.safetensors has the digest of an artifact of lsp-digits" in alike
    assert any("lsp-digits/delta.safetensors: cosine 1.000, alike from 0.7: ask" in line for line in alike)


def test_a_claim_stands_beside_what_was_measured(reviewed):
    (line,) = lines(reviewed, "copycat")["Reported and measured"]
    measured = float(line.split("measured ")[1].split()[0])
    assert "ue-digits-v1: reported 0.1, measured" in line
    assert f"({measured - 0.1:+.4g}" in line


def test_the_place_on_the_board_and_its_ties_are_said(reviewed):
    (line,) = lines(reviewed, "copycat")["Where it stands"]
    # The withdrawn one is not ranked and OPS has no result any more.
    assert line == "ue-digits-v1: rank 1 of 1, ties with nobody"
    assert any("the control shows no effect" in line for line in lines(reviewed, "copycat")["Controls"])


def test_a_result_without_a_ledger_is_a_problem(reviewed):
    assert any("is not in ledger.jsonl" in line for line in lines(reviewed, "copycat")["Problems"])
    assert changed(reviewed, "copycat").problems == 1


def test_a_withdrawal_is_news_and_no_problem(reviewed):
    name = next((REPOSITORY / "lsp-digits" / "results" / "ue-digits-v1").glob("*.json")).stem
    assert lines(reviewed, "lsp-digits")["New"] == (f"withdraw on {name} by A. Maintainer: Wrong <b>images</b>.",)
    assert changed(reviewed, "lsp-digits").problems == 0


def test_a_removed_result_is_a_problem(reviewed):
    assert any("is gone" in line for line in lines(reviewed, "ops-digits")["New"])
    assert any("was removed; `bench annotate` it" in line for line in lines(reviewed, "ops-digits")["Problems"])


def test_a_folder_without_a_manifest_is_a_problem(reviewed):
    assert any("there is no submission.toml" in line for line in lines(reviewed, "empty")["Problems"])


def test_the_comment_of_it_is_inert(reviewed):
    body = review_markdown(reviewed)
    assert "<b>" not in body
    assert "@e" not in body
    assert "4 submissions changed" in body


def git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Tests", "-c", "user.email=tests@example.org", "-c", "commit.gpgsign=false")
    program = shutil.which("git")
    assert program is not None
    subprocess.run([program, "-C", str(root), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path) -> Path:
    copy("lsp-digits", tmp_path)
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "Base")
    return tmp_path


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    return int(stop.value.code or 0)


def test_a_commit_is_a_base_and_no_folder_can_stand_in_for_it(repository, monkeypatch):
    manifest = repository / "submissions" / "lsp-digits" / "submission.toml"
    before = manifest.read_bytes()
    manifest.write_bytes(before.replace(b"patches", b"PATCHES"))
    monkeypatch.chdir(repository)
    shutil.copytree(repository / "submissions", repository / "HEAD" / "submissions")
    with open_base(repository, "HEAD") as base:
        assert (base / "submissions" / "lsp-digits" / "submission.toml").read_bytes() == before
    assert not base.exists()
    assert find_commit(repository, "--all") is None
    assert find_commit(repository, "no-such-branch") is None
    with pytest.raises(UsageProblem, match="neither a commit"), open_base(repository, "no-such-branch"):
        pass


def test_commands_compare_with_a_commit(repository, capsys, monkeypatch):
    monkeypatch.chdir(repository)
    new = copy("ops-digits", repository, "mine")
    rename(new, "ops-digits")
    shutil.rmtree(new / "results")
    (new / "ledger.jsonl").unlink()
    assert run("validate", "--changed-since", "main", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["problems"] == []
    write_perturbation(new / "delta.safetensors", np.full((1437, 1, 8, 8), 40, np.int8))
    assert run("validate", "--changed-since", "main", "--format", "github") == 3
    assert "::error file=submissions/mine/submission.toml" in capsys.readouterr().out
    assert run("review", "--base", "main", "--format", "json") == 1
    found = json.loads(capsys.readouterr().out)
    assert [item["slug"] for item in found["changed"]] == ["mine"]
    assert run("review", "--before", str(repository), "--out", "out/comment.md") == 1
    assert "Elsewhere" in (repository / "out" / "comment.md").read_text()
    assert run("review") == 2
    assert run("validate") == 2


def test_a_removed_ledger_line_is_told_against_the_commit(repository, capsys, monkeypatch):
    monkeypatch.chdir(repository)
    result = next((repository / "submissions" / "lsp-digits" / "results").glob("*/*.json"))
    assert run("annotate", str(result), "--reason", "Said.", "--by", "A") == 0
    git(repository, "commit", "-qam", "Annotate")
    path = repository / "submissions" / "lsp-digits" / "ledger.jsonl"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    run("verify", "--against", "HEAD", "--root", str(repository))
    assert f"{path}: /1: was changed or removed; lines are appended only" in capsys.readouterr().out
    run("verify", "--against", "HEAD~1", "--root", str(repository))
    assert "appended only" not in capsys.readouterr().out


def test_who_takes_the_role_of_a_reference_or_a_control_is_told_apart_from_who_had_it(base, tmp_path):
    shutil.copytree(base / "submissions", tmp_path / "submissions")
    folder = tmp_path / "submissions" / "lsp-digits" / "submission.toml"
    folder.write_text(folder.read_text().replace('family = "synthetic-shortcut"', 'family = "reference"'))
    other = tmp_path / "submissions" / "clean" / "submission.toml"
    other.write_text(other.read_text() + "\n")
    review = make_review(tmp_path, base, name="main")
    assert "calls itself a reference: all others would be read" in lines(review, "lsp-digits")["Warnings"][0]
    assert not any("calls itself" in line for line in lines(review, "clean").get("Warnings", ()))
