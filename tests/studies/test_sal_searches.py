"""The study of SAL searches at a size that takes seconds, and its exhaustive search against a closed form."""

import pytest
import torch

from bench.data import load_data
from bench.data.dataset import ImageData, ImageSplit
from bench.leaderboard.study_charts import draw_study, found_rows
from bench.protocol import load_protocol
from bench.records import canonical_bytes
from bench.studies import sal
from bench.studies.exhaustive import exhaustive_change
from bench.studies.sal import Extent, measure_searches


@pytest.fixture(scope="module")
def record():
    """Three epochs on 200 images, searched after the last two, on 24 of them and on all."""
    protocol, patch = load_protocol(sal.PROTOCOL), pytest.MonkeyPatch()
    small = protocol.model_copy(
        update={
            "recipe": protocol.recipe.model_copy(update={"epochs": 3}),
            "sal": protocol.sal.model_copy(update={"epochs": (2, 3), "probe_images": 24}),
        }
    )
    data = load_data(protocol.dataset)
    few = ImageData(ImageSplit(data.train.images[:200], data.train.labels[:200]), data.test)
    patch.setattr(sal, "load_protocol", lambda _: small)
    patch.setattr(sal, "load_data", lambda _: few)
    try:
        extent = Extent(
            attacks=("ops",),
            epochs=(3,),
            seeds=(1,),
            sizes=((32, "same"), (32, "even"), (32, "loss")),
            steps=2,
            restarts=2,
            passes=1,
        )
        yield measure_searches(extent, lambda _: None)
    finally:
        patch.undo()


def test_every_search_gives_a_value_for_every_layer(record):
    searches = {"plain", "gradient", "converged", "thorough", "exhaustive"}
    assert [(run.attack, run.epoch) for run in record.probe] == [("none", 3), ("ops", 3)]
    for run in record.probe:
        assert run.values.keys() == run.evaluations.keys() == searches
        assert all(len(values) == len(record.layers) == 21 for values in run.values.values())
        assert all(value > 0 for values in run.values.values() for value in values)
    for run in record.whole:
        assert run.values.keys() == run.evaluations.keys() == {"official", "converged"}
        assert all(new >= 0.99 * old for old, new in zip(*run.values.values(), strict=True))


def test_more_work_finds_more(record):
    for run in record.probe:
        assert sum(run.values["thorough"]) >= 0.99 * sum(run.values["converged"])
        assert sum(run.values["converged"]) > sum(run.values["plain"])
        assert run.evaluations["thorough"] > run.evaluations["converged"]


def test_a_probe_of_all_images_is_the_last_size(record):
    assert [(size.images, size.drawn) for size in record.sizes] == [
        *((32, drawn) for drawn in ("same", "even", "loss")),
        (200, "all"),
    ]
    assert all(value >= 0 for size in record.sizes for values in size.distances.values() for value in values)


def test_the_shares_of_a_layer_reach_one(record):
    rows = found_rows(record)
    best = rows.groupby(["attack", "epoch", "layer"])["share"].max()
    assert len(best) == 2 * 21
    assert best.eq(1.0).all()


def test_charts_are_drawn_the_same_each_time(record):
    drawn = draw_study(record)
    assert sorted(drawn) == ["sal-found.svg", "sal-official.svg", "sal-sizes.svg"]
    assert draw_study(record) == drawn
    assert canonical_bytes(record.model_dump(mode="json", by_alias=True))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_exhaustive_search_finds_the_end_of_a_slope_both_ways(sign):
    slope = torch.tensor([3.0, 4.0], dtype=torch.float64)
    weight = torch.tensor([1.0, 0.0], dtype=torch.float64)

    # Steep one way, flat the other: the larger change is a rise for one sign and a fall for the other.
    def loss_and_gradient(value):
        lead = float(sign * (slope @ (value - weight)))
        return 50 + sign * max(lead, 0.1 * lead), slope * (1.0 if lead > 0 else 0.1)

    value, spent = exhaustive_change(loss_and_gradient, weight, 2.0, torch.Generator().manual_seed(0))
    assert value == pytest.approx(10.0)
    assert spent > 2 * 8
