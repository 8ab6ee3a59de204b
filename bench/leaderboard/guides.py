"""Guides: how to take part, how to read a board, and the page for addresses that lead nowhere.

Imports the records and scipy; never torch.
"""

import math
from collections.abc import Iterable

from scipy.special import stdtrit

from bench.leaderboard.contexts import Fact
from bench.leaderboard.figures import DataTable
from bench.leaderboard.page_contexts import GuideContext, Step, SubmitContext
from bench.leaderboard.paired import LEVEL
from bench.leaderboard.sources import Sources
from bench.leaderboard.unlearning_order import tolerance_words
from bench.leaderboard.wording import STATUS_WORDS, list_words, margin_words
from bench.protocol import Protocol
from bench.safetensors_header import HEADER_LIMIT_BYTES
from bench.submission import (
    ARTIFACT_LIMIT_BYTES,
    FAMILIES,
    MANIFEST_LIMIT_BYTES,
    UNLEARNING_FAMILIES,
)

MEBIBYTE = 1024**2

METHODS = 14
COMPARISONS = METHODS * (METHODS - 1) // 2
"""Of the example in the guide for readers: a board of METHODS and the pairs on it."""

_STATUS_MEANINGS = {
    "ok": "The number comes from this benchmark's own runs.",
    "absent": "Nobody has evaluated the submission under this protocol yet.",
    "not_run": "The tier that was run does not include it, or something it needs was missing; the reason is given.",
    "failed": "It was run and broke off; the reason is given.",
    "not_measurable": "It was run, but the metric has no value for what came out.",
    "refused": "The artifact breaks a rule of the protocol and was not used.",
}

MISSING_DEPTH = 4
"""From how many folders down the page for missing addresses still finds the front page; pages lie at most 3 deep."""


def submit_contexts(sources: Sources) -> list[SubmitContext]:
    """Gather the guide for submitters of both tracks."""
    return [
        SubmitContext(
            path="submit/index.html",
            title="Submit a method",
            description="How to hand in perturbations or checkpoints, what is checked, and which limits hold.",
            section="submit",
            tracks=(
                ("perturbations", "Perturbations: data nobody can learn from", _perturbation_steps()),
                ("checkpoints", "Checkpoints: models that forgot", _checkpoint_steps()),
            ),
            checks=_checks(),
            limits=_limits(),
            budgets=tuple(_budgets(sources.protocols.values())),
            request=_REQUEST,
            protocols=(*sources.protocols, *sources.unlearning_protocols),
        )
    ]


def read_contexts(sources: Sources) -> list[GuideContext]:  # noqa: ARG001 - every page takes the sources
    """Gather the guide for readers."""
    return [
        GuideContext(
            path="read/index.html",
            title="How to read a board",
            description="Intervals, ranks, ties, references, controls and status words, for both questions.",
            section="read",
            statuses=tuple((STATUS_WORDS[key], meaning) for key, meaning in _STATUS_MEANINGS.items()),
            margin=margin_words(),
            tolerance=tolerance_words(),
            comparisons=(METHODS, COMPARISONS),
            power=tuple((seeds, f"{power_factor(seeds, COMPARISONS):.0f}") for seeds in (6, 8)),
        )
    ]


def missing_contexts(sources: Sources) -> list[GuideContext]:  # noqa: ARG001 - every page takes the sources
    """Gather the page for addresses that do not exist."""
    return [
        GuideContext(
            path="404.html",
            title="Nothing here",
            description="This address leads nowhere.",
            ways=tuple("../" * depth for depth in range(MISSING_DEPTH)),
        )
    ]


def power_factor(seeds: int, comparisons: int) -> float:
    """Return how far apart two methods have to be to rank apart, in standard deviations of their difference.

    That is the mean of their paired differences over the standard deviation of these, for the smallest p-value of a
    board, which Holm's correction holds against LEVEL / comparisons. seeds: at least 2.
    """
    return float(stdtrit(seeds - 1, 1 - LEVEL / comparisons / 2)) / math.sqrt(seeds)


_REQUEST = (
    (
        "The check of `bench validate` runs on the folder. It reads the manifest and the headers of the "
        "files; nothing of a "
        "submission is ever executed."
    ),
    (
        "The tests of the repository run: every stored result has to follow from its cells, belong to the artifacts "
        "that the manifest pins, and have been measured by the code as it is."
    ),
    (
        "A maintainer measures the full tier and adds the result, whichever way it comes out. A result says on which "
        "machine and with which software it was found."
    ),
    "A number that you state yourself, in `reported`, is shown as reported. It never ranks.",
    (
        "A later version is a new artifact with its own digest. Results of the old one stay in the list "
        "of stored results "
        "and leave the board."
    ),
)


def _perturbation_steps() -> tuple[Step, ...]:
    return (
        Step(
            "Make the folder",
            "bench new ue my-method",
            (
                (
                    "This writes `submissions/my-method/submission.toml` with every key explained and a "
                    "mark where you are needed."
                ),
            ),
        ),
        Step(
            "Make the perturbation",
            "bench list protocols\nbench explain ue-digits-v2",
            (
                (
                    "For each training image, in the order of the protocol, the change of every pixel as "
                    "a whole number in "
                    "units of 1/255: one `.safetensors` file with one tensor `delta`, type int8, one row "
                    "an image, channels "
                    "first."
                ),
                (
                    "Perturbations that are already released as PNG, `.npy`, `.npz`, `.pt` or `.pkl` come in with "
                    "`bench import`, which writes the file and most of the manifest."
                ),
            ),
        ),
        Step(
            "Fill in the manifest",
            "",
            (
                (
                    "Name, authors, what the method uses, how many attempts came before, whether the "
                    "test set was looked at."
                ),
                f"Families: {', '.join(FAMILIES)}.",
            ),
        ),
        Step(
            "Check and measure",
            "bench validate submissions/my-method\nbench evaluate submissions/my-method --tier quick\nbench render\n"
            "bench serve",
            (
                (
                    "Validation lists every problem at once, each with its line and the way out. It needs no GPU. The "
                    "evaluation can be stopped and goes on where it was."
                ),
            ),
        ),
        Step("Open a pull request", "", ("Send the folder. The same check runs there.",)),
    )


def _checkpoint_steps() -> tuple[Step, ...]:
    return (
        Step(
            "Get the kits",
            "bench challenge unlearning-digits-v1 --out kits",
            (
                (
                    "A kit has the poisoned training set, which of it has to be forgotten, and the network before "
                    "unlearning: one kit for each probe and seed."
                ),
                (
                    "Take the kits from who evaluates. Training rounds differently on other machines, so kits made "
                    "elsewhere have another original, and checkpoints from them cannot be compared."
                ),
            ),
        ),
        Step(
            "Make the folder",
            "bench new unlearning my-method",
            (f"This writes the manifest. Families: {', '.join(UNLEARNING_FAMILIES)}.",),
        ),
        Step(
            "Unlearn",
            "",
            (
                (
                    "Return one `.safetensors` checkpoint for each kit, with exactly the tensors of its original. The "
                    "manifest names the original of each, and what it cost if you know."
                ),
            ),
        ),
        Step(
            "Check and measure",
            "bench validate submissions/my-method\nbench evaluate submissions/my-method --tier quick\nbench render\n"
            "bench serve",
            ("A checkpoint that equals its original, or one of another submission, is named on the board.",),
        ),
        Step("Open a pull request", "", ("Send the folder. The same check runs there.",)),
    )


def _checks() -> DataTable:
    return DataTable(
        "What is checked before anything is measured",
        ("check", "what happens"),
        (
            ("manifest: keys, types, values, protocols, metrics", "refused with exit code 3, line and hint"),
            ("file: digest, size, names, types and shapes of tensors", "refused with exit code 3"),
            (
                ("perturbation: budget, in whole numbers, on the image that is trained on"),
                "refused, first offender named",
            ),
            ("perturbation: class-wise or sample-wise, measured from the file", "a warning; both words are shown"),
            ("checkpoint: every value is finite", "refused, the tensor is named"),
            ("safety: regular file inside the folder, safetensors, consistent header", "exit code 4, not opened"),
        ),
    )


def _limits() -> DataTable:
    return DataTable(
        "Limits of a submission",
        ("what", "limit"),
        (
            ("manifest", f"{MANIFEST_LIMIT_BYTES // 1024} KiB, plain text, unknown keys are refused"),
            (
                "artifact",
                (f"{ARTIFACT_LIMIT_BYTES // MEBIBYTE:,} MiB, its header {HEADER_LIMIT_BYTES // MEBIBYTE} MiB"),
            ),
            ("perturbation", "int8 in units of 1/255; under L0, L2 and without a limit also int16"),
            ("links", "https only"),
        ),
    )


def _budgets(protocols: Iterable[Protocol]) -> Iterable[Fact]:
    for protocol in protocols:
        budgets = {"L-infinity": protocol.budgets.linf, "L0": protocol.budgets.l0, "L2": protocol.budgets.l2}
        allowed = [
            f"{name} {value:g}{'/255' if name == 'L-infinity' else ''}" for name, value in budgets.items() if value
        ]
        allowed += ["unbounded"] if protocol.budgets.unbounded else []
        yield Fact(f"Budget of {protocol.id}", list_words(allowed))
