"""The record cannot be edited unnoticed: documents, runs, ledgers, manifests, artifacts, and what lies where."""

import json
import shutil
from pathlib import Path
from random import Random

import pytest
import rfc8785
from test_store import edit, other_value

from bench.attempts import annotate, enter_stored
from bench.errors import UsageProblem
from bench.integrity import base_problems, changed_submissions, folder_problems, withdrawn_results
from bench.ledger import LEDGER_NAME, parse_ledger
from bench.results import leaves
from bench.store import check_result, check_runs, runs_path
from bench.verification import verify

REPOSITORY = Path(__file__).resolve().parent.parent / "submissions"
SLUGS = ("lsp-digits", "cfk", "random-digits")


@pytest.fixture
def root(tmp_path) -> Path:
    for slug in SLUGS:
        shutil.copytree(REPOSITORY / slug, tmp_path / "submissions" / slug)
    return tmp_path


def stored(root: Path, slug: str = "lsp-digits") -> Path:
    return sorted((root / "submissions" / slug / "results").glob("*/*.json"))[0]


def problems(path: Path) -> list[str]:
    """What verifying says of a result, of its runs and of its submission; without what follows from references."""
    return [*check_result(path), *check_runs(path), *folder_problems(path.parents[2])]


@pytest.mark.parametrize("slug", SLUGS)
def test_the_stored_results_are_sound_as_they_are(root, slug):
    assert problems(stored(root, slug)) == []


@pytest.mark.parametrize("seed", range(6))
def test_any_edit_of_one_value_is_found_and_named(root, seed):
    """Fifty edits a seed: of a document, of its runs or of the ledger, each a real stored file."""
    random = Random(seed)
    result = stored(root, "cfk")
    files = [result, runs_path(result), result.parents[2] / LEDGER_NAME]
    parsed = {file: [json.loads(line) for line in file.read_bytes().splitlines()] for file in files}
    for _ in range(50):
        file = random.choice(files)
        lines, whole = parsed[file], file.read_bytes()
        index = random.randrange(len(lines))
        pointer, value = random.choice([item for item in leaves(lines[index]) if item[1] not in ([], {})])
        changed = edit(lines[index], pointer, lambda value: other_value(value, random))
        assert changed != lines[index]
        content = [rfc8785.dumps(line) + b"\n" for line in (*lines[:index], changed, *lines[index + 1 :])]
        file.write_bytes(b"".join(content))
        check = {result: check_result, runs_path(result): lambda _: check_runs(result)}.get(
            file, lambda path: folder_problems(path.parent)
        )
        found = check(file)
        place = pointer if file == result else f"/{index}"
        named = (f"{file}: {place}", f"{file}: not a runs file: {place}{pointer}")
        assert any(line.startswith(named) for line in found) or (
            file == result and pointer in ("/seal", "/id", "/key") and found
        ), (file.name, pointer, value, found[:3])
        file.write_bytes(whole)
    assert problems(result) == []


def test_the_command_exits_1_and_names_the_value(root, capsys):
    from bench.cli import main

    path = stored(root)
    path.write_bytes(path.read_bytes().replace(b'"tier":"full"', b'"tier":"quick"', 1))
    with pytest.raises(SystemExit) as stop:
        main(["verify", str(root / "submissions" / "lsp-digits"), "--root", str(root)])
    assert stop.value.code == 1
    assert f"{path}: /subject/tier: was changed" in capsys.readouterr().out


def test_a_changed_artifact_is_found(root):
    folder = root / "submissions" / "lsp-digits"
    path = folder / "delta.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert any("/artifact/0/sha256: is not that of delta.safetensors" in line for line in folder_problems(folder))
    path.write_bytes(content[:-1])
    assert any("/artifact/0/bytes: is not the size" in line for line in folder_problems(folder))


def test_a_changed_digest_of_the_manifest_is_found(root):
    folder = root / "submissions" / "lsp-digits"
    manifest = folder / "submission.toml"
    sha256 = parse_ledger(folder)[0].evaluations[0].artifacts[0]
    manifest.write_text(manifest.read_text().replace(sha256, f"{'0' * 8}{sha256[8:]}"))
    found = verify(root, [folder])[1]
    assert any("submission.toml: /artifact/0/sha256: is not that of" in line for line in found)
    assert any("/subject/artifacts: are not those that lsp-digits pins" in line for line in found)


def ledger_lines(root: Path, slug: str) -> tuple[Path, list[bytes]]:
    path = root / "submissions" / slug / LEDGER_NAME
    return path, path.read_bytes().splitlines(keepends=True)


def test_a_removed_line_of_the_ledger_is_found(root):
    path, lines = ledger_lines(root, "cfk")
    assert len(lines) >= 2
    path.write_bytes(b"".join(lines[1:]))
    assert f"{path}: /0/previous: is not the seal of the line before: a line was added, removed or moved" in (
        folder_problems(path.parent)
    )
    path.write_bytes(b"".join(lines[:-1]))
    assert any(f"a run of this result is not in {LEDGER_NAME}" in line for line in folder_problems(path.parent))
    path.unlink()
    assert sum(f"a run of this result is not in {LEDGER_NAME}" in line for line in folder_problems(path.parent)) == 2


def test_moved_and_repeated_lines_of_the_ledger_are_found(root):
    path, lines = ledger_lines(root, "cfk")
    for order in ([1, 0], [0, 0, 1], [0, 1, 1]):
        path.write_bytes(b"".join(lines[index] for index in order))
        assert any("/previous: is not the seal" in line for line in folder_problems(path.parent)), order


def test_a_ledger_of_another_submission_is_found(root):
    path, _ = ledger_lines(root, "cfk")
    shutil.copy(path, root / "submissions" / "lsp-digits" / LEDGER_NAME)
    assert any("/0/previous: is not the seal" in line for line in folder_problems(root / "submissions" / "lsp-digits"))


def test_a_result_in_another_folder_is_found(root):
    other = root / "submissions" / "random-digits"
    shutil.rmtree(other / "results")
    shutil.copytree(root / "submissions" / "lsp-digits" / "results", other / "results")
    found = verify(root, [other])[1]
    assert any("/subject/artifacts: are not those that random-digits pins" in line for line in found)
    assert any("is not stored; `bench annotate` says why it went" in line for line in found)
    assert any(f"a run of this result is not in {LEDGER_NAME}" in line for line in found)


@pytest.mark.parametrize("name", ["copy.json", "0123456789abcdef.json", "notes.txt", ".x.tmp"])
def test_a_copied_or_extra_file_is_found(root, name):
    path = stored(root)
    shutil.copy(path, path.with_name(name))
    found = [*verify(root, [path.parents[2]])[1]]
    assert any(str(path.with_name(name)) in line for line in found)


def test_a_link_is_found_and_not_followed(root):
    path = stored(root)
    path.rename(root / "elsewhere.json")
    path.symlink_to(root / "elsewhere.json")
    assert any("is no regular file" in line for line in folder_problems(path.parents[2]))


def test_a_removed_result_needs_a_word(root):
    path = stored(root)
    annotate(path, reason="The images were the wrong ones.", by="A. Maintainer")
    assert problems(path) == []
    path.unlink()
    runs_path(path).unlink()
    assert folder_problems(path.parents[2]) == []


def test_a_withdrawn_result_stays_and_is_told(root):
    path = stored(root)
    annotate(path, reason="The images were the wrong ones.", by="A. Maintainer", action="withdraw")
    assert problems(path) == []
    found = withdrawn_results(path.parents[2])
    assert [(item.path, item.by, item.reason) for item in found] == [
        (path, "A. Maintainer", "The images were the wrong ones.")
    ]
    with pytest.raises(UsageProblem, match="is withdrawn already"):
        annotate(path, reason="Again.", by="B", action="withdraw")
    annotate(path, reason="They were the right ones.", by="A. Maintainer", action="restore")
    assert withdrawn_results(path.parents[2]) == []
    with pytest.raises(UsageProblem, match="is not withdrawn"):
        annotate(path, reason="Again.", by="B", action="restore")


def test_an_annotation_is_plain_text_about_a_known_result(root):
    path = stored(root)
    for reason in ("", "two\nlines", "hidden \u202e text", "x" * 300):
        with pytest.raises(UsageProblem, match="cannot be written"):
            annotate(path, reason=reason, by="A")
    with pytest.raises(UsageProblem, match="knows no such result"):
        annotate(path.with_name("0123456789abcdef.json"), reason="x", by="A")
    for other in (
        root / "submissions" / "lsp-digits" / "submission.toml",
        path.parent / ".." / ".." / ".." / path.name,
    ):
        with pytest.raises(UsageProblem, match="no result file"):
            annotate(other, reason="x", by="A")
    assert not list(root.rglob("results/*/.bench"))


def test_annotating_touches_neither_document_nor_runs(root):
    path = stored(root)
    before = path.read_bytes(), runs_path(path).read_bytes()
    annotate(path, reason="Said.", by="A")
    assert (path.read_bytes(), runs_path(path).read_bytes()) == before


def test_importing_enters_each_run_once(root):
    shutil.copytree(REPOSITORY / "cuda-digits", root / "submissions" / "cuda-digits")
    path, lines = ledger_lines(root, "cuda-digits")
    older = [line for line in lines if json.loads(line)["origin"] == "imported"]  # stored before there was a ledger
    for folder in (path.parent / "results").iterdir():
        if folder.name not in {json.loads(line)["protocol"] for line in older}:
            shutil.rmtree(folder)
    path.unlink()
    assert [line.origin for line in enter_stored(path.parent)] == ["imported"] * len(older) != []
    assert path.read_bytes() == b"".join(older)
    assert enter_stored(path.parent) == ()


@pytest.fixture
def base(root, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    shutil.copytree(root / "submissions", folder / "submissions")
    return folder


def test_nothing_changed_is_nothing_to_say(root, base):
    assert base_problems(root, base) == []
    assert changed_submissions(root, base) == []


def test_what_was_stored_must_stay(root, base):
    path = stored(root)
    annotate(stored(root, "cfk"), reason="Said before.", by="A")
    shutil.rmtree(base)
    shutil.copytree(root / "submissions", base / "submissions")
    ledger, lines = ledger_lines(root, "cfk")
    ledger.write_bytes(b"".join(lines[:-1]))
    shutil.rmtree(root / "submissions" / "random-digits")
    path.unlink()
    runs_path(path).unlink()
    assert folder_problems(ledger.parent) == []  # A chain cut at its end looks whole: only the base tells.
    found = base_problems(root, base)
    assert f"{ledger}: /{len(lines) - 1}: was changed or removed; lines are appended only" in found
    assert any("random-digits: was removed; withdraw its results" in line for line in found)
    assert f"{path}: was removed; `bench annotate` it with the reason before it goes" in found
    assert changed_submissions(root, base) == ["cfk", "lsp-digits", "random-digits"]


def test_a_replaced_document_and_shortened_runs_are_found(root, base):
    path = stored(root)
    path.write_bytes(path.read_bytes().replace(b'"full"', b'"quick"'))
    runs_path(path).write_bytes(b"")
    found = base_problems(root, base)
    assert any(line.startswith(f"{path}: was changed") for line in found)
    assert any(line.startswith(f"{runs_path(path)}: /0: was changed or removed") for line in found)


def test_a_result_may_go_once_it_was_annotated(root, base):
    path = stored(root)
    annotate(path, reason="Measured under a protocol that is no more.", by="A")
    path.unlink()
    runs_path(path).unlink()
    assert base_problems(root, base) == []
