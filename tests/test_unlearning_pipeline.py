"""From a challenge kit to a stored result: made, unlearned, measured, verified; and what is refused on the way."""

import json
import shutil
from pathlib import Path

import pytest
from test_pipeline import results, run
from unlearned import PROTOCOL_ID, write_unlearning_protocol

from bench.store import read_result, result_files
from bench.submission import parse_any_manifest
from bench.unlearning_crafting import manifest_text

PROTOCOL = ("--protocol", PROTOCOL_ID)


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Path:
    """A folder with both references and one unlearner, measured once."""
    root = tmp_path_factory.mktemp("unlearned")
    write_unlearning_protocol(root / "protocols")
    for unlearner in ("original", "retrain", "gd"):
        run(root, "unlearn", unlearner, *PROTOCOL)
    run(root, "evaluate", *(f"submissions/{name}" for name in ("original", "retrain", "gd")))
    return root


@pytest.fixture
def copy(measured, tmp_path) -> Path:
    """A copy of the measured folder that a test may break."""
    root = tmp_path / "copy"
    shutil.copytree(measured, root)
    return root


def measurement(root: Path, slug: str, metric: str, condition: str = "gaussian"):
    (path,) = result_files(root / "submissions" / slug)
    found = read_result(path).measurement(metric, condition)
    assert found is not None
    return found


def test_the_original_keeps_all_of_the_poison_and_the_retrained_network_none(measured):
    assert measurement(measured, "original", "removal").per_seed == (0, 0)
    assert measurement(measured, "retrain", "removal").per_seed == (1, 1)
    assert measurement(measured, "retrain", "tow").mean == 1
    assert measurement(measured, "retrain", "activation_distance").mean == 0
    assert measurement(measured, "original", "retrain_distance").per_seed == (1, 1)


def test_what_belongs_to_one_probe_is_measured_under_it_alone(measured):
    (path,) = result_files(measured / "submissions" / "gd")
    found = {(item.metric, item.condition) for item in read_result(path).outcome.measurements}
    assert ("gus", "gaussian") in found
    assert ("patch_success", "patch") in found
    assert ("gus", "patch") not in found
    assert ("patch_success", "gaussian") not in found


def test_distributions_of_models_say_why_they_are_not_run(measured):
    found = measurement(measured, "gd", "klom")
    assert found.status == "not_run"
    assert "needs 32 checkpoints of one forget set" in str(found.reason)


def test_an_open_challenge_says_so(measured):
    (path,) = result_files(measured / "submissions" / "gd")
    checks = {check.id: check for check in read_result(path).outcome.checks}
    assert checks["challenge"].measured == "open challenge"
    assert checks["copies"].status == "pass"


def test_compute_stays_within_the_budget(measured):
    share = measurement(measured, "gd", "compute_share").per_seed
    assert share is not None
    assert all(0 < value <= 0.1 for value in share)


def test_stored_results_verify_and_nothing_is_measured_twice(measured):
    assert "3 results checked, 0 problems" in run(measured, "verify")
    assert "0 cells to measure" in run(measured, "evaluate", "submissions/gd", "--dry-run")


def test_a_manifest_reads_back_as_it_was_written(measured):
    manifest = parse_any_manifest((measured / "submissions" / "gd" / "submission.toml").read_text())
    assert parse_any_manifest(manifest_text(manifest)) == manifest


def test_any_setting_that_a_manifest_may_hold_is_written_as_toml(measured):
    manifest = parse_any_manifest((measured / "submissions" / "gd" / "submission.toml").read_text())
    settings = {'a key, with = and "': 'a "text" \\', "rate": 1e-05, "whole": 3, "yes": True}
    recipe = manifest.recipe[0].model_copy(update={"settings": settings})
    changed = manifest.model_copy(update={"recipe": (recipe,)})
    assert parse_any_manifest(manifest_text(changed)) == changed


def test_a_lost_checkpoint_is_made_again_by_its_recipe(copy):
    before = results(copy)
    shutil.rmtree(copy / "submissions" / "gd" / "checkpoints")
    shutil.rmtree(copy / "submissions" / "gd" / "results")
    shutil.rmtree(copy / ".bench" / "cells")
    run(copy, "evaluate", "submissions/gd")
    assert results(copy) == before


def test_an_edited_value_is_found(copy):
    (path,) = result_files(copy / "submissions" / "gd")
    document = json.loads(path.read_bytes())
    document["outcome"]["cells"][0]["values"]["gus"] = 0.0
    path.write_text(json.dumps(document, separators=(",", ":"), sort_keys=True) + "\n")
    assert "/outcome/cells/0/values/gus: was changed" in run(copy, "verify", code=1)


def test_the_original_under_another_name_is_found(copy):
    folder = copy / "submissions" / "fog"
    shutil.copytree(copy / "submissions" / "original", folder)
    shutil.rmtree(folder / "results")
    (folder / "ledger.jsonl").unlink()
    text = (folder / "submission.toml").read_text().replace('slug = "original"', 'slug = "fog"')
    (folder / "submission.toml").write_text(text.replace('family = "reference"', 'family = "ascent"'))
    assert "is the original of its kit: nothing was unlearned" in run(copy, "validate", "submissions/fog")
    run(copy, "evaluate", "submissions/fog")
    (path,) = result_files(folder)
    copies = next(check for check in read_result(path).outcome.checks if check.id == "copies")
    assert copies.status == "warn"
    assert "equals the original of its kit" in copies.detail


def test_a_copy_of_another_submission_is_found(copy):
    folder = copy / "submissions" / "fog"
    shutil.copytree(copy / "submissions" / "gd", folder)
    shutil.rmtree(folder / "results")
    (folder / "ledger.jsonl").unlink()
    text = (folder / "submission.toml").read_text()
    (folder / "submission.toml").write_text(text.replace('slug = "gd"', 'slug = "fog"'))
    run(copy, "evaluate", "submissions/fog")
    (path,) = result_files(folder)
    copies = next(check for check in read_result(path).outcome.checks if check.id == "copies")
    assert "equals a checkpoint of gd" in copies.detail


def test_without_references_the_way_out_is_named(copy):
    shutil.rmtree(copy / "submissions" / "retrain")
    said = run(copy, "evaluate", "submissions/gd", code=2)
    assert f"`bench unlearn retrain --protocol {PROTOCOL_ID} --slug NAME` makes it" in said


def test_a_missing_checkpoint_is_named(copy):
    path = copy / "submissions" / "gd" / "submission.toml"
    text = path.read_text()
    start = text.rindex("[[artifact]]")
    end = text.index("[disclosure]")
    path.write_text(text[:start] + text[end:])
    assert "no checkpoint of unlearning-small-v1 for patch/1" in run(copy, "evaluate", "submissions/gd", code=3)


def test_a_kit_can_be_handed_out(copy):
    said = run(copy, "challenge", PROTOCOL_ID, "--tier", "quick", "--out", "kits")
    assert "open challenge" in said
    assert sorted(path.name for path in (copy / "kits" / "gaussian-0").iterdir()) == [
        "forget.safetensors",
        "kit.json",
        "original.safetensors",
        "train.safetensors",
    ]
