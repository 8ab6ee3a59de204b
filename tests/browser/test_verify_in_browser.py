"""Verification in the browser agrees with Python: on digests, on rounding, on sound results and on changed ones."""

import copy
import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
from browser.conftest import Site, Watched
from playwright.sync_api import Page, Route, expect

from bench.leaderboard.wording import MINUS, number
from bench.metrics.catalog import METRICS
from bench.records import canonical_bytes
from bench.results import leaves, seal_of

BOARD = "ue/ue-wide-v1/index.html"
UNLEARNING = "unlearning/unlearning-tiny-v1/index.html"
SUBMISSION = "submissions/em-wide/index.html"
STORED = Path(__file__).parents[2] / "submissions"
EDITS = 50

CHECK = (
    "async (texts) => Promise.all(texts.map(async (text) => (await bench.verification.checkDocument(text)).problems))"
)


def smallest_results() -> list[Path]:
    """The smallest stored result of each protocol."""
    found: dict[str, Path] = {}
    for path in sorted(STORED.glob("*/results/*/*.json"), key=lambda path: path.stat().st_size, reverse=True):
        found[path.parent.name] = path
    return list(found.values())


def test_sha_256_is_that_of_python(watched: Watched) -> None:
    page, generator = watched.open("index.html"), random.Random(1)
    texts = ["", "abc", *("".join(generator.choices("aé€😀", k=length)) for length in (1, 20, 55, 56, 63, 64, 65, 500))]
    found = page.evaluate("texts => texts.map((text) => bench.digest.sha256(bench.digest.encode(text)))", texts)
    assert found == [hashlib.sha256(text.encode()).hexdigest() for text in texts]


def test_canonical_bytes_are_those_of_python(watched: Watched) -> None:
    values: list[Any] = [
        {"b": 1.0, "a": [0.1, 1e21, 1e-7, -0.5, 333333333.33333329, 9007199254740991]},
        {"é": '\u20ac\n"\\/\u0001\u007f', "10": None, "9": True, "": {}},
        [[], {}, ""],
    ]
    found = watched.open("index.html").evaluate("values => values.map(bench.digest.canonical)", values)
    assert found == [canonical_bytes(value).decode() for value in values]


def test_numbers_are_rounded_as_the_pages_round_them(watched: Watched) -> None:
    generator = random.Random(2)
    halves = [step / 2**power for power in range(1, 5) for step in range(-41, 42, 3)]
    values = [0.9625, 0.00125, -0.0004, 1.85, 0.285, *halves, *(round(generator.uniform(-2, 2), 6) for _ in range(300))]
    cases = [(value, METRICS[key].decimals, key) for value in values for key in ("ud", "gus", "tow")]
    found = watched.open("index.html").evaluate(
        "cases => cases.map(([value, decimals]) => bench.verification.fixed(value, decimals))", cases
    )
    assert found == [number(METRICS[key], value) for value, _, key in cases]


def test_real_stored_results_hold(watched: Watched) -> None:
    texts = [path.read_text(encoding="utf-8") for path in smallest_results()]
    assert len(texts) >= 3
    page = watched.open("index.html")
    assert page.evaluate(CHECK, texts) == [[] for _ in texts]
    body = {key: value for key, value in json.loads(texts[0]).items() if key in ("schema", "subject", "outcome")}
    assert page.evaluate("body => bench.verification.sealOf(body).join('')", body) == seal_of(body)


def changed(value: Any, generator: random.Random) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + generator.choice((-1, 1))
    if isinstance(value, float):
        return round(value + generator.choice((-1e-6, 1e-6, 0.5)), 6)
    if isinstance(value, str):
        place = generator.randrange(len(value) + 1)
        return f"{value[:place]}{generator.choice('0f~')}{value[place:]}"
    return 0


def edited(document: dict[str, Any], pointer: str, generator: random.Random) -> str:
    copied = copy.deepcopy(document)
    *path, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    place: Any = copied
    for part in path:
        place = place[int(part)] if isinstance(place, list) else place[part]
    key: Any = int(last) if isinstance(place, list) else last
    place[key] = changed(place[key], generator)
    return canonical_bytes(copied).decode() + "\n"


def test_every_changed_value_is_reported(watched: Watched) -> None:
    generator, texts, pointers = random.Random(3), [], []
    for path in smallest_results():
        document = json.loads(path.read_text(encoding="utf-8"))
        places = [pointer for pointer, _ in leaves(document)]
        chosen = [*generator.sample(places, EDITS // 4), "/id", "/key", "/seal"]
        pointers += chosen
        texts += [edited(document, pointer, generator) for pointer in chosen]
    assert len(texts) >= EDITS
    problems = watched.open("index.html").evaluate(CHECK, texts)
    for pointer, found in zip(pointers, problems, strict=True):
        assert found, pointer
        if pointer.startswith(("/subject", "/outcome")):
            assert f"{pointer} was changed" in found


def test_other_bytes_of_the_same_values_are_reported(watched: Watched) -> None:
    text = smallest_results()[0].read_text(encoding="utf-8")
    others = [
        text.removesuffix("\n"),
        json.dumps(json.loads(text), indent=1),
        text.replace('"id":', '"id":"x","id":', 1),
        "[]",
        "null",
        "{",
        '{"id":1,"key":1,"outcome":{"measurements":[null]},"schema":"bench.result/1","seal":"","subject":{}}',
    ]
    assert all(watched.open("index.html").evaluate(CHECK, others))


def verify(page: Page) -> tuple[str, list[str]]:
    if page.locator(".found-words").count() == 0:
        page.get_by_role("button", name="Verify").first.click()
    page.locator(".panel").get_by_role("button", name="Verify in this browser").click()
    expect(page.locator(".found-words:is(.holds, .differs)")).to_be_visible(timeout=20_000)
    return page.locator(".found-words").inner_text(), page.locator(".verified li").all_inner_texts()


@pytest.mark.parametrize("name", [BOARD, UNLEARNING, SUBMISSION, "submissions/gd-tiny/index.html"])
def test_sound_pages_verify(watched: Watched, name: str) -> None:
    page = watched.open(name)
    words, lines = verify(page)
    assert words.startswith("All ")
    assert all(line.startswith("verified ") for line in lines)
    if name in (BOARD, UNLEARNING):
        assert len(lines) == page.locator("#board tr[data-result]").count()
    expect(page.locator(".found-words")).to_have_class("found-words holds")


def test_only_rows_that_are_shown_are_verified(watched: Watched) -> None:
    words, lines = verify(watched.open(f"{BOARD}#q=lsp"))
    assert words.startswith("All 1 result verified")
    assert lines == ["verified LSP (linearly separable perturbation)"]


def test_an_edited_document_is_reported_with_its_place(watched: Watched, site: Site) -> None:
    def serve(route: Route) -> None:
        text = route.fetch().text()
        route.fulfill(body=edited(json.loads(text), "/outcome/cells/0/test_accuracy/0", random.Random(4)))

    page = watched.open("404.html")
    page.route("**/submissions/lsp-wide/*.json", serve)
    page.goto(site.url + BOARD)
    words, lines = verify(page)
    assert words.startswith("1 of ")
    assert words.endswith("could not be verified.")
    wrong = [line for line in lines if line.startswith("differs ")]
    assert len(wrong) == 1
    assert "LSP" in wrong[0]
    assert "/outcome/cells/0/test_accuracy/0 was changed" in wrong[0]


def test_another_sound_result_in_place_of_a_row_is_reported(watched: Watched, site: Site) -> None:
    other = next((site.folder / "submissions/ops-wide").glob("*.json")).read_text(encoding="utf-8")
    page = watched.open("404.html")
    page.route("**/submissions/lsp-wide/*.json", lambda route: route.fulfill(body=other))
    page.goto(site.url + BOARD)
    _, lines = verify(page)
    assert [line[:11] for line in lines if not line.startswith("verified")] == ["differs LSP"]
    assert any("is another result than this page was made from" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        (BOARD, "#board tr[data-slug='lsp-wide'] td:nth-child(3) .mean"),
        (UNLEARNING, "#board tr[data-slug='gd-tiny'] td:nth-child(3) .mean"),
        (SUBMISSION, "tr[data-metric='test_accuracy'] td"),
    ],
)
def test_a_changed_number_of_the_page_is_reported(watched: Watched, name: str, cell: str) -> None:
    page = watched.open(name)
    shown = page.locator(cell).first
    text = shown.inner_text()
    digits = text.replace(MINUS, "")
    wrong = digits.replace(digits[0], "7" if digits[0] != "7" else "8", 1)
    shown.evaluate("(node, text) => { node.textContent = text; }", wrong)
    _, lines = verify(page)
    assert [line for line in lines if f"the page shows {wrong}, the document has" in line]


def test_on_a_disk_chosen_files_are_verified(watched: Watched, site: Site, tmp_path: Path) -> None:
    page = watched.open(f"{BOARD}#q=pixel+shortcut", base=site.folder.as_uri() + "/")
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_role("button", name="Verify in this browser")).to_have_count(0)
    sound = next((site.folder / "submissions/ops-wide").glob("*.json"))
    chooser = page.get_by_label("Choose result files (.json)")
    chooser.set_input_files(sound)
    expect(page.locator(".found-words")).to_contain_text("All 1 result verified")
    broken = tmp_path / sound.name
    broken.write_text(sound.read_text(encoding="utf-8").replace('"seed":0', '"seed":7', 1), encoding="utf-8")
    chooser.set_input_files(broken)
    expect(page.locator(".verified li")).to_contain_text("was changed")
    expect(page.locator(".found-words.differs")).to_be_visible()
    chooser.set_input_files(tmp_path / "missing.json" if (tmp_path / "missing.json").write_text("{}") else broken)
    expect(page.locator(".verified li")).to_contain_text("was not among the chosen files")
    page.get_by_label("or a folder of the site").set_input_files(site.folder / "submissions")
    expect(page.locator(".found-words")).to_contain_text("All 1 result verified")
