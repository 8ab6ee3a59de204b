"""Whether what a result claims beside its measurements fits: checks, references, secrecy of kits, keys of cells.

May import the records, the tables and the tracks; no torch. Measurements are bench.verification's.
"""

from collections.abc import Iterator

from bench.challenge_secret import challenge_check, hidden_check, open_secret
from bench.data.identity import pin_stated
from bench.protocol import Protocol
from bench.results import Check, Result
from bench.tracks.ue_estimators import build_subject
from bench.tracks.unlearning import REFERENCES
from bench.tracks.unlearning import build_subject as build_checkpoint_subject
from bench.unlearning_protocol import AnyProtocol

CHECKS = {"ue": ("shape", "budget", "kind", "change"), "unlearning": ("challenge", "tensors", "copies")}
"""What is checked before a submission is measured, by track; a budget only where there is one."""

OPTIONAL = frozenset({"budget", "kind"})


def claim_findings(result: Result, protocol: AnyProtocol, *, keys_hold: bool) -> Iterator[str]:
    """Yield where a result claims what its own subject does not allow, JSON pointer first.

    keys_hold: whether its cells have the keys that today's code gives them.
    """
    yield from _check_findings(result)
    yield from _reference_findings(result)
    if not keys_hold and _is_of_today(result, protocol):
        yield "/outcome/cells: have other keys than this code gives to what the subject names"


def _check_findings(result: Result) -> Iterator[str]:
    subject, checks = result.subject, result.outcome.checks
    expected = CHECKS[subject.track] if subject.artifacts else ()
    found = [check.id for check in checks]
    needed = [name for name in expected if name in found or name not in OPTIONAL]
    if found != needed:
        names = ", ".join(expected) or "none"
        yield f"/outcome/checks: are not the checks of such a submission ({names})"
    for index, check in enumerate(checks):
        if check.id == "challenge" and not _states_secrecy(check, subject.challenge or ""):
            yield f"/outcome/checks/{index}: does not say what the subject's challenge is"


def _states_secrecy(check: Check, commitment: str) -> bool:
    """Say whether a check tells an open challenge, whose commitment everybody knows, from a secret one."""
    opened = commitment == open_secret().commitment
    return check == (challenge_check(open_secret()) if opened else hidden_check(commitment))


def _reference_findings(result: Result) -> Iterator[str]:
    ue = result.subject.track == "ue"
    roles = ["clean"] if ue else list(REFERENCES)
    if [item.role for item in result.outcome.references] != roles:
        yield f"/outcome/references: are not {' and '.join(roles)}"
    elif ue and not result.subject.artifacts and result.outcome.references[0].cells != _keys(result):
        yield "/outcome/references/0: is not the result itself, which is clean training"


def _keys(result: Result) -> tuple[str, ...]:
    return tuple(cell.key for cell in result.outcome.cells)


def _is_of_today(result: Result, protocol: AnyProtocol) -> bool:
    """Say whether a result states the digest of the evaluation code as it is, so that its keys can be worked out."""
    subject = result.subject
    dataset = pin_stated(protocol.dataset, subject.data)
    if isinstance(protocol, Protocol):
        now = build_subject(protocol, subject.tier, (), dataset)
    else:
        now = build_checkpoint_subject(protocol, subject.tier, (), dataset, str(subject.challenge))
    return subject.evaluator == now.evaluator
