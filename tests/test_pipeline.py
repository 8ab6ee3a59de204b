"""From a submission folder to a site: measured for real, stored, resumed, verified, rendered; twice the same."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from measured import PROTOCOL_ID, small_protocol, write_clean, write_noise, write_protocol

from bench.data import DATASETS, FINDERS
from bench.results import build_result, result_bytes, summarize
from bench.store import read_result, result_files
from bench.verification import keys_hold, verify


def run(root: Path, *arguments: str, code: int = 0) -> str:
    """Run the command line in `root` and return its output; the exit code must be `code`."""
    done = subprocess.run(
        command(*arguments), cwd=root, env=environment(root), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "bench", *arguments]


def environment(root: Path) -> dict[str, str]:
    source = str(Path(__file__).resolve().parent.parent)
    return {**os.environ, "BENCH_PROTOCOLS": str(root / "protocols"), "PYTHONPATH": source, "NO_COLOR": "1"}


def results(root: Path) -> dict[str, bytes]:
    """Return every result file by its path, without the runs files beside them."""
    return {str(path.relative_to(root)): path.read_bytes() for path in result_files(root / "submissions")}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory) -> Path:
    """A folder with two submissions, evaluated once."""
    root = tmp_path_factory.mktemp("evaluated")
    write_protocol(root / "protocols")
    write_clean(root)
    write_noise(root)
    run(root, "evaluate", "submissions/clean", "submissions/noise")
    return root


def test_evaluating_measures_each_cell_once_and_clean_training_is_compared_with_itself(evaluated):
    documents = [read_result(path) for path in result_files(evaluated / "submissions")]
    assert len(documents) == 2
    clean, noise = sorted(documents, key=lambda document: len(document.subject.artifacts))
    ud = clean.measurement("ud", "resnet-narrow/none")
    assert (ud.mean, ud.per_seed, ud.ci95) == (1, (1, 1), (1, 1))
    assert clean.measurement("accuracy_drop", "resnet-narrow/none").mean == 0
    assert noise.outcome.references[0].cells == tuple(cell.key for cell in clean.outcome.cells)
    assert len(noise.outcome.cells[0].sal.values) == 2
    assert len(noise.outcome.cells[0].sal.layers) == 21
    assert noise.outcome.cells[0].train_loss != clean.outcome.cells[0].train_loss


def test_a_second_run_trains_nothing_and_says_so(evaluated):
    before = results(evaluated)
    said = run(evaluated, "evaluate", "submissions/noise", "--protocol", PROTOCOL_ID)
    assert "no training" in said
    assert results(evaluated) == before


def test_images_that_a_protocol_does_not_pin_are_measured_and_verified_without_them(tmp_path, monkeypatch):
    write_protocol(tmp_path / "protocols")
    path = tmp_path / "protocols" / f"{PROTOCOL_ID}.toml"
    pin = next(line for line in path.read_text().splitlines() if line.startswith("sha256"))
    path.write_text(path.read_text().replace(pin, "", 1))
    write_clean(tmp_path)
    write_noise(tmp_path)
    run(tmp_path, "evaluate", "submissions/clean", "submissions/noise", "--tier", "quick", "--jobs", "1")
    documents = [read_result(found) for found in result_files(tmp_path / "submissions")]
    assert [document.subject.data[0].sha256 for document in documents] == [pin.split('"')[1]] * 2
    monkeypatch.setenv("BENCH_PROTOCOLS", str(path.parent))
    monkeypatch.setitem(DATASETS, "digits", None)
    monkeypatch.setitem(FINDERS, "digits", None)
    assert verify(tmp_path, [tmp_path / "submissions"]) == (2, [])
    assert all(keys_hold(document, small_protocol()) for document in documents)
    other = [ref.model_copy(update={"sha256": "a" * 64}) for ref in documents[0].subject.data]
    subject = documents[0].subject.model_copy(update={"data": tuple(other)})
    assert not keys_hold(documents[0].model_copy(update={"subject": subject}), small_protocol())


def test_a_deleted_result_comes_back_with_the_same_name_and_bytes(evaluated, tmp_path):
    """Once from the finished cells, and once trained anew in another folder."""
    before = results(evaluated)
    for name in before:
        (evaluated / name).unlink()
    assert "no training" in run(evaluated, "evaluate", "submissions/clean", "submissions/noise")
    assert results(evaluated) == before

    write_protocol(tmp_path / "protocols")
    write_clean(tmp_path)
    write_noise(tmp_path)
    run(tmp_path, "evaluate", "submissions/noise", "submissions/clean", "--jobs", "1")
    assert results(tmp_path) == before


def test_the_clean_cells_come_from_the_stored_reference_when_the_cache_is_gone(evaluated, tmp_path):
    write_protocol(tmp_path / "protocols")
    clean = write_clean(tmp_path)
    write_noise(tmp_path)
    stored = evaluated / "submissions" / "clean" / "results"
    shutil.copytree(stored, clean / "results")
    said = run(tmp_path, "evaluate", "submissions/noise", "--tier", "quick", "--dry-run")
    assert "1 cell to measure" in said
    assert "clean training" not in said


def test_a_killed_run_resumes_and_ends_with_the_same_id(evaluated, tmp_path):
    write_protocol(tmp_path / "protocols")
    write_clean(tmp_path)
    write_noise(tmp_path)
    process = subprocess.Popen(
        command("evaluate", "submissions/clean", "submissions/noise", "--jobs", "1"),
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    cells = tmp_path / ".bench" / "cells"
    deadline = time.monotonic() + 120
    while not list(cells.glob("*/*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished = len(list(cells.glob("*/*.json")))
    assert 1 <= finished < 4
    assert not list((tmp_path / "submissions").glob("*/results/*/*"))
    said = run(tmp_path, "evaluate", "submissions/clean", "submissions/noise")
    assert f"{4 - finished} cell" in said
    assert results(tmp_path) == results(evaluated)


def test_a_lost_worker_costs_one_more_attempt_and_changes_nothing(evaluated, tmp_path):
    write_protocol(tmp_path / "protocols")
    write_clean(tmp_path)
    process = subprocess.Popen(
        command("evaluate", "submissions/clean", "--jobs", "1"),
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.kill(first_child(process.pid), signal.SIGKILL)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "worker process ended with exit code -9 (killed, perhaps because memory ran out); measuring it again" in err
    assert results(tmp_path).items() <= results(evaluated).items()


def first_child(parent: int) -> int:
    """Wait for the worker process of `parent` (not multiprocessing's resource tracker) and return its number."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for task in Path("/proc").glob("[0-9]*"):
            try:
                status, line = (task / "status").read_text(), (task / "cmdline").read_text()
            except OSError:
                continue
            if f"\nPPid:\t{parent}\n" in status and "spawn_main" in line:
                return int(task.name)
        time.sleep(0.02)
    raise AssertionError("no worker process appeared")


def test_fresh_measures_again_and_says_whether_the_stored_result_was_met(evaluated):
    said = run(evaluated, "evaluate", "submissions/clean", "--tier", "quick", "--fresh")
    assert "identical to the stored result" in said
    assert "1 of 1 cells measured" in said


def test_runs_record_where_and_when_beside_the_result_and_verify_accepts_both(evaluated):
    for path in result_files(evaluated / "submissions"):
        runs = [json.loads(line) for line in path.with_suffix(".runs.jsonl").read_text().splitlines()]
        assert runs[0]["software"]["torch"]
        assert runs[0]["cost"]["seconds"] > 0
        assert str(evaluated) not in json.dumps(runs)
    assert "0 problems" in run(evaluated, "verify")


def copied(evaluated: Path, target: Path) -> Path:
    """Copy protocols and submissions, without the finished cells."""
    for name in ("protocols", "submissions"):
        shutil.copytree(evaluated / name, target / name)
    return target


def test_a_result_of_another_submission_is_found(evaluated, tmp_path):
    root = copied(evaluated, tmp_path)
    other = write_noise(root, "other", seed=1)
    shutil.copytree(root / "submissions" / "noise" / "results", other / "results")
    said = run(root, "verify", code=1)
    assert "/subject/artifacts: are not those that other pins" in said


def test_a_number_that_does_not_follow_from_the_cells_is_found_even_with_fitting_digests(evaluated, tmp_path):
    root = copied(evaluated, tmp_path)
    path = result_files(root / "submissions" / "noise")[0]
    result = read_result(path)
    forged = (summarize("test_accuracy", "resnet-narrow/none", [0.1, 0.1]), *result.outcome.measurements[1:])
    other = build_result(result.subject, result.outcome.model_copy(update={"measurements": forged}))
    path.with_name(f"{other.name}.json").write_bytes(result_bytes(other))
    assert "/outcome/measurements/0: test_accuracy does not follow from the cells" in run(root, "verify", code=1)


def test_a_submission_cannot_bring_cells_for_clean_training(evaluated, tmp_path):
    root = copied(evaluated, tmp_path)
    path = result_files(root / "submissions" / "noise")[0]
    result = read_result(path)
    keys = result.outcome.references[0].cells
    cells = tuple(cell.model_copy(update={"key": key}) for cell, key in zip(result.outcome.cells, keys, strict=True))
    forged = build_result(result.subject, result.outcome.model_copy(update={"cells": cells}))
    path.with_name(f"{forged.name}.json").write_bytes(result_bytes(forged))
    path.unlink()
    shutil.rmtree(root / "submissions" / "clean" / "results")
    assert "2 cells to measure" in run(root, "evaluate", "submissions/clean", "--dry-run")
    assert "4 cells to measure" in run(root, "evaluate", "submissions/noise", "--dry-run", "--tier", "full", "--fresh")


def test_a_runs_file_without_its_result_is_found(evaluated, tmp_path):
    root = copied(evaluated, tmp_path)
    result_files(root / "submissions" / "noise")[0].unlink()
    assert "the result that these runs found is gone" in run(root, "verify", code=1)


def test_an_unfinished_submission_does_not_stop_the_others(evaluated, tmp_path):
    root = copied(evaluated, tmp_path)
    run(root, "new", "ue", "unfinished")
    assert "unfinished" in run(root, "render")
    assert "0 problems" in run(root, "verify")
    assert "no training" in run(root, "evaluate", "submissions/noise")


def test_rendering_twice_gives_the_same_bytes_and_check_notices_a_change(evaluated):
    run(evaluated, "render")
    first = files(evaluated / "site")
    run(evaluated, "render", "--out", "again")
    assert files(evaluated / "again") == first
    assert f"ue/{PROTOCOL_ID}/index.html" in first
    assert "up to date" in run(evaluated, "render", "--check")
    page = evaluated / "site" / "index.html"
    page.write_text(page.read_text().replace("</body>", "<p>x</p></body>"))
    assert "index.html" in run(evaluated, "render", "--check", code=1)
