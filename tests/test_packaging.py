"""What a fresh machine needs: requirements without hosts, workflows with least rights, a wheel with its data files."""

import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from bench.comment import ARTIFACT
from bench.doctor import PACKAGES

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))
HOST_NAMES = re.compile(r"http|://|index-url|find-links")
PINNED_ACTION = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d")


def project_dependencies() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {re.match(r"[a-z0-9-]+", line)[0] for line in project["dependencies"]}  # type: ignore[index]


def pinned_names(path: Path) -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+)==", path.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_requirements_name_no_host_and_pin_every_package_by_hash(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not HOST_NAMES.search(text)
    for entry in re.split(r"\n(?=[a-z])", text)[1:]:
        assert "==" in entry, entry
        assert "--hash=sha256:" in entry, entry


def test_requirements_hold_the_dependencies_and_the_build_backend() -> None:
    run, test = (pinned_names(ROOT / "requirements" / f"{name}.txt") for name in ("run", "test"))
    assert project_dependencies() <= run
    assert "setuptools" in run
    assert run <= test


def test_doctor_checks_the_declared_dependencies() -> None:
    assert set(PACKAGES) == project_dependencies()


RIGHTS = {
    ("check.yml", "check"): {"contents": "read"},
    ("comment.yml", "comment"): {"actions": "read", "contents": "read", "pull-requests": "write"},
    ("publish.yml", "build"): {"contents": "read"},
    ("publish.yml", "deploy"): {"pages": "write", "id-token": "write"},
    ("submission.yml", "review"): {"contents": "read"},
}
"""What each job may do, all of it; a job that is not listed here fails the tests."""


def workflow(path: Path) -> dict[str, Any]:
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path in WORKFLOWS:
        for name, job in workflow(path)["jobs"].items():
            yield path.name, name, job


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_start_without_rights_and_pin_actions(path: Path) -> None:
    assert workflow(path)["permissions"] == {}
    used = [line for line in path.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert used
    assert all(PINNED_ACTION.search(line) for line in used)


def test_every_job_has_the_rights_it_needs_and_no_more() -> None:
    assert {(file, name): job["permissions"] for file, name, job in jobs()} == RIGHTS


def test_no_workflow_runs_foreign_code_with_rights() -> None:
    for path in WORKFLOWS:
        events = set(workflow(path)["on"])
        assert "pull_request_target" not in events, path.name
        steps = [step for file, _, job in jobs() if file == path.name for step in job["steps"]]
        checkouts = [step.get("with", {}) for step in steps if step.get("uses", "").startswith("actions/checkout@")]
        assert all(step.get("persist-credentials") is False for step in checkouts), path.name
        if "workflow_run" in events:
            # Without a ref, the main branch is checked out.
            assert not any({"ref", "repository"} & step.keys() for step in checkouts), path.name
        if "pull_request" in events:
            rights = {right for file, _, job in jobs() if file == path.name for right in job["permissions"].values()}
            assert rights == {"read"}, path.name
            assert "secrets." not in path.read_text(encoding="utf-8"), path.name


def test_nothing_that_others_write_becomes_part_of_a_command() -> None:
    for file, name, job in jobs():
        for step in job["steps"]:
            assert "${{" not in step.get("run", ""), f"{file}, {name}: pass it through env"


def test_the_comment_answers_the_workflow_that_reviews() -> None:
    folder = ROOT / ".github" / "workflows"
    review = workflow(folder / "submission.yml")
    asked = workflow(folder / "comment.yml")["on"]["workflow_run"]
    assert asked == {"workflows": [review["name"]], "types": ["completed"]}
    uploads = [step["with"] for step in review["jobs"]["review"]["steps"] if "upload-artifact" in step.get("uses", "")]
    assert ARTIFACT in [upload["name"] for upload in uploads]


def test_workflows_follow_their_schema() -> None:
    program = str(Path(sys.executable).parent / "check-jsonschema")
    command = [program, "--builtin-schema", "vendor.github-workflows", *map(str, WORKFLOWS)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


def test_workflows_pass_the_linter() -> None:
    command = [str(Path(sys.executable).parent / "zizmor"), "--offline", "--quiet", str(ROOT / ".github" / "workflows")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


@pytest.mark.slow
def test_wheel_holds_templates_and_protocols(tmp_path: Path) -> None:
    # A copy, so that the build leaves nothing in the checkout.
    source = tmp_path / "source"
    for name in ("bench", "templates"):
        copy_tree(ROOT / name, source / name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    script = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=source, capture_output=True, check=True)
    names = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    for folder, prefix in ((ROOT / "templates", "bench/_templates"), (ROOT / "bench", "bench")):
        wanted = {f"{prefix}/{file.relative_to(folder).as_posix()}" for file in files_of(folder)}
        assert wanted <= names


def files_of(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts]


def copy_tree(source: Path, target: Path) -> None:
    for file in files_of(source):
        copy = target / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
