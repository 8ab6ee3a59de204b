"""The processor this machine has, in words. Imports nothing heavy."""

import platform
from pathlib import Path


def cpu_name() -> str:
    """Return the processor's model name, or its architecture where the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
