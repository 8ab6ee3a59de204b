"""The study of memorization at a size that takes seconds."""

import pytest
import torch

from bench.leaderboard.study_charts import draw_study
from bench.records import canonical_bytes
from bench.studies import memorization
from bench.studies.memorization import measure_memorization, relabel
from bench.training import Labeled


@pytest.fixture(scope="module")
def record():
    # Half of the images each: with 14 networks, hardly an image is in all training sets or in none.
    patch = pytest.MonkeyPatch()
    patch.setattr(memorization, "SHARE", 0.5)
    patch.setattr(memorization, "EPOCHS", 1)
    try:
        yield measure_memorization(14, lambda _: None)
    finally:
        patch.undo()


def test_a_label_is_replaced_by_another_one():
    data = Labeled(torch.zeros(200, 1, 2, 2), torch.arange(200) % 10)
    noisy, changed = relabel(data, 10, 0.1)
    assert int(changed.sum()) == 20
    assert torch.equal(noisy.labels != data.labels, changed)
    assert set(noisy.labels.tolist()) <= set(range(10))


def test_every_image_is_counted_once_and_every_proxy_compared(record):
    assert sum(record.histogram["relabeled"]) == round(1437 * memorization.RELABELED)
    assert sum(map(sum, record.histogram.values())) == 1437
    assert len({item.proxy for item in record.agreements}) == 7
    assert all(-1 <= item.spearman <= 1 and 0 <= item.top <= 1 for item in record.agreements)


def test_charts_are_drawn_the_same_each_time(record):
    drawn = draw_study(record)
    assert sorted(drawn) == ["memorization-proxies.svg", "memorization-scores.svg"]
    assert draw_study(record) == drawn
    assert canonical_bytes(record.model_dump(mode="json", by_alias=True))
