"""The doctor: what is broken is said to be broken, what is optional is a note."""

from importlib import metadata
from pathlib import Path

import pytest

from bench import doctor


def test_this_machine_can_run_the_bench() -> None:
    assert [finding for finding in doctor.run_checks() if finding.status == "broken"] == []


def test_a_missing_package_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        if package == "safetensors":
            raise metadata.PackageNotFoundError(package)
        return "1.0"

    monkeypatch.setattr(doctor.metadata, "version", version)
    broken = [finding for finding in doctor.check_packages() if finding.status == "broken"]
    assert [finding.name for finding in broken] == ["safetensors"]
    assert "README.md" in broken[0].detail


def test_torch_and_torchvision_that_do_not_fit_are_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def nms(*_: object) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr("torchvision.ops.nms", nms)
    findings = list(doctor.check_torch())
    assert [finding.status for finding in findings] == ["broken"]
    assert "torchvision::nms does not exist" in findings[0].detail


def test_data_that_is_not_there_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("BENCH_DATA", raising=False)
    status = {finding.name.split(",")[0]: finding.status for finding in doctor.check_data_sets()}
    assert status == {
        "data cifar10": "note",
        "data cifar100": "note",
        "data digits": "ok",
        "data imagenet100": "note",
        "data mnist": "note",
    }


def test_a_cache_folder_that_cannot_be_made_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    status = {finding.name: finding.status for finding in doctor.check_folders()}
    assert status["cache folder"] == "note"
