"""The process a cell runs in: device, threads, determinism, and seeds for (cell, purpose).

Imports torch; never pandas, altair or jinja2.
"""

import hashlib
import os

import torch

from bench.errors import EnvironmentProblem

DEVICES = ("auto", "cpu", "cuda")


def choose_device(name: str) -> torch.device:
    """Return the device for `auto`, `cpu` or `cuda`. Raises EnvironmentProblem where CUDA is asked for and absent."""
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise EnvironmentProblem("device cuda: PyTorch finds no CUDA device; use --device cpu, or see `bench doctor`")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and available) else "cpu")


def prepare_process(device: torch.device) -> None:
    """Make this process compute the same numbers each time: one CPU thread, deterministic kernels, no TF32.

    A sum over two threads differs from a sum over one in the last bits, so the number of threads is fixed and a
    result does not depend on how many cores a machine has; cells run side by side instead.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if device.type == "cpu":
        torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def seed_for(key: str, purpose: str) -> int:
    """Return a seed below 2**63 for one purpose of one cell; the same text gives the same seed on every machine."""
    return int.from_bytes(hashlib.sha256(f"{key}/{purpose}".encode()).digest()[:8], "big") >> 1


def generator_for(key: str, purpose: str) -> torch.Generator:
    """Return a CPU generator seeded for one purpose of one cell."""
    return torch.Generator().manual_seed(seed_for(key, purpose))
