"""The table: every entry is what it says, adding one takes a function and a line, and a cell trains with it."""

import ast
from pathlib import Path

import pytest
import torch
from defended import SHAPES, network, random_batch, seeded
from measured import small_protocol, write_clean, write_protocol

import bench.defenses.defense
from bench.defenses import DEFENSES
from bench.defenses.defense import Batch, Defense
from bench.explain import list_names
from bench.protocol import Cell
from bench.registry import resolve
from bench.runtime import prepare_process
from bench.submission import load_submission
from bench.tracks.ue import CellJob, cell_key
from bench.tracks.ue_cell import run_cell
from bench.training import plain_objective

TOY = '''
"""Toy: turns every batch upside down."""

from bench.defenses.defense import Defense

TOY = Defense(batch=lambda images, generator: images.flip(2))
'''


@pytest.fixture
def measure(tmp_path, monkeypatch):
    """Return a function that trains one cell of the small protocol with a defense."""
    write_protocol(tmp_path / "protocols")
    monkeypatch.setenv("BENCH_PROTOCOLS", str(tmp_path / "protocols"))
    folder = load_submission(write_clean(tmp_path)).folder

    def measure_cell(defense: str):
        cell = Cell("resnet-narrow", defense, 0)
        job = CellJob("sha256:key", small_protocol(), cell, folder, None, "label")
        result, _ = run_cell(job, torch.device("cpu"), lambda *_: None)
        return result

    return measure_cell


def test_a_toy_defense_takes_one_function_and_one_line(tmp_path, monkeypatch, measure):
    (tmp_path / "toy_defense.py").write_text(TOY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(DEFENSES, "toy", "toy_defense:TOY")
    result = measure("toy")
    assert result.defense == "toy"
    assert len(result.test_accuracy) == 2
    assert result.train_loss != measure("none").train_loss
    assert list_names("defenses")["toy"] == "Toy: turns every batch upside down."
    toy, plain = (cell_key(small_protocol(), Cell("resnet-narrow", name, 0), ()) for name in ("toy", "none"))
    assert toy != plain


@pytest.mark.parametrize("name", DEFENSES)
def test_every_defense_trains_a_cell_that_repeats_and_leaves_the_global_stream_alone(name, measure):
    before = torch.get_rng_state()
    first, second = measure(name), measure(name)
    assert torch.equal(torch.get_rng_state(), before)
    assert first == second
    if name not in ("none", "grayscale"):  # digits have one channel
        assert first.train_loss != measure("none").train_loss


@pytest.mark.parametrize("name", DEFENSES)
def test_every_entry_is_a_defense_and_is_said_in_a_line_of_its_own(name):
    assert isinstance(resolve("defense", name, DEFENSES), Defense)
    lines = list_names("defenses")
    assert [other for other in lines if lines[other] == lines[name]] == [name]


def test_no_defense_leans_on_another():
    """A cell's key covers the module of its own defense and bench.defenses.defense, so nothing else may decide."""
    folder = Path(bench.defenses.defense.__file__).parent
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            module = node.module if isinstance(node, ast.ImportFrom) else ""
            if module.startswith("bench."):
                assert module in ("bench.defenses.defense", "bench.errors"), f"{file.name} imports {module}"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", DEFENSES)
def test_every_defense_steps_and_repeats_on_a_gpu(name, shape):
    """Under deterministic kernels, as cells run; UEraser draws all twelve of its operations in 20 steps or most."""
    device = torch.device("cuda")
    prepare_process(device)
    defense: Defense = resolve("defense", name, DEFENSES)
    before = torch.cuda.get_rng_state(device)

    def losses() -> list[float]:
        model, generator, found = network(shape[1]).to(device), seeded(), []
        for seed in range(20):
            batch = random_batch(shape, seed=seed)
            images = batch.images.to(device, memory_format=torch.channels_last)
            images = defense.batch(images, generator) if defense.batch else images
            moved = Batch(images, batch.labels.to(device), generator, 0.0, 8 / 255)
            found.append((defense.objective or plain_objective)(model, moved)[0].item())
        return found

    try:
        assert losses() == losses()
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(torch.cuda.get_rng_state(device), before)
