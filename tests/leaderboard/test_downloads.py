import csv
import hashlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from justhtml import JustHTML
from leaderboard.both import build_undrawn, write_both

from bench.leaderboard.downloads_page import size_words


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    root = tmp_path_factory.mktemp("both")
    return build_undrawn(root, write_both(root))


@pytest.fixture(scope="module")
def document(files: dict[str, bytes]) -> JustHTML:
    return JustHTML(files["downloads/index.html"].decode(), strict=True, sanitize=False)


def test_sizes_in_words() -> None:
    assert [size_words(size) for size in (0, 999, 1000, 12_345, 999_960, 1_500_000)] == [
        *("0 bytes", "999 bytes", "1.0 kB", "12.3 kB", "1000.0 kB", "1.5 MB")
    ]


def test_digests_and_sizes_are_those_of_the_files(files: dict[str, bytes], document: JustHTML) -> None:
    seen = 0
    for row in document.query("table.files tbody tr"):
        cells = row.query("td")
        link = row.query("a")[0].attrs["href"]
        if link.endswith("index.html"):
            continue
        content = files[link.removeprefix("../")]
        assert cells[0].to_text() == size_words(len(content))
        assert cells[1].to_text() == hashlib.sha256(content).hexdigest()
        seen += 1
    assert seen == 7 + 2 * 5


def test_examples_run_in_the_folder_of_the_site(files: dict[str, bytes], document: JustHTML, tmp_path: Path) -> None:
    for name, content in files.items():
        if name.endswith((".parquet", ".csv", ".json")):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    examples = [node.to_text() for node in document.query("pre.example code")]
    assert len(examples) == 3
    printed = []
    for example in examples:
        run = subprocess.run(
            [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
        )
        assert run.returncode == 0, run.stderr
        printed.append(run.stdout)
    assert re.search(r"fog +0\.105000 +0\.005000 +3", printed[0])
    assert "fog" in printed[1]
    assert printed[2].splitlines()[0].startswith("1 3 fog 0.105")


def test_the_page_says_how_to_cite_and_under_which_license(files: dict[str, bytes], document: JustHTML) -> None:
    text = " ".join(document.to_text().split())
    board = re.search(r'"digest":"(sha256:[0-9a-f]{64})"', files["ue/ue-tiny-v1/ue-tiny-v1.json"].decode())
    assert board is not None
    assert board.group(1) in text
    assert "CC-BY-4.0 (12)" in text
    assert "MIT license" in text


def test_readers_of_csv_get_every_row(files: dict[str, bytes]) -> None:
    rows = list(csv.DictReader(io.StringIO(files["ue/ue-tiny-v1/ue-tiny-v1.csv"].decode())))
    assert {row["slug"] for row in rows} == {"clean", "fog", "haze", "mist", "random"}
    assert {row["replication"] for row in rows} == {"measured"}
