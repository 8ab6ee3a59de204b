"""Numbers: rounding, ticks at round values, and labels of ticks, as the charting library has them.

Imports nothing of the project.
"""

import math
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal

from bench.leaderboard.painting.subset import OutsideSubset

MINUS = "\u2212"
_FORMAT = re.compile(r"(?:\.(\d+))?(~?)([fg])")

Writer = Callable[[float], str]


def rounded(value: float) -> int:
    """Return the nearest whole number, the upper one of two."""
    return math.floor(value + 0.5)


def brief(value: float) -> str:
    """Return a coordinate as text, to 1/100 of a pixel."""
    text = f"{value:.2f}"
    if text[-1] != "0":
        return text
    text = text[:-1] if text[-2] != "0" else text[:-3]
    return text if text != "-0" else "0"


def tick_step(start: float, stop: float, count: int) -> tuple[float, bool]:
    """Return the distance of about `count` ticks; where it is below 1 its inverse, so that it is a whole number."""
    rough = (stop - start) / max(count, 0)
    power = math.floor(math.log10(rough))
    share = rough / 10.0**power
    factor = 10 if share >= math.sqrt(50) else 5 if share >= math.sqrt(10) else 2 if share >= math.sqrt(2) else 1
    if power < 0:
        return 10.0**-power / factor, True
    return 10.0**power * factor, False


def ticks(start: float, stop: float, count: int) -> list[float]:
    """Return about `count` round values from start to stop, both included where they are round. start < stop."""
    step, inverse = tick_step(start, stop, count)
    if inverse:
        first, last = rounded(start * step), rounded(stop * step)
        first += first / step < start
        last -= last / step > stop
        return [index / step for index in range(first, last + 1)]
    first, last = rounded(start / step), rounded(stop / step)
    first += first * step < start
    last -= last * step > stop
    return [index * step for index in range(first, last + 1)]


def nice(start: float, stop: float, count: int = 10) -> tuple[float, float]:
    """Widen a span to round values. start < stop."""
    before = None
    for _ in range(10):
        step, inverse = tick_step(start, stop, count)
        if (step, inverse) == before:
            break
        if inverse:
            start, stop = math.floor(start * step) / step, math.ceil(stop * step) / step
        else:
            start, stop = math.floor(start / step) * step, math.ceil(stop / step) * step
        before = (step, inverse)
    return start, stop


def span_writer(start: float, stop: float, count: int, form: str | None) -> Writer:
    """Return what writes the ticks of a linear axis; without a precision in `form` the distance of ticks decides it.

    form: such as `~f` or `.2~g`; None for digits in groups of three. Raises OutsideSubset for others.
    """
    precision, trim, kind = _parsed(form) if form is not None else (None, False, "f")
    if precision is None:
        step, inverse = tick_step(start, stop, count)
        if kind == "g":
            raise OutsideSubset(f"number format {form} without a precision")
        precision = max(0, -Decimal(repr(1 / step if inverse else step)).adjusted())
    return _writer(precision, trim, kind, grouped=form is None)


def plain_writer(form: str) -> Writer:
    """Return what writes the ticks of a logarithmic axis. Raises OutsideSubset for a form that is not known here."""
    precision, trim, kind = _parsed(form)
    return _writer(12 if precision is None else precision, trim or precision is None, kind, grouped=False)


def _parsed(form: str) -> tuple[int | None, bool, str]:
    found = _FORMAT.fullmatch(form)
    if found is None:
        raise OutsideSubset(f"number format {form}")
    return (int(found[1]) if found[1] else None), bool(found[2]), found[3]


def _writer(precision: int, trim: bool, kind: str, *, grouped: bool) -> Writer:
    def write(value: float) -> str:
        digits = _fixed(abs(value), precision) if kind == "f" else _general(abs(value), precision)
        if trim and "." in digits:
            body, mark, exponent = digits.partition("e")
            digits = body.rstrip("0").rstrip(".") + mark + exponent
        if grouped:
            whole, point, rest = digits.partition(".")
            digits = f"{int(whole):,}{point}{rest}"
        return MINUS + digits if value < 0 and digits.strip("0.") else digits

    return write


def _fixed(value: float, precision: int) -> str:
    return f"{Decimal(value).quantize(Decimal(1).scaleb(-precision), ROUND_HALF_UP):f}"


def _general(value: float, precision: int) -> str:
    """Write so many digits that count, with an exponent only where the number is longer than them or below 1e-6."""
    precision = max(1, precision)
    if value == 0:
        return _fixed(0, precision - 1)
    exact = Decimal(value)
    short = exact.quantize(Decimal(1).scaleb(exact.adjusted() - precision + 1), ROUND_HALF_UP)
    exponent = short.adjusted()
    if -7 < exponent < precision:
        return f"{short.quantize(Decimal(1).scaleb(exponent - precision + 1)):f}"
    body = f"{short.scaleb(-exponent).quantize(Decimal(1).scaleb(1 - precision)):f}"
    return f"{body}e{'+' if exponent >= 0 else '-'}{abs(exponent)}"
