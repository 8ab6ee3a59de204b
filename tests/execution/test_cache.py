"""Finished cells on disk."""

import threading

from factories import make_cell

from bench.execution.cache import CachedCell, CellCache


def cached(key: str = "sha256:" + "ab" * 32) -> CachedCell:
    return CachedCell(
        cell=make_cell().model_copy(update={"key": key}),
        run={"seconds": 1.5, "ended": "2026-01-01T00:00:00+00:00"},
        git_commit=None,
        git_dirty=None,
        hardware={"cores": 2},
        software={"torch": "2"},
        determinism={"threads": 1},
    )


def test_a_cell_reads_back_equal_and_an_unknown_key_is_none(tmp_path):
    cache = CellCache(tmp_path)
    cache.write(cached())
    assert cache.read(cached().cell.key) == cached()
    assert cache.read("sha256:" + "cd" * 32) is None


def test_a_damaged_cell_counts_as_missing(tmp_path):
    cache = CellCache(tmp_path)
    cache.write(cached())
    path = next(tmp_path.glob("*/*.json"))
    path.write_bytes(path.read_bytes()[:50])
    assert cache.read(cached().cell.key) is None


def test_a_cell_moved_under_another_key_counts_as_missing(tmp_path):
    cache = CellCache(tmp_path)
    cache.write(cached())
    path = next(tmp_path.glob("*/*.json"))
    moved = path.with_name(f"{'ab' * 31}cd.json")
    path.rename(moved)
    assert cache.read(f"sha256:{moved.stem}") is None


def test_who_wants_a_cell_removes_what_a_killed_writer_left_of_it(tmp_path):
    cache = CellCache(tmp_path)
    cache.write(cached())
    left = next(tmp_path.glob("*/*.json")).with_name(f".{'ab' * 32}.json.x.tmp")
    left.write_bytes(b"half")
    with cache.lock(cached().cell.key):
        assert not left.exists()
    assert cache.read(cached().cell.key) == cached()


def test_of_two_that_want_one_cell_the_second_waits(tmp_path):
    cache, order, entered = CellCache(tmp_path), [], threading.Event()

    def first():
        with cache.lock("sha256:aa"):
            entered.set()
            release.wait(10)
            order.append("first")

    release = threading.Event()
    thread = threading.Thread(target=first)
    thread.start()
    entered.wait(10)
    threading.Timer(0.2, release.set).start()
    with cache.lock("sha256:aa"):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]
