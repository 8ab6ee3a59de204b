"""Every hostile folder ends with its exit code, says what and where, executes nothing and prints nothing that acts.

Each case goes through the real command line, in a process that is measured: no traceback, at most 512 MiB.
"""

import pickle
import re
from pathlib import Path

import artifact_cases
import cases
import checkpoint_corpus
import folder_cases
import manifest_cases
import pytest
import record_cases
import result_cases
from corpus import MARKER, Case, payload

ROOT = Path(__file__).resolve().parents[2]
CLASSES = {
    "pickles and archives": [*cases.PICKLES, *artifact_cases.PICKLED_SUFFIXES],
    "files of two formats": artifact_cases.POLYGLOTS,
    "safetensors headers": [*cases.HEADERS, *artifact_cases.FORMS],
    "paths, links and devices": [*cases.FILES, *folder_cases.ENTRIES],
    "names of files": [*folder_cases.NAMES, *folder_cases.STRANGERS],
    "forms of manifests": manifest_cases.FORMS,
    "values in manifests": [*cases.MANIFESTS, *manifest_cases.VALUES, *manifest_cases.SLUGS],
    "text in manifests": manifest_cases.TEXTS,
    "links in manifests": manifest_cases.LINKS,
    "checkpoints": [*checkpoint_corpus.CHECKPOINTS, *checkpoint_corpus.ACCEPTED],
    "files of results": result_cases.RESULT_FILES,
    "forms of results": [*result_cases.RESULT_FORMS, *result_cases.RUN_RECORDS],
    "forged results": result_cases.RESULT_FORGERIES,
    "records that fit together": record_cases.RECORDS,
    "odd and harmless": artifact_cases.HARMLESS,
}
CASES = [case for group in CLASSES.values() for case in group]


@pytest.mark.parametrize("case", CASES, ids=[case.name.replace(" ", "-") for case in CASES])
def test_a_hostile_folder_is_refused_with_a_reason(case: Case, bench, folder_of):
    folder = folder_of(case.base)
    case.build(folder)
    ran = bench(*case.command, str(folder))
    assert ran.code == case.exit_code, ran.text[-3000:]
    assert case.word in ran.text, ran.text[-3000:]
    assert folder.name in ran.text or case.exit_code == 0
    assert not any((place / MARKER).exists() for place in (folder, *folder.parents[:2]))


@pytest.mark.parametrize("base", ["ue", "unlearning", "results", "unlearned"])
def test_what_the_cases_start_from_is_sound(base, bench, folder_of):
    ran = bench("verify" if base in ("results", "unlearned") else "validate", str(folder_of(base)))
    assert ran.code == 0, ran.text
    assert re.search("^no problems|, 0 problems", ran.out)


@pytest.mark.parametrize("style", ["json", "github"])
@pytest.mark.parametrize("case", folder_cases.STRANGERS + cases.MANIFESTS[:8], ids=lambda case: case.name)
def test_findings_for_machines_are_one_line_each(case: Case, style, bench, folder_of):
    folder = folder_of(case.base)
    case.build(folder)
    ran = bench("validate", str(folder), "--format", style)
    assert ran.code == case.exit_code
    if style == "github":
        assert all(line.startswith(("::error file=", "::warning file=")) for line in ran.out.splitlines())


def test_the_payload_would_leave_its_marker_if_it_were_opened(tmp_path):
    pickle.loads(payload(tmp_path))  # noqa: S301 (our own: shows that the corpus would notice)
    assert (tmp_path / MARKER).exists()


def test_the_corpus_is_large_and_its_names_differ():
    assert len(CASES) >= 80
    assert len({case.name for case in CASES}) == len(CASES)


def test_the_document_counts_the_cases():
    text = (ROOT / "docs" / "security-tests.md").read_text(encoding="utf-8")
    for name, group in CLASSES.items():
        assert f"| {name} | {len(group)} |" in text, f"docs/security-tests.md: {name} has {len(group)} cases"
    assert f"**{len(CASES)} cases**" in text
