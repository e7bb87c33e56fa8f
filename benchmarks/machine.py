"""What the numbers were measured on."""

import platform
from pathlib import Path

import torch


def describe() -> str:
    """Processor, its count, PyTorch and Python, in a line."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = f"{names[0]}, {len(names)} cores seen" if names else name
    return f"{name}; PyTorch {torch.__version__}, Python {platform.python_version()}, {torch.get_num_threads()} thread"
