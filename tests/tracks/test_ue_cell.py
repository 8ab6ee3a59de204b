"""What a cell trains on, starts from and is probed with, before any training."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from measured import small_protocol, write_clean, write_noise, write_protocol

from bench.artifacts import read_perturbation
from bench.data import load_data
from bench.protocol import Cell, OfficialSal
from bench.submission import load_submission
from bench.tracks.ue import CellJob
from bench.tracks.ue_cell import CellState, _probe_set, prepare, record, train_and_measure

CPU = torch.device("cpu")


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    write_protocol(tmp_path / "protocols")
    monkeypatch.setenv("BENCH_PROTOCOLS", str(tmp_path / "protocols"))
    folders = {"clean": write_clean(tmp_path), "noise": write_noise(tmp_path)}

    def prepare_cell(slug: str, seed: int = 0) -> CellState:
        submission = load_submission(folders[slug])
        artifact = next(iter(submission.manifest.artifact), None)
        cell = Cell("resnet-narrow", "none", seed)
        job = CellJob("sha256:key", small_protocol(), cell, submission.folder, artifact, "label")
        return prepare(CellState(job, CPU, lambda *_: None))

    return prepare_cell


def test_a_cell_trains_on_the_clipped_sum_and_tests_on_clean_images(prepared):
    state = prepared("noise")
    data = load_data(state.job.protocol.dataset)
    delta = read_perturbation(state.job.folder, state.job.artifact).values.astype(int)
    trained = np.clip(data.train.images.astype(int) + delta, 0, 255)
    assert (delta != 0).any()
    assert np.array_equal((state.train.images * 255).round().numpy(), trained)
    assert np.array_equal((state.test.images * 255).round().numpy(), data.test.images)
    assert np.array_equal(state.train.labels.numpy(), data.train.labels)


def test_without_an_artifact_the_images_are_as_they_are(prepared):
    state = prepared("clean")
    assert np.array_equal(
        (state.train.images * 255).round().numpy(), load_data(state.job.protocol.dataset).train.images
    )


def weights(state: CellState) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in state.model.parameters()])


def test_one_seed_starts_every_submission_from_the_same_weights_and_another_does_not(prepared):
    assert torch.equal(weights(prepared("clean")), weights(prepared("noise")))
    assert not torch.equal(weights(prepared("clean")), weights(prepared("clean", seed=1)))


def test_the_probe_images_are_the_same_choice_for_every_cell(prepared):
    protocol = small_protocol()
    labels = [_probe_set(prepared(slug, seed).train, protocol).labels for slug in ("clean", "noise") for seed in (0, 1)]
    assert all(torch.equal(labels[0], other) for other in labels)
    assert len(labels[0]) == protocol.sal.probe_images


def test_a_whole_cell_repeats_exactly_and_its_seed_and_its_images_matter(prepared):
    def measured(slug: str, seed: int = 0):
        return record(train_and_measure(prepared(slug, seed))).result

    clean = measured("clean")
    assert clean == measured("clean")
    assert clean.train_loss != measured("noise").train_loss
    assert clean.train_loss != measured("clean", seed=1).train_loss
    assert clean.sal.epochs == (1, 2)
    assert len(clean.test_accuracy) == 2


def test_the_published_search_is_run_beside_and_moves_nothing_else(prepared):
    plain = record(train_and_measure(prepared("clean"))).result
    state = prepared("clean")
    official = OfficialSal(seeds=(0,), epochs=(2,), passes=1)
    sal = state.job.protocol.sal.model_copy(update={"official": official})
    job = replace(state.job, protocol=state.job.protocol.model_copy(update={"sal": sal}))
    both = record(train_and_measure(replace(state, job=job))).result
    assert plain.official is None
    assert both.model_copy(update={"official": None}) == plain
    assert both.official.epochs == (2,)
    assert both.official.running_loss == (both.train_loss[1],)
    assert both.official.layers == both.sal.layers
    assert all(low <= high for low, high in zip(both.official.lowest[0], both.official.highest[0], strict=True))
