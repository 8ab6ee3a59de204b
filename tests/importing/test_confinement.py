"""What the process that reads files cannot do, whatever runs in it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

ATTEMPTS = {
    "open a file": "open('/etc/hostname')",
    "write a file": "open('marker', 'w')",
    "run a command": "import os; os.system('touch marker')",
    "start a process": "import _posixsubprocess, os; os.fork()",
    "replace itself": "import os; os.execv('/bin/true', ['true'])",
    "make a socket": "import _socket; _socket.socket()",
    "import a module": "import wave",
    "load a library": "import ctypes; ctypes.CDLL(None)",
    "run text": "exec('1')",
    "list a folder": "import os; os.listdir('.')",
    "end another process": "import os; os.kill(os.getppid(), 0)",
}


def run_confined(attempt: str, folder: Path) -> subprocess.CompletedProcess[str]:
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "import os, ctypes, _socket, _posixsubprocess\n"
        "from bench.importing import confinement\n"
        "confinement.limit_process()\n"
        "network = confinement.leave_network()\n"
        f"{attempt}"
    )
    command = [sys.executable, "-I", "-B", "-c", script]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_the_confined_process_cannot(attempt, tmp_path):
    code = f"confinement.refuse_all_else()\n{ATTEMPTS[attempt]}\nprint('done')"
    done = run_confined(code, tmp_path)
    assert done.stdout == ""
    assert "RefusedArtifact" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_attempts_succeed_without_confinement(tmp_path):
    assert run_confined("open('marker', 'w'); print('done')", tmp_path).stdout == "done\n"


def test_memory_is_limited(tmp_path):
    assert "MemoryError" in run_confined("bytearray(5 * 1024**3)", tmp_path).stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="network namespaces are Linux's")
def test_without_the_interpreter_the_network_is_still_away(tmp_path):
    code = "s = _socket.socket(); print(network)\ntry: s.connect(('127.0.0.1', 9))\nexcept OSError as e: print(e.errno)"
    found = run_confined(code, tmp_path).stdout.split()
    if found[0] == "False":
        pytest.skip("this system lends no user namespaces")
    assert found[1] == "101"  # network is unreachable: even the loopback is down
