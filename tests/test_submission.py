"""The manifest record: what a submission may say, and how its folder is found."""

import pytest
from pydantic import ValidationError
from submission_factory import MANIFEST, make_submission

from bench.errors import InvalidSubmission, RefusedArtifact, UnknownName
from bench.submission import FAMILIES, load_submission, parse_manifest
from bench.toml_lines import NestingError, check_nesting, key_lines, line_of

VALID = MANIFEST.format(sha256="0" * 64, size=1)


def refusal(old: str, new: str) -> str:
    """Return pydantic's words for the default manifest with one replacement."""
    assert old in VALID
    with pytest.raises(ValidationError) as caught:
        parse_manifest(VALID.replace(old, new))
    return str(caught.value)


def test_the_default_manifest_has_one_artifact_for_its_protocol():
    manifest = parse_manifest(VALID)
    assert [artifact.path for artifact in manifest.artifacts_for("ue-tiny-v1")] == ["delta.safetensors"]
    assert manifest.artifacts_for("ue-other-v1") == ()


def test_every_family_is_accepted():
    for family in FAMILIES:
        assert parse_manifest(VALID.replace("synthetic-shortcut", family)).method.family == family


@pytest.mark.parametrize(
    ("name", "word"),
    [
        (r"a\u0007b", "U\\+0007"),
        (r"a\u202Eb", "U\\+202E"),
        (r"a\u200Bb", "U\\+200B"),
        (r"a\u2028b", "U\\+2028"),
        (r"a\nb", "single line"),
        (r"a\tb", "single line"),
        (" a", "space"),
        ("", "at least 1"),
        ("a" * 281, "at most 280"),
    ],
)
def test_a_name_is_one_line_of_plain_text(name, word):
    with pytest.raises(ValidationError, match=word):
        parse_manifest(VALID.replace('"Fog"', f'"{name}"'))


def test_letters_of_any_language_are_plain_text():
    assert parse_manifest(VALID.replace('"Fog"', '"Nebel für 画像"')).method.name == "Nebel für 画像"


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "http://example.org",
        "https://",
        "https:///path",
        "https://user@example.org",
        "https://example.org/<script>",
        "https://example.org/a b",
        "https://exämple.org",
        "//example.org",
        "HTTPS://example.org",
    ],
)
def test_a_link_is_a_plain_https_address(link):
    assert "links.paper" in refusal("[disclosure]", f'[links]\npaper = "{link}"\n\n[disclosure]')


def test_a_bibtex_entry_keeps_its_lines_and_tabs():
    text = VALID.replace("[disclosure]", "[cite]\nbibtex = '''@misc{a,\n\ttitle = {A}}'''\n\n[disclosure]")
    manifest = parse_manifest(text)
    assert manifest.cite is not None
    assert manifest.cite.bibtex == "@misc{a,\n\ttitle = {A}}"


def test_agreement_means_agreeing():
    assert "agreement.publish" in refusal("publish = true", "publish = false")


def test_a_number_that_is_not_finite_is_refused():
    assert "finite" in refusal("value = 0.19", "value = nan")


def test_a_loaded_submission_knows_its_folder(tmp_path):
    folder = make_submission(tmp_path)
    submission = load_submission(folder)
    assert (submission.folder, submission.slug) == (folder, "fog")


def test_an_unknown_folder_lists_its_neighbors(tmp_path):
    make_submission(tmp_path)
    with pytest.raises(UnknownName, match="known: fog"):
        load_submission(tmp_path / "submissions" / "frog")


def test_a_broken_manifest_points_to_validation(tmp_path):
    folder = make_submission(tmp_path, edits={'track = "ue"': 'track = "eu"'})
    with pytest.raises(InvalidSubmission, match="bench validate"):
        load_submission(folder)


def test_a_linked_manifest_is_refused(tmp_path):
    folder = make_submission(tmp_path)
    (folder / "submission.toml").rename(tmp_path / "elsewhere.toml")
    (folder / "submission.toml").symlink_to(tmp_path / "elsewhere.toml")
    with pytest.raises(RefusedArtifact, match="symbolic link"):
        load_submission(folder)


def test_keys_are_found_by_pointer_through_strings_arrays_and_tables():
    text = '''a = 1
list = [
  "]", # ]
  2,
]
[method]
name = """
[not.a.table]
x = 1
"""
"odd/key".b = { c = 1 }
[[artifact]]
role = 'p'
[artifact.recipe]
seed = 1
[[artifact]]
role = "q"
'''
    lines = key_lines(text)
    assert lines["/list"] == 2
    assert lines["/method/name"] == 7
    assert lines["/method/odd~1key/b"] == 11
    assert (lines["/artifact/0/role"], lines["/artifact/0/recipe/seed"], lines["/artifact/1/role"]) == (13, 15, 17)
    assert line_of(lines, "/list/1") == 2
    assert line_of(lines, "/nowhere") is None
    assert not any("not" in pointer for pointer in lines)


@pytest.mark.parametrize(
    "text", ["a" + ".a" * 120_000 + "=1", "a=" + "[" * 100, "[" + ".".join("a" * 20) + "]", "a={" + "b={" * 20]
)
def test_a_text_that_would_nest_deeply_is_refused_before_it_is_parsed(text):
    with pytest.raises(NestingError, match="line 1"):
        check_nesting(text)


def test_dots_in_strings_comments_and_numbers_do_not_count_as_nesting():
    dots = "." * 30
    check_nesting(f"a = '{dots}' # {dots}\nb = [{', '.join(['1.5'] * 30)}]\nc = '''\n{dots}'''\n")
