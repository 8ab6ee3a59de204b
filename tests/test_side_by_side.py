"""Groups of tests that run at the same time: what goes to which, and how they end."""

import pytest
from side_by_side import main, split


def test_groups_are_separated_and_what_begins_with_a_dash_goes_to_all():
    assert split(["a", "b", "--", "c", "--", "-k", "name"]) == ([["a", "b"], ["c"]], ["-k", "name"])
    assert split(["a"]) == ([["a"]], [])


@pytest.mark.parametrize(("one", "other", "status"), [("pass", "assert 0", 1), ("assert 0", "pass", 1)])
def test_one_group_that_fails_fails_all(tmp_path, capfd, one, other, status):
    for name, body in (("one", one), ("other", other)):
        (tmp_path / f"test_{name}.py").write_text(f"def test_it():\n    {body}\n")
    groups = [str(tmp_path / "test_one.py"), "--", str(tmp_path / "test_other.py")]
    assert main([*groups, "--", "-p", "no:cacheprovider", f"--rootdir={tmp_path}"]) == status
    assert capfd.readouterr().out.count("exit status") == 2


def test_a_selection_that_one_group_does_not_have_is_no_failure_and_one_that_none_has_is(tmp_path):
    (tmp_path / "test_one.py").write_text("def test_it():\n    pass\n")
    (tmp_path / "test_other.py").write_text("def test_else():\n    pass\n")
    groups = [str(tmp_path / "test_one.py"), "--", str(tmp_path / "test_other.py")]
    common = ["-p", "no:cacheprovider", f"--rootdir={tmp_path}"]
    assert main([*groups, "--", *common, "-k", "test_it"]) == 0
    assert main([*groups, "--", *common, "-k", "nothing"]) == 5
