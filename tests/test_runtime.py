"""Seeds and the state of the process."""

import subprocess
import sys

import pytest
import torch

from bench.errors import EnvironmentProblem
from bench.runtime import choose_device, generator_for, seed_for


def test_seeds_are_the_same_on_every_machine_and_differ_by_cell_and_purpose():
    assert seed_for("digits/resnet-narrow/none/0", "shuffle") == 2287530245304936897
    labels = [("a/0", "shuffle"), ("a/0", "weights"), ("a/1", "shuffle")]
    assert len({seed_for(*label) for label in labels}) == 3
    assert all(0 <= seed_for(*label) < 2**63 for label in labels)


def test_a_generator_repeats_and_leaves_the_global_stream_alone():
    state = torch.get_rng_state()
    first, second = (torch.rand(4, generator=generator_for("a/0", "shuffle")) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_asking_for_a_device_that_is_not_there_says_so():
    with pytest.raises(EnvironmentProblem, match="finds no CUDA device"):
        choose_device("cuda")
    assert choose_device("auto").type == "cpu"


def test_a_prepared_process_computes_on_one_thread_and_deterministically():
    code = (
        "import torch; from bench.runtime import prepare_process; prepare_process(torch.device('cpu'));"
        "print(torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["1", "True"]
