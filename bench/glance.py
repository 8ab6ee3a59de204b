"""Glance: stored results that are plainly sound, told in one pass over their bytes.

May import bench.results and bench.result_form. A site of thousands of results is checked in full, and nearly all of
them have nothing unusual. What is said here is yes or "look closer": `bench.store` then looks at the whole document
and has the words for what it finds.
"""

import hashlib
import math
import re
from functools import cache
from typing import Any

from pydantic_core import from_json, to_json
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

PLAIN_NUMBER = 1e12
"""Numbers below it in magnitude need no look at the limits of `bench.result_form`."""

_SMALL_NUMBER = re.compile(r"(?<=[\[,:])-?0\.00000\d+(?=[,\]}])")
"""Numbers that are read back with an exponent; RFC 8785 has none down to a millionth."""

_EXPONENT = re.compile(r"[\[,:]-?\d[\d.]*[eE][-+]?\d+[,\]}]")
"""Numbers with an exponent; text may look like one."""


def plainly_sound(content: bytes, result: Result) -> bool:
    """Say whether a document is plainly its own canonical form and agrees with its key, id, seal and values by seed.

    result: what the bytes were read as, so that types and names of keys are right. False says nothing.
    """
    text = content[:-1].decode("ascii", "replace")
    if content[-1:] != b"\n" or not (text.isascii() and text.isprintable()) or "\\" in text:
        return False
    document = from_json(text, allow_inf_nan=False)
    body = {"outcome": document["outcome"], "schema": document["schema"], "subject": document["subject"]}
    leaves = _Leaves()
    if not (leaves.add_all(body, "") and _is_written_so(document, text, small=leaves.small)):
        return False
    subject = to_json(document["subject"]).decode()
    before = f'{{"id":"{result.id}","key":"{result.key}","outcome":'
    after = f',"schema":"bench.result/1","seal":"{result.seal}","subject":{subject}}}'
    if not (text.startswith(before) and text.endswith(after)):
        return False
    outcome = text[len(before) : len(text) - len(after)]
    named = f'{{"outcome":{outcome},"schema":"bench.result/1","subject":{subject}}}'
    if _digest(subject) != result.key or _digest(named) != result.id:
        return False
    return (
        leaves.have_seal(result.seal)
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


def _is_written_so(document: Any, text: str, *, small: bool) -> bool:
    """Say whether writing what was read gives the text again. small: whether it holds numbers below a 100,000th."""
    if small:
        if _EXPONENT.search(text):
            return False
        text = _SMALL_NUMBER.sub(_as_it_is_written, text)
    return bool(to_json(document) == text.encode())


def _as_it_is_written(match: re.Match[str]) -> str:
    """Return a small number with its exponent; something that fits nowhere if it is not in its shortest form."""
    value = float(match[0])
    return to_json(value).decode() if number_text(value) == match[0] else ""


def _rounds_to(value: float, stored: float) -> bool:
    return _is_rounded(stored) and abs(value - stored) < 0.5 * 10**-DECIMALS - SLACK


def _is_rounded(value: float) -> bool:
    return round(value, DECIMALS) == value


@cache
def _quantile(freedom: int) -> float:
    return float(stdtrit(freedom, 0.975))


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


class _Leaves:
    """`pointer=text` of every value of a document in order, as far as they are plain.

    small: whether there is a number below a 100,000th.
    """

    def __init__(self) -> None:
        self._all: list[str] = []
        self.small = False

    def have_seal(self, seal: str) -> bool:
        """Say whether a seal is that of the leaves; False also where one is unusually long."""
        if max(map(len, self._all)) > PLAIN_LEAF:
            return False
        sha256, length = hashlib.sha256, SEAL_HEX // 2
        return b"".join([sha256(leaf.encode()).digest()[:length] for leaf in self._all]).hex() == seal

    def add_all(self, value: Any, pointer: str) -> bool:
        """Add the leaves of a value; False where it is not plain.

        Plain is what RFC 8785 writes as it was read: no keys out of order, no 1.0, no null, nothing huge.
        """
        kind = type(value)
        if kind is dict and value:
            keys = list(value)
            return keys == sorted(keys) and all(self.add_all(value[key], f"{pointer}/{_name(key)}") for key in keys)
        if kind is list and value:
            if set(map(type, value)) <= {float, int}:
                return self._add_numbers(value, pointer)
            return all(self.add_all(item, f"{pointer}/{index}") for index, item in enumerate(value))
        if kind is str:
            self._all.append(f'{pointer}="{value}"')
        elif kind is float or kind is int:
            text = repr(value)
            if "e" in text or text.endswith(".0") or not abs(value) < PLAIN_NUMBER:
                text = self._small_number(value)
            self._all.append(f"{pointer}={text}")
            return text != ""
        elif kind is bool:
            self._all.append(f"{pointer}={'true' if value else 'false'}")
        else:
            self._all.append(f"{pointer}={to_json(value).decode()}")
        return value is not None

    def _add_numbers(self, values: list[float], pointer: str) -> bool:
        """Add the numbers of a list, where it can be at the price of few."""
        text = to_json(values).decode()
        texts = text[1:-1].split(",")
        large = max(values) >= PLAIN_NUMBER or min(values) <= -PLAIN_NUMBER
        if large or "e" in text or (".0" in text and any(item.endswith(".0") for item in texts)):
            return all(self.add_all(item, f"{pointer}/{index}") for index, item in enumerate(values))
        self._all += [f"{pointer}/{index}={item}" for index, item in enumerate(texts)]
        return True

    def _small_number(self, value: float) -> str:
        """Return a small number as RFC 8785 writes it, nothing for another one."""
        if not 0 < abs(value) < 1:
            return ""
        self.small = True
        return number_text(value)


def _name(key: str) -> str:
    """Return a key as a JSON pointer has it."""
    return key.replace("~", "~0").replace("/", "~1") if "/" in key or "~" in key else key
