"""Every task of the project: `nox -l` lists them, `nox -s NAME` runs one.

Each session installs the hashed pins of requirements/ first and the project itself second, because hashes cannot cover
an editable install. setuptools, the build backend, is among the pins, so nothing unpinned is ever fetched.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests"]

DEMO_PROTOCOL = "ue-digits-v2"
DEMO_SUBMISSIONS = ("clean", "lsp-digits", "ops-digits", "random-digits")
LOCKS = {"run": (), "test": ("--group", "test")}
HOSTILE_TESTS = (("tests/crash",), ("tests/hostile", "tests/importing"))
HALF_OF_THE_TESTS = (
    "tests/leaderboard",
    *("tests/attacks", "tests/defenses", "tests/execution", "tests/metrics", "tests/models", "tests/probes"),
)
"""Groups of tests that run beside others, in a process of their own, and take about as long."""

HOST_NAMES = re.compile(r"http|://|index-url|find-links")


@nox.session
def demo(session: nox.Session) -> None:
    """Measure four submissions on handwritten digits and build the site, without any download of data."""
    install(session, "run")
    folders = [f"submissions/{slug}" for slug in DEMO_SUBMISSIONS]
    session.run("bench", "evaluate", "--protocol", DEMO_PROTOCOL, "--tier", "quick", "--fresh", *folders)
    session.run("bench", "render")
    session.log(f"The site is ready: open {Path('site/index.html').resolve()}")
    session.log(f"or preview it over HTTP: {Path(session.bin) / 'bench'} serve   (or: nox -s serve)")


@nox.session
def serve(session: nox.Session) -> None:
    """Preview the built site; further arguments go to `bench serve`."""
    install(session, "run")
    session.run("bench", "serve", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests but the hostile ones and those in a browser; further arguments go to pytest."""
    install(session, "test")
    apart = {*HALF_OF_THE_TESTS, "tests/browser", *(folder for group in HOSTILE_TESTS for folder in group)}
    found = {path.as_posix() for path in Path("tests").iterdir() if path.is_dir() or path.match("test_*.py")}
    rest = sorted(name for name in found - apart if not name.endswith("__pycache__"))
    side_by_side(session, HALF_OF_THE_TESTS, rest)


@nox.session
def hostile(session: nox.Session) -> None:
    """Break things on purpose: hostile files, kill -9, full disks, broken promises; further arguments go to pytest.

    docs/security-tests.md and docs/faults.md say what is tried. BENCH_KILLS sets how often each command is killed.
    """
    install(session, "test")
    side_by_side(session, *HOSTILE_TESTS)


@nox.session
def bench(session: nox.Session) -> None:
    """Time SAL, training, checkpoints, the start of commands and a site of 400 results.

    docs/performance.md has tables. Minutes on an idle machine: other work on the cores makes the figures useless.
    """
    install(session, "run")
    session.run("python", "benchmarks/sal.py")
    session.run("python", "benchmarks/training.py")
    session.run("python", "benchmarks/limits.py")
    session.run("python", "benchmarks/unlearning.py")
    session.run("python", "benchmarks/startup.py")
    session.run("python", "benchmarks/site.py", "build/benchmark-site", "--boards", "4", "--entries", "100")


@nox.session
def browser(session: nox.Session) -> None:
    """Run the tests that need Chromium; they skip where there is none, unless BENCH_REQUIRE_BROWSER=1.

    BENCH_SCREENSHOTS=FOLDER also takes a picture of each template at three widths in both themes.
    """
    install(session, "test")
    session.run("pytest", "-m", "browser", "tests/browser", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format, workflows, and that the requirements name no host."""
    install(session, "test")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("zizmor", "--offline", "--quiet", ".github/workflows")
    workflows = sorted(str(path) for path in Path(".github/workflows").glob("*.yml"))
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    for name in LOCKS:
        if HOST_NAMES.search(Path(f"requirements/{name}.txt").read_text(encoding="utf-8")):
            session.error(f"requirements/{name}.txt names a host; write it with `nox -s lock`")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of bench/ strictly."""
    install(session, "test")
    session.run("mypy")


@nox.session
def site(session: nox.Session) -> None:
    """Build site/ from the stored results and check that every page is as it should be."""
    install(session, "run")
    session.run("bench", "render")
    session.run("bench", "render", "--check")


@nox.session
def submission(session: nox.Session) -> None:
    """Judge the submissions that changed since a base, and build a preview: `nox -s submission -- ROOT BASE OUT`.

    ROOT: checkout with the submissions, here by default. BASE: git commit, `main` by default. OUT: folder for
    review/comment.md and preview/, build/ by default. All steps run; the session fails if one of them does.
    """
    root, base, out = (*session.posargs, *(".", "main", "build")[len(session.posargs) :])
    preview, comment = Path(out).resolve() / "preview", Path(out).resolve() / "review" / "comment.md"
    install(session, "run")
    steps = (
        ("validate", "--changed-since", base, "--format", "github"),
        ("verify", "--against", base),
        ("review", "--base", base, "--out", str(comment)),
        ("render", "--out", str(preview)),
        ("render", "--check", "--out", str(preview)),
    )
    with session.chdir(root):
        failed = [step[0] for step in steps if not passed(session, "bench", *step)]
    if failed:
        session.error(f"failed: {', '.join(dict.fromkeys(failed))}")


@nox.session(venv_backend="none")
def lock(session: nox.Session) -> None:
    """Write requirements/ anew from pyproject.toml (needs uv); further arguments go to `uv pip compile`."""
    for name, groups in LOCKS.items():
        session.run(
            *("uv", "pip", "compile", "pyproject.toml", *groups, "--quiet"),
            *("--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url"),
            *("--custom-compile-command", "nox -s lock", "-o", f"requirements/{name}.txt", *session.posargs),
            external=True,
        )


def install(session: nox.Session, requirements: str) -> None:
    """Install pinned requirements and the project, editable. uv never fetches an interpreter by itself."""
    session.env["UV_PYTHON_DOWNLOADS"] = "never"
    session.install("--require-hashes", "-r", f"requirements/{requirements}.txt")
    session.install("--no-build-isolation", "--no-deps", "-e", ".")


def side_by_side(session: nox.Session, *groups: Iterable[str]) -> None:
    """Run groups of tests at the same time; further arguments of the session go to each."""
    arguments = [argument for group in groups for argument in (*group, "--")]
    session.run("python", "tests/side_by_side.py", *arguments, *session.posargs)


def passed(session: nox.Session, *command: str) -> bool:
    """Run a command and say whether it succeeded, so that the steps after it run too."""
    try:
        session.run(*command)
    except CommandFailed:
        return False
    return True
