"""Records that fit together and are not what was measured: result, runs and ledger rewritten by hand, all seals new.

`whole` forges as far as it goes without measuring anything; what is left to see is what a result says against itself.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from corpus import Build, Case
from result_cases import Edit, at, forged, removed, runs, stored

from bench.ledger import EvaluationLine, _chained, evaluation_line, first_seal, read_ledger
from bench.results import Result
from bench.store import read_runs, run_line

Lines = list[Any]


def whole(change: Edit) -> Build:
    """Change the document, and let its runs and its ledger say the same."""

    def build(folder: Path) -> None:
        forged(change)(folder)
        # Not read as everybody does: what is refused there is what these cases try.
        result = Result.model_validate_json(stored(folder).read_bytes())
        found = [run.model_copy(update={"id": result.id}).sealed() for run in read_runs(runs(folder))]
        runs(folder).write_bytes(b"".join(map(run_line, found)))
        chain(folder, [evaluation_line(result, run, origin="evaluated", at=run.ended) for run in found])

    return build


def chain(folder: Path, lines: Lines) -> None:
    """Write a ledger of these lines, chained anew."""
    content = b"".join(line.content for line in _chained(first_seal(folder.name), lines))
    (folder / "ledger.jsonl").write_bytes(content)


def rechained(change: Callable[[Lines], Lines]) -> Build:
    """Rewrite the lines of the ledger, seals and all."""
    return lambda folder: chain(folder, change(list(read_ledger(folder).lines)))


def updated(**fields: Any) -> Build:
    """Change every evaluation in the ledger."""
    return rechained(
        lambda lines: [line.model_copy(update=fields) if isinstance(line, EvaluationLine) else line for line in lines]
    )


def raw(change: Callable[[bytes], bytes], of: Callable[[Path], Path] = lambda folder: folder / "ledger.jsonl") -> Build:
    """Change the bytes of the ledger, or of another file."""
    return lambda folder: of(folder).write_bytes(change(of(folder).read_bytes())) and None


def gaussian(**fields: Any) -> Edit:
    """Change the Gaussian scores of the first cell."""
    return lambda document: document["outcome"]["cells"][0]["gaussian"].update(fields)


def without_scores(document: dict[str, Any]) -> None:
    """Take away every score and its mean, so that nothing can be told against the method."""
    for cell in document["outcome"]["cells"]:
        cell["gaussian"]["forget"] = []
        cell["values"].pop("gus")


def lower_bound(document: dict[str, Any]) -> None:
    for found in document["outcome"]["measurements"]:
        if found["metric"] == "gus_bound":
            found["pooled"] = 0.01


def secret_kits(document: dict[str, Any]) -> None:
    """Claim that the kits derived from a secret, in words alone."""
    document["outcome"]["checks"][0] |= {"status": "pass", "detail": "noise and targets derive from a secret file"}


def another_secret(document: dict[str, Any]) -> None:
    """Claim another secret, in the words that go with it; cells keep the keys of the open challenge."""
    document["subject"]["challenge"] = commitment = f"sha256:{'1' * 64}"
    detail = "noise and targets derive from a secret file"
    document["outcome"]["checks"][0] = {
        "id": "challenge",
        "status": "pass",
        "measured": commitment[:23],
        "detail": detail,
    }


_CHECK = {"id": "budget", "status": "pass", "measured": "0", "detail": "within the budget"}
_VALUES = ("outcome", "cells", 0, "values")

UE = [
    ("check that nobody made", whole(at("outcome", "checks", value=[_CHECK])), "are not the checks"),
    ("references to nothing", whole(at("outcome", "references", value=[])), "/outcome/references"),
    (
        "reference that is not the result",
        whole(at("outcome", "references", 0, "cells", value=[f"sha256:{'0' * 64}"])),
        "is not the result itself",
    ),
    (
        "reference of another role",
        whole(at("outcome", "references", 0, "role", value="retrain")),
        "/outcome/references",
    ),
    ("key of another cell", whole(at("outcome", "cells", 0, "key", value=f"sha256:{'0' * 64}")), "/outcome/"),
    ("one run entered twice", rechained(lambda lines: [*lines, lines[-1]]), "was entered before"),
    ("ledger with another value", updated(value=0.01), "/0/value: is not that of"),
    ("ledger with other artifacts", updated(artifacts=("0" * 64,)), "/0/artifacts: is not that of"),
    ("ledger with another tier", updated(tier="quick"), "/0/tier: is not that of"),
    ("ledger with another run", updated(run=f"sha256:{'0' * 64}"), "is in no line of the runs"),
    ("ledger without its last line", rechained(lambda lines: lines[:-1]), "is not in ledger.jsonl"),
    ("ledger in lines of another system", raw(lambda b: b.replace(b"\n", b"\r\n")), "RFC 8785"),
    ("ledger with an empty line", raw(lambda b: b + b"\n"), "ledger.jsonl: /1"),
    ("ledger with a byte order mark", raw(lambda b: b"\xef\xbb\xbf" + b), "ledger.jsonl: /0"),
    ("ledger that is cut", raw(lambda b: b[:-5]), "ledger.jsonl: /0"),
    ("ledger that ends in a line separator", raw(lambda b: b + b"\xe2\x80\xa8"), "ledger.jsonl: /1"),
    ("ledger that is empty", raw(lambda _: b""), "is not in ledger.jsonl"),
    ("ledger that is gone", lambda folder: (folder / "ledger.jsonl").unlink(), "is not in ledger.jsonl"),
    ("runs without their last line break", raw(lambda b: b.rstrip(), runs), "RFC 8785 form of the runs"),
    ("runs with spaces", raw(lambda b: b.replace(b":", b": ", 1), runs), "RFC 8785 form of the runs"),
    ("runs in lines of another system", raw(lambda b: b.replace(b"\n", b"\r\n"), runs), "RFC 8785 form of the runs"),
]

UNLEARNING = [
    ("kits said to be secret", whole(secret_kits), "does not say what the subject's challenge is"),
    ("kits of another secret", whole(another_secret), "have other keys than this code gives"),
    ("check of secrecy left out", whole(removed("outcome", "checks", 0)), "are not the checks"),
    ("references swapped", whole(lambda d: d["outcome"]["references"].reverse()), "/outcome/references"),
    ("bound that does not follow", whole(lower_bound), "gus_bound does not follow"),
    ("fewer items skipped than none", whole(gaussian(skipped=-1)), "is below 0"),
    ("value of no catalog", whole(at(*_VALUES, "bonus", value=1.0)), "no metric of the catalog"),
    ("mean that is not of its scores", whole(at(*_VALUES, "gus", value=0.0)), "is not the mean of the scores"),
    ("scores without their mean", whole(removed(*_VALUES, "gus")), "is not the mean of the scores"),
    ("mean of no scores", whole(gaussian(forget=[])), "is not the mean of the scores"),
    ("scores taken away", whole(without_scores), "/outcome/measurements"),
    ("scores of other noise", whole(gaussian(never=[0.0])), "is not the mean of the scores"),
    ("scores beyond squares", whole(gaussian(forget=[1e200])), "at most 1e+12"),
    ("relearning in half an epoch", whole(at(*_VALUES, "relearn_epochs", value=0.5)), "does not follow"),
    (
        "checkpoint of another kit",
        whole(at("subject", "artifacts", 0, "original", value="0" * 64)),
        "/subject/artifacts",
    ),
]


def _cases(table: list[Any], base: str) -> list[Case]:
    return [Case(name, build, 1, word, base=base, command=("verify",)) for name, build, word in table]


RECORDS = [*_cases(UE, "results"), *_cases(UNLEARNING, "unlearned")]
