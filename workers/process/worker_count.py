"""How many edge workers `up` starts on this machine, each of which keeps one core busy."""

import os
from pathlib import Path

import psutil

#: Memory that one worker needs at most; workers share most of it, torch's libraries.
WORKER_BYTES = 490 << 20
#: Memory for Redis, the gateway, the trainer and the aggregator.
OTHERS_BYTES = 1 << 30
#: More than so many workers do not help: one gateway's 32 sessions ask for 64 key frames a second, and a worker draws
#: 40 to 60.
MOST_WORKERS = 4


def worker_count(cores: int, free_bytes: int, has_gpu: bool) -> int:
    """How many workers fit on a machine. One core is left to the gateway; a GPU is used best by a single worker."""
    if has_gpu:
        return 1
    return max(1, min(cores - 1, (free_bytes - OTHERS_BYTES) // WORKER_BYTES, MOST_WORKERS))


def worker_count_here() -> int:
    """How many workers fit on this machine, by its present state."""
    return worker_count(cores(), psutil.virtual_memory().available, has_gpu())


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_gpu(devices: Path = Path("/dev")) -> bool:
    """Whether torch will probably find an NVIDIA GPU. Asking torch itself would take seconds."""
    return os.environ.get("CUDA_VISIBLE_DEVICES") != "" and any(devices.glob("nvidia[0-9]*"))
