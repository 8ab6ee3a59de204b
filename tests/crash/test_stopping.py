"""Being told to stop: by Ctrl-C, by the system, by kill -9 of the parent alone; and two processes at once.

These run the real program in processes of its own: what is tested is how it starts, and which processes it leaves.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from nursing import Nursery, write_world
from readers import EVALUATION, content
from test_pipeline import command, environment

EVALUATE = ("evaluate", "submissions/clean", "--jobs", "2")
CHALLENGE = ("challenge", "unlearning-small-v1", "--jobs", "2")


@pytest.fixture(autouse=True)
def _hears_signals() -> Iterator[None]:
    """Undo that a shell lets what it runs in the background ignore Ctrl-C, and `nohup` the end of a terminal.

    Programs started from here inherit it.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler), signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGINT, before[0])
    signal.signal(signal.SIGHUP, before[1])


def start(root: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Start the program in a session of its own, as a terminal does."""
    return subprocess.Popen(
        command(*arguments),
        cwd=root,
        env=environment(root),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def session(leader: int) -> dict[int, str]:
    """Return the command lines of the living processes of a session, by process id."""
    found = {}
    for task in Path("/proc").glob("[0-9]*"):
        try:
            fields = (task / "stat").read_text().rpartition(")")[2].split()
            line = (task / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found[int(task.name)] = line
    return found


def eventually(holds: Callable[[], bool]) -> bool:
    """Say whether something comes to hold within a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.02)
    return False


def workers(leader: int) -> list[int]:
    return [number for number, line in session(leader).items() if "spawn_main" in line]


def knows_its_work(worker: int) -> bool:
    """Say whether a worker has been told what to do: only then it loads what bench is made of.

    Before that Python itself, not bench, complains of a parent that is gone, however short that moment is.
    """
    try:
        return "pydantic_core" in Path(f"/proc/{worker}/maps").read_text()
    except OSError:
        return False


def caught_at_work(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Start the program and return once both of its workers are at work.

    Their work is short: on a busy machine one can be done before the other has begun, and then it is started anew.
    """
    for attempt in range(5):
        process = start(write_world(folder / str(attempt)), *arguments)
        if eventually(partial(both_at_work_or_done, process)) and both_at_work(process.pid):
            return process
        process.kill()
        process.communicate()
    pytest.fail("both workers were not seen at work at one time, five times")


def both_at_work_or_done(process: "subprocess.Popen[str]") -> bool:
    return both_at_work(process.pid) or process.poll() is not None


def both_at_work(leader: int) -> bool:
    return [knows_its_work(worker) for worker in workers(leader)] == [True, True]


@pytest.mark.parametrize("arguments", [EVALUATE, CHALLENGE], ids=lambda found: found[0])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGHUP], ids=lambda n: n.name)
def test_no_worker_outlives_its_parent_however_it_ends(tmp_path, arguments, number):
    with caught_at_work(tmp_path, *arguments) as process:
        os.kill(process.pid, number)
        _, err = process.communicate(timeout=60)
        assert eventually(lambda: session(process.pid) == {})
    if number in (signal.SIGINT, signal.SIGTERM):
        assert process.returncode == 130
        assert "interrupted; " in err
        assert "run the same command to go on" in err
    else:
        assert process.returncode == -number
    assert "Traceback" not in err


def test_ctrl_c_of_a_terminal_reaches_every_process_and_is_answered_by_one(tmp_path):
    root = write_world(tmp_path)
    with start(root, *EVALUATE) as process:
        assert eventually(lambda: len(workers(process.pid)) >= 1)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert eventually(lambda: session(process.pid) == {})
    assert process.returncode == 130
    assert err.splitlines()[-1] == "interrupted; finished cells are kept, run the same command to go on"
    assert "Traceback" not in err


INTERRUPTED = """
import os, runpy, signal, sys
def interrupt(event, arguments):
    if event == "import" and arguments[0] == {module!r}:
        os.kill(os.getpid(), signal.SIGINT)
sys.addaudithook(interrupt)
sys.argv = ["bench", "evaluate", "submissions/clean", "--jobs", "1"]
runpy.run_module("bench", run_name="__main__")
"""


@pytest.mark.parametrize(
    "module", ["bench.cli", "typer", "bench.errors", "bench.evaluation", "filelock", "pydantic", "rich.progress"]
)
def test_ctrl_c_while_the_program_starts_ends_with_a_word_and_130(tmp_path, module):
    root = write_world(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.format(module=module)],
        cwd=root,
        env=environment(root),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 130, done.stderr
    assert done.stderr.splitlines()[-1].startswith("interrupted")
    assert "Traceback" not in done.stderr


def test_two_processes_at_once_measure_each_cell_once_and_find_the_same(nursery: Nursery, tmp_path):
    alone, root = write_world(tmp_path / "alone"), write_world(tmp_path / "together")
    evaluate = ("evaluate", "submissions/clean", "submissions/noise", "--jobs", "1")
    assert nursery.run(alone, *evaluate).code == 0
    both = [start(root, *evaluate) for _ in range(2)]
    said = [process.communicate(timeout=300)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    measured = [
        line.split(": ")[0].split(" ", 1)[1] for text in said for line in text.splitlines() if " s, about" in line
    ]
    assert sorted(measured) == sorted(set(measured))
    assert len(measured) == 4
    assert content(root, *EVALUATION) == content(alone, *EVALUATION)
    assert "0 problems" in nursery.run(root, "verify").said


def test_two_that_render_into_one_folder_at_once_leave_one_whole_site(nursery: Nursery, tmp_path):
    alone, root = write_world(tmp_path / "alone"), write_world(tmp_path / "together")
    assert nursery.run(alone, "render").code == 0
    both = [start(root, "render") for _ in range(2)]
    said = [process.communicate(timeout=300)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert content(root, "site") == content(alone, "site")


HOLD = """
import sys, time
from pathlib import Path
from bench.execution.cache import CellCache
with CellCache(Path(sys.argv[1])).lock("sha256:" + "ab" * 32):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lock_ends_with_its_holder_even_after_kill_9(tmp_path):
    from bench.execution.cache import CellCache

    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], env=environment(tmp_path), stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.kill()
    with CellCache(tmp_path).lock("sha256:" + "ab" * 32):
        assert list(tmp_path.glob("*/*.lock"))
