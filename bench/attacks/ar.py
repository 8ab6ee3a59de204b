"""AR: autoregressive noise, in which every value follows from its neighbors by a rule of the class.

May import numpy and bench.attacks.attack. Source: arXiv:2206.03693, as in the released code.
"""

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from bench.attacks.attack import Attack, CraftInput, Progress, say_nothing
from bench.errors import SearchDiverged, UsageProblem

WINDOW = 3
CROP = 4
"""Rows and columns that are dropped where a process starts, before it has forgotten its start."""

PUBLISHED_VALUES = 3 * 32 * 32
PUBLISHED_LIMIT = 8
"""The L-infinity budget, in 1/255, beside which images of 32x32x3 get noise of L2 norm 1."""

TRIALS = 3
LARGEST_NORM = 50.0
"""L2 norm of a trial signal of 32x32x3 above which a process counts as diverging."""

SMALLEST_RESPONSES = {10: 10.0, 100: 3.0}
"""By number of classes up to which it holds: what the filters of earlier classes must respond to noise of L2 norm 1."""

CANDIDATES = 1024
"""Processes that are drawn at a time."""

MOST_CANDIDATES = 4_000_000

Floats = NDArray[np.float64]


def craft_ar(given: CraftInput) -> NDArray[np.int8] | NDArray[np.int16]:
    """Return autoregressive noise, one signal an image, one process a class, within the L2 budget.

    Its norm is `noise_radius`, and less where rounding to whole numbers would break the budget.
    """
    radius = noise_radius(given)
    limit = given.budgets.l2
    assert limit is not None, "noise_radius refuses a protocol without an L2 budget"
    generator = np.random.default_rng(given.seed)
    channels, height, width = given.images.shape[1:]
    classes, positions = np.unique(given.labels, return_inverse=True)
    processes = find_processes(generator, len(classes), (channels, height, width), report=given.progress)
    noise = np.empty(given.images.shape)
    for index, process in enumerate(processes):
        members = np.flatnonzero(positions == index)
        noise[members] = draw_noise(generator, process, len(members), (height, width))
        given.progress("classes", index + 1, len(classes))
    rounded = round_within(noise, radius, limit)
    fits = rounded.size == 0 or np.abs(rounded).max() <= np.iinfo(np.int8).max
    return rounded.astype(np.int8) if fits else rounded


def noise_radius(given: CraftInput) -> float:
    """Return the L2 norm of the noise of an image, in units of a 0-to-1 image.

    Published: 1.0 for 32x32x3 beside an L-infinity budget of 8/255; here the same root mean square for each 1/255 of
    the protocol's L-infinity budget, but no more than its L2 budget. Raises UsageProblem where one is lacking.
    """
    limit, largest = given.budgets.linf, given.budgets.l2
    if limit is None or largest is None:
        raise UsageProblem(
            f"ar needs an L2 budget to keep and an L-infinity budget to scale by; this protocol allows l2 {largest}, "
            f"linf {limit}"
        )
    values = int(np.prod(given.images.shape[1:]))
    return min(sqrt(values / PUBLISHED_VALUES) * limit / PUBLISHED_LIMIT, largest)


def find_processes(
    generator: np.random.Generator, count: int, shape: tuple[int, int, int], *, report: Progress = say_nothing
) -> Floats:
    """Return `count` processes (count, C, 3, 3) whose signals stay bounded and whose filters tell each other apart.

    Greedy, as published: a random process is taken if none of three trial signals diverges and the filters of all
    processes taken before respond to the last one. Bounds are published for 32x32x3 and scaled to the image's size.
    Raises SearchDiverged where too few are found.
    """
    channels, height, width = shape
    smallest = smallest_response(count, (height, width))
    taken: list[Floats] = []
    for tried in range(0, MOST_CANDIDATES, CANDIDATES):
        drawn = random_processes(generator, CANDIDATES, channels)
        for process, last in zip(*bounded_processes(generator, drawn, (height, width)), strict=True):
            if all(response(earlier, last) >= smallest for earlier in taken):
                taken.append(process)
            if len(taken) == count:
                return np.stack(taken)
        report(f"processes tried, {len(taken)} of {count} found", tried + CANDIDATES, None)
    raise SearchDiverged(f"ar: found {len(taken)} of {count} processes among {MOST_CANDIDATES}; another seed may do")


def bounded_processes(generator: np.random.Generator, drawn: Floats, size: tuple[int, int]) -> tuple[Floats, Floats]:
    """Return the processes (n, C, 3, 3) whose trial signals stay bounded, and the last signal of each, of norm 1.

    drawn: (B, C, 3, 3). What fails a trial is not tried again: nearly all fail the first.
    """
    (height, width), channels = size, drawn.shape[1]
    largest_norm = LARGEST_NORM * sqrt(channels * height * width / PUBLISHED_VALUES)
    signals = np.empty((0, channels, height, width))
    for _ in range(TRIALS):
        start = generator.standard_normal((len(drawn), channels, height + CROP, width + CROP))
        signals, norms = scale_signals(run_process(start, drawn))
        bounded = norms <= largest_norm  # False for NaN
        drawn, signals = drawn[bounded], signals[bounded]
    return drawn, signals


def scale_signals(signals: Floats) -> tuple[Floats, Floats]:
    """Return signals (B, C, H, W) scaled to an L2 norm of 1, and their norms before, (B,), which may not be finite."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        norms: Floats = np.sqrt(np.square(signals).sum(axis=(1, 2, 3)))
        return signals / norms[:, None, None, None], norms


def smallest_response(count: int, size: tuple[int, int]) -> float:
    """Return the published smallest response for a number of classes, scaled to images of another size.

    A response is a sum over (H - 2)(W - 2) positions and over channels of noise whose values shrink with the root of
    their number, so it grows as (H - 2)(W - 2) / sqrt(H W).
    """
    bound = next((bound for most, bound in SMALLEST_RESPONSES.items() if count <= most), SMALLEST_RESPONSES[100])
    height, width = size
    return bound * (height - 2) * (width - 2) / sqrt(height * width) / (30 * 30 / 32)


def random_processes(generator: np.random.Generator, count: int, channels: int) -> Floats:
    """Return random coefficients (count, C, 3, 3): the last of a window is 0, the others sum to 1."""
    drawn = generator.standard_normal((count, channels, WINDOW, WINDOW))
    drawn[..., -1, -1] = 0
    normalized: Floats = drawn / drawn.sum(axis=(2, 3), keepdims=True)
    return normalized


def run_process(start: Floats, process: Floats) -> Floats:
    """Return signals (B, C, H, W), not scaled, from start values (B, C, H + 4, W + 4).

    process: (B, C, 3, 3) or (1, C, 3, 3). Row by row, a value becomes the weighted sum of the eight before it in its
    window. A signal that diverges holds infinities or NaN.
    """
    # Positions first: each step of the scan then reads and writes blocks that lie together.
    values = np.ascontiguousarray(start.transpose(2, 3, 0, 1))  # (H + 4, W + 4, B, C)
    weights = np.ascontiguousarray(process.transpose(2, 3, 0, 1))
    before = [(row, column) for row, column in np.ndindex(WINDOW, WINDOW) if (row, column) != (2, 2)]
    with np.errstate(over="ignore", invalid="ignore"):
        for row, column in np.ndindex(values.shape[0] - 2, values.shape[1] - 2):
            total = np.zeros(values.shape[2:])
            for down, right in before:
                total += weights[down, right] * values[row + down, column + right]
            values[row + 2, column + 2] = total
    return np.ascontiguousarray(values[CROP:, CROP:].transpose(2, 3, 0, 1))


def draw_noise(generator: np.random.Generator, process: Floats, count: int, size: tuple[int, int]) -> Floats:
    """Return signals of one process (C, 3, 3), scaled to an L2 norm of 1 each, (count, C, H, W).

    Raises SearchDiverged where one is not finite, or nothing at all.
    """
    height, width = size
    start = generator.standard_normal((count, len(process), height + CROP, width + CROP))
    signals, norms = scale_signals(run_process(start, process[None]))
    if not (np.isfinite(norms) & (norms > 0)).all():
        raise SearchDiverged("ar: a process diverged after its trial signals; another seed may do")
    return signals


def response(process: Floats, signal: Floats) -> float:
    """Return the positive part of a process's filter over a signal (C, H, W), channels added, summed over positions."""
    return float(np.maximum(filter_signal(process, signal), 0).sum())


def filter_signal(process: Floats, signal: Floats) -> Floats:
    """Return what the filter of a process, its coefficients with -1 in the last place, gives on a signal (C, H, W).

    The result, (H - 2, W - 2), is 0 in exact arithmetic where the signal comes from that process.
    """
    matched = process.copy()
    matched[:, -1, -1] = -1
    windows = np.lib.stride_tricks.sliding_window_view(signal, (WINDOW, WINDOW), axis=(1, 2))  # (C, H-2, W-2, 3, 3)
    filtered: Floats = np.einsum("chwij,cij->hw", windows, matched)
    return filtered


def round_within(noise: Floats, radius: float, limit: float) -> NDArray[np.int16]:
    """Return noise of norm 1 scaled to `radius` and rounded to whole 1/255, each image within the L2 `limit`.

    noise: (N, C, H, W). Where rounding makes an image too long, it is shortened by a thousandth until it fits.
    """
    lengths = np.full((len(noise), 1, 1, 1), radius * 255)
    while True:
        rounded = np.rint(lengths * noise).astype(np.int16)
        over = np.sqrt(np.square(rounded, dtype=np.int64).sum(axis=(1, 2, 3))) > limit * 255
        if not over.any():
            return rounded
        lengths[over] *= 0.999


AR = Attack(
    name="AR (autoregressive noise)",
    family="synthetic-shortcut",
    summary="Noise in which each value is a weighted sum of its neighbors, with the weights of its class; weights come "
    "from the published search. Needs no network.",
    norm="l2",
    uses_labels=True,
    paper="https://arxiv.org/abs/2206.03693",
    craft=craft_ar,
    settings=lambda given: {"window": WINDOW, "crop": CROP, "radius": noise_radius(given)},
)
