"""Glance: stored results that are plainly sound, told in one pass over their bytes.

May import bench.results and bench.result_form. A site of thousands of results is checked in full, and nearly all of
them have nothing unusual. What is said here is yes or "look closer": `bench.store` then looks at the whole document
and has the words for what it finds.
"""

import hashlib
import json
import math
import re
from functools import cache
from typing import Any

from scipy.special import stdtrit

from bench.records import number_text
from bench.result_form import form_findings
from bench.results import DECIMALS, SEAL_HEX, Measurement, Result, summarize

PLAIN_LEAF = 400
"""Most characters of a value with its place; the limits of `bench.result_form` are not below it."""

PLAIN_SIZE = 1e4
"""Largest magnitude of values whose spread is followed in floats: their noise stays far below SLACK."""

SLACK = 1e-9
"""Distance from a tie of rounding within which floats do not decide."""

_UNUSUAL_NUMBER = re.compile(r"[\[,:]-?(?:\d+\.0[,\]}]|[\d.]+[eE][-+]?\d+[,\]}]|\d{13}[\d.]*[,\]}])")
"""Numbers that Python writes otherwise than RFC 8785 does, or that may be too large; text may look like one."""

_SMALL_NUMBER = re.compile(r"(?<=[\[,:])-?0\.0000\d+(?=[,\]}])")
"""Numbers that Python writes with an exponent, and RFC 8785 without down to a millionth."""


def plainly_sound(content: bytes, result: Result) -> bool:
    """Say whether a document is plainly its own canonical form and agrees with its key, id, seal and values by seed.

    result: what the bytes were read as, so that types and names of keys are right. False says nothing.
    """
    text = content[:-1].decode("ascii", "replace")
    if content[-1:] != b"\n" or not (text.isascii() and text.isprintable()) or "\\" in text:
        return False
    if _UNUSUAL_NUMBER.search(text):
        return False
    document = json.loads(text)
    if _text(document) != _SMALL_NUMBER.sub(_as_python_writes, text):
        return False
    subject = _text(document["subject"])
    before = f'{{"id":"{result.id}","key":"{result.key}","outcome":'
    after = f',"schema":"bench.result/1","seal":"{result.seal}","subject":{subject}}}'
    if not (text.startswith(before) and text.endswith(after)):
        return False
    outcome = text[len(before) : len(text) - len(after)]
    named = f'{{"outcome":{outcome},"schema":"bench.result/1","subject":{subject}}}'
    if _digest(subject) != result.key or _digest(named) != result.id:
        return False
    body = {"outcome": document["outcome"], "schema": document["schema"], "subject": document["subject"]}
    return (
        _sealed(body, result.seal)
        and all(map(_plainly_stated, result.outcome.measurements))
        and next(form_findings(result), None) is None
    )


def plainly_follows(stored: Measurement) -> bool:
    """Say whether mean, standard deviation and interval plainly are those that `results.summarize` finds.

    Floats decide wherever no tie of rounding is near; `summarize` takes exact fractions for the same.
    """
    values = stored.per_seed
    if not values or stored.mean is None or any(abs(value) > PLAIN_SIZE or not _is_rounded(value) for value in values):
        return False
    count = len(values)
    mean = math.fsum(values) / count
    if round(mean, DECIMALS) != stored.mean:
        return False
    if count == 1:
        return stored.sd is None and stored.ci95 is None
    if stored.sd is None or stored.ci95 is None:
        return False
    sd = math.sqrt(math.fsum([(value - mean) ** 2 for value in values]) / (count - 1))
    half = _quantile(count - 1) * sd / math.sqrt(count)
    low, high = stored.ci95
    return _rounds_to(sd, stored.sd) and _rounds_to(mean - half, low) and _rounds_to(mean + half, high)


def _plainly_stated(stored: Measurement) -> bool:
    if stored.per_seed:
        return plainly_follows(stored) or _follows(stored, stored.per_seed)
    return stored.pooled is not None if stored.status == "ok" else bool(stored.reason)


def _follows(stored: Measurement, per_seed: tuple[float, ...]) -> bool:
    expected = summarize(stored.metric, stored.condition, per_seed)
    return (stored.mean, stored.sd, stored.ci95) == (expected.mean, expected.sd, expected.ci95)


def _as_python_writes(match: re.Match[str]) -> str:
    """Return a small number with its exponent; something that fits nowhere if it is not in its shortest form."""
    value = float(match[0])
    return repr(value) if number_text(value) == match[0] else ""


def _rounds_to(value: float, stored: float) -> bool:
    return _is_rounded(stored) and abs(value - stored) < 0.5 * 10**-DECIMALS - SLACK


def _is_rounded(value: float) -> bool:
    return round(value, DECIMALS) == value


@cache
def _quantile(freedom: int) -> float:
    return float(stdtrit(freedom, 0.975))


def _text(document: Any) -> str:
    return json.dumps(document, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _sealed(body: dict[str, Any], seal: str) -> bool:
    """Say whether a seal is that of a document in canonical order; False also where a value is unusually long."""
    leaves: list[str] = []
    if not _flatten(body, "", leaves) or max(map(len, leaves)) > PLAIN_LEAF:
        return False
    leaves = [_as_rfc_writes(leaf) if "e-" in leaf else leaf for leaf in leaves]
    sha256, length = hashlib.sha256, SEAL_HEX // 2
    return b"".join([sha256(leaf.encode()).digest()[:length] for leaf in leaves]).hex() == seal


def _as_rfc_writes(leaf: str) -> str:
    """Return a leaf with a small number as RFC 8785 has it; a text as it is."""
    pointer, _, value = leaf.rpartition("=")
    return leaf if leaf.endswith('"') else f"{pointer}={number_text(float(value))}"


def _flatten(value: Any, pointer: str, leaves: list[str]) -> bool:
    """Append `pointer=text` of every value in order; False where there is a null, which no canonical result has."""
    kind = type(value)
    if kind is dict and value:
        for key, item in value.items():
            name = key.replace("~", "~0").replace("/", "~1") if "/" in key or "~" in key else key
            if not _flatten(item, f"{pointer}/{name}", leaves):
                return False
        return True
    if kind is list and value:
        if set(map(type, value)) <= {float, int}:
            leaves += [f"{pointer}/{index}={item!r}" for index, item in enumerate(value)]
            return True
        return all(_flatten(item, f"{pointer}/{index}", leaves) for index, item in enumerate(value))
    if kind is str:
        leaves.append(f'{pointer}="{value}"')
    elif kind is float or kind is int:
        leaves.append(f"{pointer}={value!r}")
    elif kind is bool:
        leaves.append(f"{pointer}={'true' if value else 'false'}")
    else:
        leaves.append(f"{pointer}={_text(value)}")
    return value is not None
