"""Posts a review below its pull request. Runs in a job that may write, so what it reads is data and nothing else.

May import the standard library and bench.markdown: it is run from the main branch, by the runner's own Python.
The artifact comes from a job that ran code of the pull request. Its two files are read from the archive in memory, cut
at a size, and never unpacked; the number must be that of an open pull request whose head is the run's commit.
"""

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

from bench.markdown import COMMENT_LIMIT, defang

MARK = "<!-- bench review -->"
"""First line of our comment, by which it is found again."""

AUTHOR = "github-actions[bot]"
ARTIFACT = "review"
ARCHIVE_LIMIT_BYTES = 1024 * 1024
BODY_LIMIT_BYTES = 4 * COMMENT_LIMIT
NUMBER = re.compile(r"[1-9][0-9]{0,8}")

Api = Callable[..., bytes]
"""(path, method, JSON body or None) -> what GitHub answers."""


class NothingToPost(Exception):
    """The artifact is not one that may be posted; the text says why."""


def post_review(api: Api, *, repository: str, run: str, head: str) -> str:
    """Post the review of a run as a comment, or replace the earlier one; return what was done.

    repository: owner/name. run: id of the run that made it. head: the commit that the run looked at.
    Raises NothingToPost.
    """
    number, body = read_archive(_download(api, repository, run))
    pull = json.loads(api(f"repos/{repository}/pulls/{number}"))
    if pull["head"]["sha"] != head or pull["state"] != "open":
        raise NothingToPost(f"pull request {number} is closed, or its head is not {head}; a newer run will answer")
    text = f"{MARK}\n{defang(body)}"
    earlier = _earlier(api, repository, number)
    if earlier is None:
        api(f"repos/{repository}/issues/{number}/comments", method="POST", body={"body": text})
        return f"commented on pull request {number}"
    api(f"repos/{repository}/issues/comments/{earlier}", method="PATCH", body={"body": text})
    return f"replaced the comment on pull request {number}"


def read_archive(content: bytes) -> tuple[int, str]:
    """Return the number of the pull request and the text of the comment. Raises NothingToPost."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as files:
            number = _member(files, "number.txt", 16).decode("ascii", "replace").strip()
            body = _member(files, "comment.md", BODY_LIMIT_BYTES).decode("utf-8", "replace")
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise NothingToPost(f"the artifact cannot be read: {type(error).__name__}") from error
    if not NUMBER.fullmatch(number):
        raise NothingToPost("the artifact names no pull request")
    return int(number), body


def call_api(path: str, *, method: str = "GET", body: Mapping[str, str] | None = None) -> bytes:
    """Ask GitHub through its command line tool; a body goes in through a pipe, never through a shell."""
    command = ["gh", "api", "--method", method, path, *([] if body is None else ["--input", "-"])]
    content = None if body is None else json.dumps(body).encode()
    return subprocess.run(command, input=content, capture_output=True, check=True).stdout


def main() -> None:
    """Post the review that the environment names."""
    names = ("GITHUB_REPOSITORY", "RUN_ID", "HEAD_SHA")
    repository, run, head = (os.environ[name] for name in names)
    try:
        said = post_review(call_api, repository=repository, run=run, head=head)
    except NothingToPost as reason:
        said = f"nothing posted: {reason}"
    except subprocess.CalledProcessError as error:
        sys.exit(f"GitHub refused: {error.stderr.decode(errors='replace')[:500]}")
    sys.stdout.write(f"{said}\n")


def _download(api: Api, repository: str, run: str) -> bytes:
    if not re.fullmatch(r"[0-9]{1,20}", run):
        raise NothingToPost("the run has no number")
    answer = json.loads(api(f"repos/{repository}/actions/runs/{run}/artifacts?name={ARTIFACT}&per_page=100"))
    found: list[dict[str, Any]] = [item for item in answer["artifacts"] if item["name"] == ARTIFACT]
    if len(found) != 1:
        raise NothingToPost(f"the run has {len(found)} artifacts called {ARTIFACT}")
    if int(found[0]["size_in_bytes"]) > ARCHIVE_LIMIT_BYTES:
        raise NothingToPost(f"the artifact is larger than {ARCHIVE_LIMIT_BYTES} bytes")
    content = api(f"repos/{repository}/actions/artifacts/{int(found[0]['id'])}/zip")
    if len(content) > ARCHIVE_LIMIT_BYTES:
        raise NothingToPost(f"the artifact is larger than {ARCHIVE_LIMIT_BYTES} bytes")
    return content


def _member(files: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """Return the first `limit` bytes of a file of the archive, whatever size it claims or unpacks to."""
    with files.open(name) as file:
        return file.read(limit)


def _earlier(api: Api, repository: str, number: int) -> int | None:
    """Return the id of our own comment, the oldest of several; None where there is none among the first thousand."""
    for page in range(1, 11):
        found = json.loads(api(f"repos/{repository}/issues/{number}/comments?per_page=100&page={page}"))
        for item in found:
            if item["user"]["login"] == AUTHOR and item["body"].startswith(MARK):
                return int(item["id"])
        if len(found) < 100:
            break
    return None


if __name__ == "__main__":
    main()
