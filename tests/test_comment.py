"""The job that may write takes what a pull request made as data: wrong, huge and hostile artifacts post nothing."""

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bench.comment import ARCHIVE_LIMIT_BYTES, MARK, NothingToPost, call_api, post_review, read_archive
from bench.markdown import COMMENT_LIMIT

ROOT = Path(__file__).resolve().parent.parent
HEAD = "a" * 40


def archive(number: str = "7", body: str = "## What this change does\n", **more: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as files:
        files.writestr("number.txt", number)
        files.writestr("comment.md", body)
        for name, value in more.items():
            files.writestr(name, value)
    return content.getvalue()


class GitHub:
    """Answers as GitHub does, and remembers what it was asked to write."""

    def __init__(self, content: bytes, *, head: str = HEAD, state: str = "open", comments=(), size=None, artifacts=1):
        self.content, self.head, self.state, self.comments = content, head, state, list(comments)
        self.size = len(content) if size is None else size
        self.artifacts = artifacts
        self.written: list[tuple[str, str, str]] = []

    def __call__(self, path: str, *, method: str = "GET", body=None) -> bytes:
        if method != "GET":
            self.written.append((method, path, body["body"]))
            return b"{}"
        if path.endswith("/zip"):
            return self.content
        if "/artifacts?" in path:
            found = [{"id": index, "name": "review", "size_in_bytes": self.size} for index in range(self.artifacts)]
            return json.dumps({"artifacts": found}).encode()
        if "/pulls/" in path:
            return json.dumps({"head": {"sha": self.head}, "state": self.state}).encode()
        page = int(path.rpartition("page=")[2])
        return json.dumps(self.comments[100 * (page - 1) : 100 * page]).encode()


def post(api: GitHub, run: str = "99") -> str:
    return post_review(api, repository="owner/name", run=run, head=HEAD)


def comment(number: int, login: str, body: str) -> dict[str, object]:
    return {"id": number, "user": {"login": login}, "body": body}


def test_a_review_becomes_one_comment():
    api = GitHub(archive())
    assert post(api) == "commented on pull request 7"
    assert api.written == [("POST", "repos/owner/name/issues/7/comments", f"{MARK}\n## What this change does\n")]


def test_the_next_review_replaces_our_own_comment_and_nobody_else_s():
    others = [comment(index, "somebody", f"{MARK}\nmine") for index in range(130)]
    api = GitHub(archive(), comments=[*others, comment(500, "github-actions[bot]", f"{MARK}\nold")])
    assert post(api) == "replaced the comment on pull request 7"
    assert [(method, path) for method, path, _ in api.written] == [("PATCH", "repos/owner/name/issues/comments/500")]


@pytest.mark.parametrize(
    ("api", "reason"),
    [
        (GitHub(archive(), head="b" * 40), "its head is not"),
        (GitHub(archive(), state="closed"), "is closed"),
        (GitHub(archive(number="7; rm -rf /")), "names no pull request"),
        (GitHub(archive(number="-1")), "names no pull request"),
        (GitHub(archive(number="../8")), "names no pull request"),
        (GitHub(archive(number="0")), "names no pull request"),
        (GitHub(archive(number="9" * 4000)), "names no pull request"),
        (GitHub(archive(number="")), "names no pull request"),
        (GitHub(b"not a zip"), "cannot be read"),
        (GitHub(archive()[:-30]), "cannot be read"),
        (GitHub(archive(), size=ARCHIVE_LIMIT_BYTES + 1), "larger than"),
        (GitHub(bytes(ARCHIVE_LIMIT_BYTES + 1), size=5), "larger than"),
        (GitHub(archive(), artifacts=0), "has 0 artifacts"),
        (GitHub(archive(), artifacts=2), "has 2 artifacts"),
    ],
)
def test_an_artifact_that_does_not_fit_posts_nothing(api, reason):
    with pytest.raises(NothingToPost, match=reason):
        post(api)
    assert api.written == []


def test_a_run_is_a_number():
    with pytest.raises(NothingToPost, match="has no number"):
        post(GitHub(archive()), run="1/../../secrets")


def test_an_archive_without_its_files_is_refused():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as files:
        files.writestr("../comment.md", "x")
    with pytest.raises(NothingToPost):
        read_archive(content.getvalue())


def test_a_bomb_is_read_to_its_limit_and_posted_short():
    api = GitHub(archive(body="line\n" * 4_000_000))
    assert len(api.content) < ARCHIVE_LIMIT_BYTES
    post(api)
    assert len(api.written[0][2]) <= COMMENT_LIMIT + len(MARK) + 1


def test_a_body_that_hostile_code_made_calls_nobody_and_links_nowhere():
    api = GitHub(archive(body="@everyone <img src=x> [a](https://evil.example) fixes #3\n<!-- x -->\x00\x1b[31m"))
    post(api)
    text = api.written[0][2].removeprefix(MARK)
    for danger in ("@e", "<", "](", "://", "#3", "\x00", "\x1b"):
        assert danger not in text, danger


def test_files_beside_the_two_are_not_looked_at(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    api = GitHub(archive(**{"../../evil": b"x", "/etc/evil": b"y"}))
    post(api)
    assert list(tmp_path.iterdir()) == []
    assert len(api.written) == 1


def test_a_body_goes_to_the_tool_through_a_pipe(tmp_path, monkeypatch):
    tool = tmp_path / "gh"
    tool.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/arguments\ncat > {tmp_path}/input\nprintf answer\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert call_api("repos/o/n/issues/1/comments", method="POST", body={"body": "$(rm x) `y`"}) == b"answer"
    assert (tmp_path / "arguments").read_text().split() == [
        *("api", "--method", "POST", "repos/o/n/issues/1/comments", "--input", "-")
    ]
    assert json.loads((tmp_path / "input").read_text()) == {"body": "$(rm x) `y`"}


def test_it_runs_on_a_python_without_any_package():
    code = "import bench.comment, sys; print({name.split('.')[0] for name in sys.modules} - sys.stdlib_module_names)"
    run = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(json.loads(run.stdout.replace("'", '"').replace("{", "[").replace("}", "]"))) <= {"bench", "__main__"}
