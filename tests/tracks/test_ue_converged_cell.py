"""A cell whose SAL is searched on drawn images: which images, what it leaves alone, and that it repeats."""

from dataclasses import replace

import pytest
import torch
from measured import small_protocol, write_clean, write_noise, write_protocol
from pydantic import ValidationError

from bench.metrics.probe_set import draw_by_loss, image_losses
from bench.protocol import Cell, OfficialSal, Protocol, SalSettings
from bench.runtime import generator_for
from bench.submission import load_submission
from bench.tracks import ue_cell, ue_converged_cell, ue_estimators
from bench.tracks.ue import CELL_MODULES, CellJob
from bench.tracks.ue_cell import CellState, prepare, record
from bench.tracks.ue_converged_cell import measure_drawn, run_cell, train_and_measure
from bench.tracks.ue_estimators import CONVERGED_MODULES, build_subject, cell_job, cell_key

CPU = torch.device("cpu")


def drawn_protocol(**changes) -> Protocol:
    protocol = small_protocol()
    sal = {"estimator": "converged", "max_steps": 4, "tolerance": 0.01} | changes
    return protocol.model_copy(update={"sal": protocol.sal.model_copy(update=sal)})


@pytest.fixture
def job(tmp_path, monkeypatch):
    write_protocol(tmp_path / "protocols")
    monkeypatch.setenv("BENCH_PROTOCOLS", str(tmp_path / "protocols"))
    folders = {"clean": write_clean(tmp_path), "noise": write_noise(tmp_path)}

    def make(slug: str, seed: int = 0) -> CellJob:
        submission = load_submission(folders[slug])
        artifact = next(iter(submission.manifest.artifact), None)
        cell = Cell("resnet-narrow", "none", seed)
        return cell_job(drawn_protocol(), cell, (), submission.folder, artifact, "label")

    return make


def test_a_cell_repeats_exactly_and_trains_as_a_cell_of_exact_does(job):
    found, run = run_cell(job("clean"), CPU, lambda *_: None)
    assert found == run_cell(job("clean"), CPU, lambda *_: None)[0]
    plain = replace(job("clean"), protocol=small_protocol())
    exact = ue_cell.run_cell(plain, CPU, lambda *_: None)[0]
    # Neither search touches training: weights, and so losses and accuracies, are the same to the last bit.
    assert (found.train_loss, found.test_accuracy) == (exact.train_loss, exact.test_accuracy)
    assert found.sal.epochs == exact.sal.epochs == (1, 2)
    assert found.sal.layers == exact.sal.layers
    assert found.sal.values != exact.sal.values
    assert run.gradients == sum(found.sal.gradients)


def test_the_images_are_drawn_anew_for_each_seed_and_epoch_but_alike_for_submissions(job, monkeypatch):
    drawn = []

    def watch(losses, labels, count, generator):
        drawn.append((count, generator.initial_seed()))
        return draw_by_loss(losses, labels, count, generator)

    monkeypatch.setattr(ue_converged_cell, "draw_by_loss", watch)
    for slug, seed in (("clean", 0), ("noise", 0), ("clean", 1)):
        train_and_measure(prepare(CellState(job(slug, seed), CPU, lambda *_: None)))
    assert {count for count, _ in drawn} == {drawn_protocol().sal.probe_images}
    seeds = [seed for _, seed in drawn]
    assert seeds[:2] == seeds[2:4]
    assert len(set(seeds)) == 4


def test_the_value_is_a_change_of_the_weighed_loss_of_the_drawn_images(job):
    state = prepare(CellState(job("clean"), CPU, lambda *_: None))
    settings = drawn_protocol().sal
    found = measure_drawn(state.model, state.train, settings, generator_for("test", "draw"))
    losses = image_losses(state.model, state.train.images, state.train.labels)
    chosen = draw_by_loss(losses, state.train.labels, settings.probe_images, generator_for("test", "draw"))
    assert found.loss == pytest.approx(float((losses[chosen.indices] * chosen.shares).sum()), rel=1e-5)
    assert all(value > 0 for value in found.values.values())
    assert state.model.training == prepare(CellState(job("clean"), CPU, lambda *_: None)).model.training


def test_the_record_holds_one_row_an_epoch(job):
    state = record(train_and_measure(prepare(CellState(job("noise"), CPU, lambda *_: None))))
    curve = state.result.sal
    assert len(curve.values) == len(curve.loss) == len(curve.gradients) == 2
    assert all(len(row) == len(curve.layers) for row in curve.values)


def test_the_estimator_says_who_measures_and_whose_code_counts(job, monkeypatch):
    converged = job("clean")
    exact = cell_job(small_protocol(), converged.cell, (), converged.folder, None, "label")
    assert converged.runner == "bench.tracks.ue_converged_cell:run_cell"
    assert exact.runner == CellJob.runner == "bench.tracks.ue_cell:run_cell"
    assert not set(CONVERGED_MODULES) & set(CELL_MODULES)
    asked = [build_subject(protocol, "quick", ()) for protocol in (drawn_protocol(), small_protocol())]
    assert asked[0].evaluator != asked[1].evaluator
    monkeypatch.setattr(ue_estimators, "CONVERGED_MODULES", CONVERGED_MODULES[1:])
    assert cell_key(drawn_protocol(), converged.cell, ()) != converged.key
    assert cell_key(small_protocol(), converged.cell, ()) == exact.key
    assert build_subject(drawn_protocol(), "quick", ()).evaluator != asked[0].evaluator
    assert build_subject(small_protocol(), "quick", ()).evaluator == asked[1].evaluator


def test_settings_of_the_search_are_in_the_key_of_a_cell(job):
    cell = job("clean").cell
    keys = {cell_key(drawn_protocol(**changes), cell, ()) for changes in ({}, {"probe_images": 21}, {"max_steps": 5})}
    assert len(keys) == 3


def test_the_published_search_is_refused_beside_the_converged_one():
    official = OfficialSal(seeds=(1,), epochs=(2,))
    with pytest.raises(ValidationError, match="beside estimator 'exact' only"):
        SalSettings(estimator="converged", epsilon=0.05, epochs=(2,), probe_images=9, max_steps=3, tolerance=0.1,
                    official=official)  # fmt: skip
