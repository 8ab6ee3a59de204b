"""AR: filters that answer nothing to their own noise, published coefficients, radius, budget, shapes."""

from math import sqrt

import numpy as np
import pytest
from surrogate_factory import given_digits

from bench.attacks.ar import (
    craft_ar,
    draw_noise,
    filter_signal,
    find_processes,
    noise_radius,
    random_processes,
    response,
    round_within,
    run_process,
    smallest_response,
)
from bench.attacks.attack import CraftInput
from bench.data.places import data_folders
from bench.errors import SearchDiverged, UsageProblem
from bench.protocol import Budgets

DIGITS = Budgets(linf=64, l2=1.5)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def published_processes() -> np.ndarray:
    for folder in data_folders():
        path = folder / "ar_params.npz"
        if path.is_file():
            return np.load(path, allow_pickle=False)["classes10_mr10"].astype(np.float64)
    pytest.skip("ar_params.npz, the published coefficients, is in no data folder")


def shapes_of(count: int, side: int, channels: int) -> CraftInput:
    images = np.full((count, channels, side, side), 128, np.uint8)
    return CraftInput(images, np.arange(count, dtype=np.int64) % 2, Budgets(linf=8, l2=1.0), 0)


def check_filters(processes: np.ndarray, size: tuple[int, int], smallest: float) -> None:
    """Hold the noise of every class against the filter of every class."""
    for index, process in enumerate(processes):
        for signal in draw_noise(generator(index), process, 3, size):
            for other, tried in enumerate(processes):
                if other == index:
                    # Relative to values of about 1 / sqrt(C H W); processes may swell on the way.
                    assert np.abs(filter_signal(tried, signal)).max() < 1e-9
                else:
                    assert response(tried, signal) > smallest


def test_a_filter_answers_nothing_to_noise_of_its_own_class_and_much_to_that_of_others():
    check_filters(find_processes(generator(), 10, (1, 8, 8)), (8, 8), 0.1)


def test_the_published_coefficients_pass_the_same_test():
    check_filters(published_processes(), (32, 32), 3.0)


def test_a_process_is_the_raster_scan_of_the_definition():
    process = random_processes(generator(), 1, 2)
    start = generator(1).standard_normal((1, 2, 7, 8))
    values = start[0].copy()
    for channel, row, column in np.ndindex(2, 5, 6):
        window = values[channel, row : row + 3, column : column + 3]
        values[channel, row + 2, column + 2] = (process[0, channel] * window).sum()
    assert np.allclose(run_process(start, process)[0], values[:, 4:, 4:], rtol=1e-9)


def test_coefficients_sum_to_one_and_leave_out_the_last():
    drawn = random_processes(generator(), 50, 3)
    assert np.allclose(drawn.sum(axis=(2, 3)), 1)
    assert not drawn[..., -1, -1].any()


def test_the_published_image_gets_the_published_bounds():
    assert smallest_response(10, (32, 32)) == pytest.approx(10)
    assert smallest_response(100, (32, 32)) == pytest.approx(3)
    images = np.zeros((1, 3, 32, 32), np.uint8)
    assert noise_radius(CraftInput(images, np.zeros(1, np.int64), Budgets(linf=8, l2=2.0), 0)) == pytest.approx(1.0)


def test_the_radius_keeps_its_share_of_the_budget_at_another_size():
    # The same root mean square, 1 / sqrt(3072) for each 8/255, on 64 values beside 64/255.
    assert noise_radius(given_digits(budgets=DIGITS)) == pytest.approx(8 * 8 / sqrt(3072))
    assert noise_radius(given_digits(budgets=Budgets(linf=64, l2=0.5))) == 0.5


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (12, 3)])
def test_the_budget_is_kept_after_rounding_and_nearly_used(side, channels):
    delta = craft_ar(shapes_of(6, side, channels))
    lengths = np.sqrt(np.square(delta, dtype=np.int64).sum(axis=(1, 2, 3))) / 255
    radius = min(1.0, sqrt(channels * side**2 / 3072))
    assert delta.shape == (6, channels, side, side)
    assert lengths.max() <= 1.0
    assert np.abs(lengths - radius).max() < 0.5 / 255 * sqrt(channels) * side  # rounding, at the very most


def test_rounding_beyond_the_budget_shortens_the_noise():
    noise = np.full((1, 1, 2, 2), 0.5)
    # 0.5 * 3 rounds to 2 in each of four values: length 4 instead of 3.
    assert np.linalg.norm(round_within(noise, 3 / 255, 5 / 255)) == 4
    assert np.linalg.norm(round_within(noise, 3 / 255, 3 / 255)) == 2


def test_noise_that_diverges_is_an_error():
    wild = np.full((1, 3, 3), 1e200)
    with pytest.raises(SearchDiverged, match="diverged"):
        draw_noise(generator(), wild, 2, (8, 8))


def test_the_seed_decides_the_perturbation():
    first, again, other = (craft_ar(given_digits(30, budgets=DIGITS, seed=seed)) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_without_an_l2_budget_it_says_what_it_needs():
    with pytest.raises(UsageProblem, match="needs an L2 budget"):
        craft_ar(given_digits())
