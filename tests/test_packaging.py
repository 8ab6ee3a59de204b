"""What a fresh machine needs: requirements without hosts, workflows with least rights, a wheel with its data files."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_start_without_rights_and_pin_actions(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert "permissions: {}" in lines
    used = [line for line in lines if "uses:" in line]
    assert used
    assert all(PINNED_ACTION.search(line) for line in used)
    assert not any("write" in line and line.split(":")[0].strip() not in {"pages", "id-token"} for line in lines)


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
