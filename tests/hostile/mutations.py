"""Promises broken on purpose: what is changed in the code, and the tests that have to fail then.

A break is a text of one source file and what takes its place. Those of CORE are made at every run of the hostile
session; those of mutations_of_details with BENCH_MUTATIONS=all.
"""

from dataclasses import dataclass

HOSTILE = "tests/hostile/test_hostile.py"
PROMISES = "tests/hostile/test_promises.py"
IMPORTS = "tests/hostile/test_imports.py"
KITS = "tests/hostile/test_kits.py"
CONFINEMENT = "tests/importing/test_confinement.py"
COVERAGE = "tests/statistics/test_coverage.py"


@dataclass(frozen=True)
class Mutation:
    """name: the promise. old, new: texts in `file`. tests: what pytest runs; select: its -k."""

    name: str
    file: str
    old: str
    new: str
    tests: str
    select: str = ""


CORE = [
    Mutation(
        "a file is on the disk before it has its name",
        "bench/files.py",
        "            os.fsync(self._descriptor)\n",
        "            pass\n",
        "tests/test_files.py",
    ),
    Mutation(
        "a file is renamed into its place",
        "bench/files.py",
        "            self._temporary.replace(self._path)\n",
        "            self._path.write_bytes(self._temporary.read_bytes())\n            self._temporary.unlink()\n",
        "tests/test_files.py",
    ),
    Mutation(
        "the name is on the disk before the writer goes on",
        "bench/files.py",
        "    _side_by_side(_sync_folder, sorted({path.parent for path in files}))\n",
        "",
        "tests/test_files.py",
    ),
    Mutation(
        "no path leaves its folder",
        "bench/untrusted.py",
        '    if ".." in parts:\n',
        "    if False:\n",
        HOSTILE,
        "goes-up",
    ),
    Mutation(
        "no path is absolute",
        "bench/untrusted.py",
        '    if path.startswith("/"):\n',
        "    if False:\n",
        HOSTILE,
        "absolute",
    ),
    Mutation(
        "no link is followed",
        "bench/untrusted.py",
        "os.O_RDONLY | os.O_NOFOLLOW |",
        "os.O_RDONLY |",
        HOSTILE,
        "link and not links",
    ),
    Mutation(
        "pages escape everything",
        "bench/leaderboard/environment.py",
        "autoescape=True",
        "autoescape=False",
        "tests/leaderboard/test_pages.py",
        "hostile",
    ),
    Mutation(
        "the test is paired",
        "bench/leaderboard/paired.py",
        "    squares = ((apart if whole else np.where(present, apart, 0.0)) ** 2).sum(axis=0)\n",
        "    squares = 2 * (np.where(present, differences, 0.0) ** 2).sum(axis=0)\n",
        "tests/leaderboard/test_paired.py",
    ),
    Mutation(
        "equal entries are told apart on one board in twenty at most",
        "bench/leaderboard/families.py",
        "        apart &= squared",
        "        apart |= squared",
        "tests/leaderboard/test_families.py",
    ),
    Mutation(
        "many pairs need more evidence",
        "bench/leaderboard/families.py",
        "    holm[tested] = holm_rejects(t_p_values(count[tested], mean[tested], spread[tested]))\n",
        "    holm[tested] = t_p_values(count[tested], mean[tested], spread[tested]) <= LEVEL\n",
        "tests/leaderboard/test_families.py",
    ),
    Mutation(
        "what is said of a method holds over its networks",
        "bench/metrics/gus_statistics.py",
        "    return [items, [mean(values) for values in networks]] if len(networks) > 1 else [items]\n",
        "    return [items]\n",
        COVERAGE,
        "over_networks or margin_is_called",
    ),
    Mutation(
        "a kit is what its seal says",
        "bench/kit_files.py",
        '            if file.finish() != entry["sha256"]:\n',
        "            if False:\n",
        KITS,
        "one-other-bit",
    ),
    Mutation(
        "a seal needs the secret",
        "bench/kit_files.py",
        "    if not fits:\n",
        "    if False:\n",
        KITS,
        "digest or secret or seed",
    ),
    Mutation(
        "a control out of its band stops publication",
        "bench/leaderboard/canaries.py",
        'return "out"\n',
        'return "undecided"\n',
        "tests/leaderboard/test_canaries.py",
    ),
    Mutation(
        "a line of a ledger names the one before",
        "bench/ledger.py",
        "    if line.previous != before:\n",
        "    if False:\n",
        "tests/test_integrity.py",
        "ledger",
    ),
    Mutation(
        "measurements follow from cells",
        "bench/verification.py",
        "        if found != follows:",
        "        if False:",
        HOSTILE,
        "better-accuracy or same-SAL",
    ),
    Mutation(
        "pickles build data and call nothing",
        "bench/importing/pickles.py",
        "        if (module, name) not in _NAMES:\n",
        "        if (module, name):\n            return super().find_class(module, name)\n        if False:\n",
        IMPORTS,
        "system or eval",
    ),
]
