"""Building bit by bit: whatever changed, the site is the one that is made at once, and the rest is left as it is."""

import os
import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from factories import Found, make_result, make_run, write_submission
from manifest_factory import manifest_text
from protocol_factory import make_protocol
from synthetic import write_perturber, write_synthetic
from unlearning_factory import Left, make_checkpoint_result, write_unlearner

from bench.errors import CorruptResult, UsageProblem
from bench.leaderboard import building, changelog, crew, history, shelf
from bench.leaderboard.building import Workshop, build_files, render_site, stale_files
from bench.leaderboard.exports import parquet
from bench.leaderboard.publishing import LISTING
from bench.leaderboard.sources import read_sources
from bench.protocol import Protocol
from bench.store import load_results
from bench.unlearning_protocol import AnyProtocol, UnlearningProtocol


@dataclass(frozen=True)
class Load:
    """Two boards of each track with six submissions each, and the finished site beside them."""

    root: Path
    protocols: Mapping[str, AnyProtocol]

    @property
    def out(self) -> Path:
        return self.root / "site"

    @property
    def ue(self) -> list[Protocol]:
        return [item for item in self.protocols.values() if isinstance(item, Protocol)]

    @property
    def unlearning(self) -> list[UnlearningProtocol]:
        return [item for item in self.protocols.values() if isinstance(item, UnlearningProtocol)]

    def render(self) -> int:
        return render_site(self.root, self.out, protocols=self.protocols).made

    def times(self) -> dict[str, int]:
        files = (path for path in self.out.rglob("*") if path.is_file() and path.name != LISTING)
        return {path.relative_to(self.out).as_posix(): path.stat().st_mtime_ns for path in files}


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Load:
    root = tmp_path_factory.mktemp("rendered")
    load = Load(root, write_synthetic(root, boards=4, entries=6))
    load.render()
    return load


@pytest.fixture
def load(rendered: Load, tmp_path: Path) -> Load:
    copy = Load(tmp_path / "copy", rendered.protocols)
    shutil.copytree(rendered.root, copy.root)
    return copy


def another_result(load: Load) -> None:
    write_perturber(load.root, 4, load.ue[:1], edition=1)


def another_checkpoint(load: Load) -> None:
    slug = "load00-0005"
    result = make_checkpoint_result(Left(gus=0.1, patch=0.2), slug, protocol=load.unlearning[0], edit={"zrf": 0.7})
    write_unlearner(load.root, slug, protocol=load.unlearning[0], results=[result], unlearner="other")


def another_reference(load: Load) -> None:
    protocol = load.ue[0]
    found = Found((0.91, 0.92, 0.93))
    write_submission(
        load.root,
        "load-0000",
        name="Clean training",
        family="reference",
        protocols=[item.id for item in load.ue],
        results=[(make_result(protocol, found, digest=None), make_run(ended="2027-01-01T00:00:00Z"))],
    )


def another_name(load: Load) -> None:
    path = load.root / "submissions/load-0003/submission.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("Method 0003", "Fog & <mist>"), encoding="utf-8")


def a_submission_less(load: Load) -> None:
    shutil.rmtree(load.root / "submissions/load-0005")


def a_submission_more(load: Load) -> None:
    write_perturber(load.root, 6, load.ue)


def an_unreadable_one(load: Load) -> None:
    (load.root / "submissions/load-0002/submission.toml").write_text("slug = 3", encoding="utf-8")


def a_result_of_a_board_that_the_manifest_left(load: Load) -> None:
    """No board shows it, but the history of its protocol and the file of all measurements tell of it."""
    path = load.root / "submissions/load-0004/submission.toml"
    left, kept = load.ue[0].id, load.ue[1].id
    text = path.read_text(encoding="utf-8").replace(f'["{left}", "{kept}"]', f'["{kept}"]')
    before, artifact = text.split("[[artifact]]", 1)
    tables = [part for part in artifact.split("[[artifact]]") if left not in part]
    path.write_text("[[artifact]]".join([before, *tables]), encoding="utf-8")
    load.render()
    write_perturber(load.root, 4, load.ue[:1], edition=2)
    path.write_text("[[artifact]]".join([before, *tables]), encoding="utf-8")


def another_run(load: Load) -> None:
    stored = load_results(load.root / "submissions/load-0004")[0]
    path = stored.path.with_suffix(".runs.jsonl")
    later = make_run(id=stored.result.id, ended="2027-05-05T00:00:00Z").sealed()
    path.write_bytes(path.read_bytes() + later.model_dump_json().encode() + b"\n")


CHANGES = (
    another_result,
    another_checkpoint,
    another_reference,
    another_name,
    a_submission_less,
    a_submission_more,
    an_unreadable_one,
    another_run,
    a_result_of_a_board_that_the_manifest_left,
)


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_made_bit_by_bit_is_what_is_made_at_once(load: Load, change: Callable[[Load], None]) -> None:
    load.render()
    change(load)
    assert load.render() >= 1
    assert stale_files(load.root, load.out, protocols=load.protocols) == []


def test_many_changes_one_after_the_other_leave_nothing_behind(load: Load) -> None:
    order = list(CHANGES)
    random.Random(5).shuffle(order)
    for change in order:
        change(load)
        load.render()
    assert stale_files(load.root, load.out, protocols=load.protocols) == []


def test_nothing_is_made_where_nothing_changed(load: Load) -> None:
    load.render()
    before = load.times()
    assert load.render() == 0
    assert load.times() == before


def test_one_result_touches_its_board_its_page_and_what_is_about_everything(load: Load) -> None:
    load.render()
    before = load.times()
    another_name(load)
    load.render()
    touched = {name for name, at in load.times().items() if before.get(name) != at}
    folders = {"/".join(name.split("/")[:2]) for name in touched if "/" in name}
    boards = {f"ue/{protocol.id}" for protocol in load.ue}
    assert folders >= boards | {"submissions/load-0003"}
    assert not any(name.startswith("unlearning/unlearning-") for name in touched)
    assert not any(name.startswith("submissions/load0") for name in touched)


@pytest.mark.parametrize("spoil", ["change", "delete"])
def test_a_spoiled_file_of_the_site_is_made_again(load: Load, spoil: str) -> None:
    load.render()
    page = load.out / "submissions/load-0003/index.html"
    whole = page.read_bytes()
    if spoil == "delete":
        page.unlink()
    else:
        page.write_bytes(whole.replace(b"Method", b"Nethod"))  # of the same length
    assert load.render() == 1
    assert page.read_bytes() == whole


def test_an_interrupted_rendering_is_taken_up_again(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(load.out)
    real, named = Path.replace, 0

    def break_off(path: Path, target: Path) -> Path:
        nonlocal named
        named += load.out in target.parents
        if named == 9:
            raise KeyboardInterrupt
        return real(path, target)

    monkeypatch.setattr(Path, "replace", break_off)
    with pytest.raises(KeyboardInterrupt):
        load.render()
    monkeypatch.undo()
    load.render()
    assert stale_files(load.root, load.out, protocols=load.protocols) == []


def test_an_index_of_other_code_or_of_none_is_not_believed_and_one_of_another_form_is(load: Load) -> None:
    index = load.root / ".bench/site" / shelf.INDEX
    whole = index.read_bytes()
    for content in (b"{}", b"\xff", whole.replace(b'"code":"', b'"code":"0'), whole.replace(b"\n", b"")):
        index.write_bytes(content)
        load.render()
        assert known(index.read_bytes()) == known(whole)


def known(index: bytes) -> dict[str, shelf.Kept]:
    folders = shelf.Index.model_validate_json(index).folders
    return {name: kept.model_copy(update={"stamp": ""}) for name, kept in folders.items()}


def test_files_that_nobody_touched_are_not_opened_again(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "JUST_NOW", 0)
    another_name(load)
    load.render()
    opened: list[str] = []
    survey = shelf._survey
    monkeypatch.setattr(shelf, "_survey", lambda folder, *rest: opened.append(folder.name) or survey(folder, *rest))
    load.render()
    assert opened == []
    another_result(load)
    load.render()
    assert opened == ["load-0004"]


def test_what_boards_found_outlives_renderings_that_need_none_of_it(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    load.render()
    assert load.render() == 0
    gathered: list[str] = []
    rows = parquet._rows
    monkeypatch.setattr(parquet, "_rows", lambda sources, board: gathered.append(board.id) or rows(sources, board))
    another_checkpoint(load)
    load.render()
    assert gathered == [load.unlearning[0].id]


def test_only_changes_of_a_board_that_changed_are_worded_again(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    load.render()
    worded: list[str] = []
    words = changelog.change_line
    monkeypatch.setattr(
        changelog, "change_line", lambda board, change: worded.append(board.protocol.id) or words(board, change)
    )
    another_checkpoint(load)
    load.render()
    assert set(worded) == {load.unlearning[0].id}


def test_days_are_ranked_while_boards_are_made_and_not_again(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(load.root / ".bench" / "site" / "memory")
    boards = [f"board {protocol}" for protocol in load.protocols]
    assert len(list(Workshop.open(load.root, load.protocols).make(boards))) == len(boards)
    ranked: list[object] = []
    ranks = history._ranks
    monkeypatch.setattr(history, "_ranks", lambda *given: ranked.append(given) or ranks(*given))
    assert all(Workshop.open(load.root, load.protocols).make(["site"]))
    assert ranked == []


def test_a_run_makes_its_board_its_page_and_what_is_about_everything_and_nothing_else(load: Load) -> None:
    load.render()
    another_run(load)
    assert load.render() == 3


def test_an_index_that_is_added_to_is_the_one_that_is_written_at_once(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "JUST_NOW", 0)
    load.render()
    another_result(load)
    a_submission_more(load)
    load.render()
    index = load.root / ".bench/site" / shelf.INDEX
    added_to = index.read_bytes()
    index.unlink()
    load.render()
    assert index.read_bytes() == added_to


def test_the_list_of_files_is_written_again_only_where_it_changes(load: Load) -> None:
    load.render()
    listing = load.out / LISTING
    whole, written = listing.read_bytes(), listing.stat().st_mtime_ns
    assert load.render() == 0
    assert listing.stat().st_mtime_ns == written
    # Two lines about a part are what a rendering leaves that was interrupted right before its end.
    listing.write_bytes(whole + whole.splitlines(keepends=True)[0])
    load.render()
    assert listing.read_bytes() == whole


def test_what_was_found_about_a_board_that_is_gone_is_forgotten(load: Load) -> None:
    load.render()
    gone = load.ue[0].id
    fewer = Load(load.root, {name: item for name, item in load.protocols.items() if name != gone})
    folders = list((load.root / ".bench/site/memory").glob("*/*"))
    assert {folder.name for folder in folders} == set(load.protocols)
    fewer.render()
    assert {folder.name for folder in folders if folder.exists()} == set(fewer.protocols)


def test_a_memory_that_the_disk_damaged_is_not_believed(load: Load) -> None:
    load.render()
    for path in (load.root / ".bench/site/memory").rglob("*.json"):
        content = path.read_bytes()
        path.write_bytes(content[:-9] + bytes(byte ^ 1 for byte in content[-9:]))
    another_result(load)
    load.render()
    assert stale_files(load.root, load.out, protocols=load.protocols) == []


def test_days_that_a_history_left_are_forgotten(load: Load) -> None:
    load.render()
    days = load.root / ".bench/site/memory"
    before = {path.name for path in days.glob(f"*/{load.ue[0].id}/ranks of a day/*")}
    shutil.rmtree(load.root / "submissions/load-0005")
    load.render()
    after = {path.name for path in days.glob(f"*/{load.ue[0].id}/ranks of a day/*")}
    assert after < before


def test_a_change_that_keeps_size_and_time_of_a_file_is_seen(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "JUST_NOW", 0)
    load.render()
    path = load.root / "submissions/load-0003/submission.toml"
    at = path.stat()
    path.write_bytes(path.read_bytes().replace(b"Method 0003", b"Nethod 0003"))
    os.utime(path, ns=(at.st_atime_ns, at.st_mtime_ns))
    load.render()
    assert "Nethod 0003" in (load.out / "submissions/load-0003/index.html").read_text(encoding="utf-8")


def test_what_changed_just_now_is_looked_at_again(load: Load) -> None:
    load.render()
    another_name(load)
    load.render()
    index = shelf.Index.model_validate_json((load.root / ".bench/site" / shelf.INDEX).read_bytes())
    assert index.folders["load-0003"].stamp == ""


def test_a_result_that_changes_is_checked_again(load: Load) -> None:
    load.render()
    path = next((load.root / "submissions/load-0004/results").glob("*/*.json"))
    path.write_bytes(path.read_bytes().replace(b'"status":"ok"', b'"status":"OK"', 1))
    with pytest.raises(CorruptResult, match=r"load-0004.*status"):
        load.render()


def test_a_result_that_changes_while_the_site_is_built_is_noticed(load: Load) -> None:
    sources = read_sources(load.root, protocols=load.protocols)
    stored = sources.entries[4].results[0]
    stored.path.write_bytes(b"{}")
    with pytest.raises(CorruptResult, match="changed while"):
        _ = stored.content


def test_processes_of_their_own_make_the_same_site(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = build_files(load.root, protocols=load.protocols)
    monkeypatch.setattr(crew, "WORTH_A_CREW", 2)  # to read
    monkeypatch.setattr(building, "RESULTS_WORTH_A_CREW", 2)  # to make pages
    assert build_files(load.root, protocols=load.protocols) == alone


def test_a_folder_with_something_else_in_it_is_left_as_it_is(load: Load) -> None:
    other = load.root / "other"
    (other / "read").mkdir(parents=True)
    (other / "read/index.html").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageProblem, match="not rendered"):
        render_site(load.root, other, protocols=load.protocols)
    assert (other / "read/index.html").read_text(encoding="utf-8") == "mine"


def test_reading_through_the_index_gives_what_reading_the_files_gives(load: Load) -> None:
    load.render()
    cache = load.root / ".bench/site"
    code = shelf.Index.model_validate_json((cache / shelf.INDEX).read_bytes()).code
    fresh = read_sources(load.root, protocols=load.protocols)
    known = read_sources(load.root, protocols=load.protocols, cache=cache, code=code)
    assert known.entries == fresh.entries
    assert known.unlearning_entries == fresh.unlearning_entries
    assert known.everything == fresh.everything


def test_a_manifest_alone_makes_a_page(tmp_path: Path) -> None:
    protocol = make_protocol()
    (tmp_path / "submissions/fog").mkdir(parents=True)
    (tmp_path / "submissions/fog/submission.toml").write_text(manifest_text(), encoding="utf-8")
    assert "submissions/fog/index.html" in build_files(tmp_path, protocols={protocol.id: protocol})
