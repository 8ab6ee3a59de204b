"""The repository's own submissions and results are held to the rules that everybody's are."""

from pathlib import Path

import pytest

from bench.data.identity import pin_stated
from bench.problems import exit_code, format_problems
from bench.store import load_results
from bench.submission import UnlearningManifest, load_submission
from bench.tracks.ue_estimators import build_subject
from bench.tracks.unlearning import build_subject as build_checkpoint_subject
from bench.unlearning_protocol import UnlearningProtocol, load_any_protocol, load_unlearning_protocol
from bench.validation import validate_folder
from bench.verification import verify

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = sorted(path.parent for path in (ROOT / "submissions").glob("*/submission.toml"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_shipped_submission_is_valid(folder):
    problems = validate_folder(folder)
    assert exit_code(problems) == 0, format_problems(problems)


def test_every_stored_result_follows_from_its_cells_and_belongs_where_it_lies():
    count, problems = verify(ROOT, [ROOT / "submissions"])
    assert problems == []
    assert count >= 4


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_stored_results_were_measured_by_the_code_as_it_is(folder):
    """A change of evaluation code makes the numbers old: measure again, or remove them."""
    assert load_submission(folder).manifest.protocols
    for stored in load_results(folder):
        subject = stored.result.subject
        protocol = load_any_protocol(subject.protocol.id)
        dataset = pin_stated(protocol.dataset, subject.data)
        if isinstance(protocol, UnlearningProtocol):
            challenge = str(subject.challenge)
            now = build_checkpoint_subject(protocol, subject.tier, subject.artifacts, dataset, challenge)
        else:
            now = build_subject(protocol, subject.tier, subject.artifacts, dataset)
        assert subject == now, f"{stored.path}: measured by other code or under another protocol text"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_reference_unlearner_discloses_what_was_tried(folder):
    manifest = load_submission(folder).manifest
    if not isinstance(manifest, UnlearningManifest):
        return
    protocols = [load_unlearning_protocol(item.protocol) for item in manifest.recipe]
    tried = max(item.trials.get(recipe.unlearner, 0) for item, recipe in zip(protocols, manifest.recipe, strict=True))
    assert manifest.disclosure.search_trials == tried
    assert manifest.disclosure.test_set_used == (tried > 0)
