"""From numbers as released to whole numbers in 1/255 units.

May import numpy and bench.errors.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import InvalidSubmission, UsageProblem
from bench.importing.request import Rounding, Sign
from bench.importing.target import Shape, fits

CHUNK_ROWS = 1024
_SLACK = 1e-3
_LARGEST = 255


def channels_first(values: NDArray[Any], image: Shape) -> NDArray[Any]:
    """Return a view (..., C, H, W) of rows, a class table or a bank. Raises InvalidSubmission."""
    channels, height, width = image
    if not fits(values.shape, image):
        raise InvalidSubmission(
            f"file: shape {values.shape}, expected rows of {channels} x {height} x {width} (channels, height, width), "
            "or channels last; a protocol's images are never resized"
        )
    if values.ndim == 3:
        return values[:, None]
    return values if values.shape[-3:] == image else np.moveaxis(values, -1, -3)


def check_range(values: NDArray[Any], scale: int | None) -> tuple[float, float]:
    """Return the least and the largest value. Raises InvalidSubmission for a row that is not finite, UsageProblem.

    scale: what stands for full brightness in the file, 1 or 255; None: 1 for fractions, 255 for whole numbers.
    """
    low, high = np.inf, -np.inf
    for start, part in _chunks(values):
        bad = ~np.isfinite(part).reshape(len(part), -1).all(axis=1)
        if bad.any():
            raise InvalidSubmission(
                f"file: row {start + int(bad.argmax())} holds a value that is not finite (NaN, inf)"
            )
        low, high = min(low, float(part.min())), max(high, float(part.max()))
    limit = unit(values, scale)
    if max(-low, high) > limit * (1 + _SLACK):
        hint = "; if it is in units of 1/255, add --scale 255" if limit == 1 else ""
        raise UsageProblem(f"file: values from {low:g} to {high:g}, beyond {limit}{hint}")
    return low, high


def unit(values: NDArray[Any], scale: int | None) -> int:
    """Return what stands for full brightness in a file."""
    if scale is not None:
        return scale
    return 1 if values.dtype.kind == "f" else 255


def to_whole_numbers(values: NDArray[Any], scale: int | None, rounding: Rounding) -> NDArray[np.int16]:
    """Return rows in 1/255 units, int16. Halves go up; truncating goes down, as clean + change >= 0 is truncated."""
    if values.dtype.kind in "biu":
        return (values.astype(np.int64) * (_LARGEST // unit(values, scale))).astype(np.int16)
    scaled = values.astype(np.float64) * (_LARGEST / unit(values, scale))
    # What lies a rounding error below a whole number is that number: -8/255 as float32 is a little less than -8/255.
    return np.floor(scaled + (0.5 if rounding == "nearest" else _SLACK)).astype(np.int16)


def to_pixels(values: NDArray[Any], scale: int | None, rounding: Rounding) -> NDArray[np.uint8]:
    """Return images as uint8, scale 0 to 255. Raises InvalidSubmission where a value is negative."""
    pixels = np.empty(values.shape, np.uint8)
    for start, part in _chunks(values):
        whole = to_whole_numbers(part, scale, rounding)
        if whole.min() < 0:
            raise InvalidSubmission("file: an image with a negative value; if rows are changes, use --content delta")
        pixels[start : start + len(whole)] = np.minimum(whole, _LARGEST)
    return pixels


def apply_sign(delta: NDArray[np.int16], sign: Sign) -> NDArray[np.int16]:
    """Return a change as it is, or without its negative values, as the released loader of EM applies it."""
    return np.maximum(delta, 0) if sign == "official" else delta


def narrowest(delta: NDArray[np.int16]) -> NDArray[np.int8] | NDArray[np.int16]:
    """Return a change as int8 where it fits."""
    small = np.iinfo(np.int8)
    return delta.astype(np.int8) if small.min <= delta.min() and delta.max() <= small.max else delta


def _chunks(values: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    for start in range(0, len(values), CHUNK_ROWS):
        yield start, values[start : start + CHUNK_ROWS]
