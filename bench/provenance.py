"""What a run says about where it happened: hardware, software, determinism, and the state of the checkout.

Imports torch; never pandas, altair or jinja2. Nothing here can move a number.
"""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import torch

from bench.machine import cpu_name


def describe_hardware(device: torch.device) -> dict[str, str | int]:
    """Return processor, cores, memory and accelerator of this machine, in words and numbers."""
    facts: dict[str, str | int] = {
        "cpu": cpu_name(),
        "cores": os.cpu_count() or 0,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "device": device.type,
    }
    if device.type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
        facts["gpu_memory_bytes"] = torch.cuda.get_device_properties(device).total_memory
    return facts


def gpu_name() -> str:
    """Return the name of the GPU that is used by default."""
    return torch.cuda.get_device_name()


def describe_software() -> dict[str, str]:
    """Return the versions that decide the numbers."""
    packages = ("numpy", "safetensors", "scikit-learn", "torch", "torchvision")
    versions = {package: metadata.version(package) for package in packages}
    return {"python": platform.python_version(), "cpu_capability": torch.backends.cpu.get_cpu_capability(), **versions}


def describe_determinism(device: torch.device) -> dict[str, str | int | bool]:
    """Return the switches that decide whether the same numbers come out again."""
    return {
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "dtype": "float32",
        "threads": torch.get_num_threads(),
        "tf32": torch.backends.cudnn.allow_tf32 if device.type == "cuda" else False,
    }


def git_state(folder: Path) -> tuple[str | None, bool | None]:
    """Return commit and whether tracked files of the package differ from it; (None, None) outside a checkout."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        dirty = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", "bench")
    except (OSError, subprocess.CalledProcessError):
        return None, None
    return commit, bool(dirty)


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout.strip()
