"""A release for all of CIFAR-10 comes in for a protocol that uses a tenth of it."""

import numpy as np
import pytest
from release_factory import write_npy, write_pickle

from bench.artifacts import encode_perturbation
from bench.errors import DatasetMissing
from bench.importing.conversion import import_file
from bench.importing.request import ImportRequest
from bench.importing.target import load_target
from bench.protocol import load_protocol

PROTOCOL = "ue-cifar10-mini-v1"


@pytest.fixture(scope="module")
def target():
    try:
        return load_target(load_protocol(PROTOCOL), whole=True)
    except DatasetMissing:
        pytest.skip("CIFAR-10 is not at hand; $BENCH_DATA names the folder that holds it")


@pytest.mark.data
@pytest.mark.slow
def test_the_rows_of_the_protocol_are_selected(target, tmp_path):
    delta = np.random.default_rng(0).integers(-8, 9, target.images.shape).astype(np.int8)
    file = write_npy(tmp_path / "ops.npy", delta.transpose(0, 2, 3, 1))
    report = import_file(tmp_path, ImportRequest("npy", file, "whole", protocol=PROTOCOL))
    content = (tmp_path / "submissions" / "whole" / "delta.safetensors").read_bytes()
    assert content == encode_perturbation(delta[target.positions])
    assert (report.protocol, report.rows, report.used, report.norm) == (PROTOCOL, 50_000, 5_000, "linf")


@pytest.mark.data
@pytest.mark.slow
def test_a_list_sorted_by_class_is_put_in_order(target, tmp_path):
    noise = np.random.default_rng(0).integers(-8, 9, target.images.shape)
    images = np.clip(target.images + noise, 0, 255).astype(np.uint8)
    order = np.argsort(target.labels, kind="stable")
    content = [(images[at].transpose(1, 2, 0).tobytes(), int(target.labels[at])) for at in order]
    file = write_pickle(tmp_path / "dune.pkl", content)
    import_file(tmp_path, ImportRequest("pkl", file, "sorted", protocol=PROTOCOL, trust_pickle=True))
    expected = (images.astype(np.int16) - target.images)[target.positions].astype(np.int8)
    found = (tmp_path / "submissions" / "sorted" / "delta.safetensors").read_bytes()
    assert found == encode_perturbation(expected)
