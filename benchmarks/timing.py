"""Timing side by side: every round runs each candidate once, in turn, so that a noisy minute meets all alike."""

import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import torch

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Spent:
    """Medians over the rounds, in seconds: by the clock on the wall, and of all cores that this process used.

    Processes that it started and that ended count too.
    """

    wall: float
    cpu: float


def side_by_side(candidates: dict[str, Callable[[], object]], rounds: int) -> dict[str, Spent]:
    """Run each candidate once without a clock, then all of them in turn `rounds` times."""
    for run in candidates.values():
        run()
    _finish()
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, run in candidates.items():
            wall, cpu = time.perf_counter(), _cpu()
            run()
            _finish()
            taken[name].append((time.perf_counter() - wall, _cpu() - cpu))
    return {name: Spent(*map(statistics.median, zip(*both, strict=True))) for name, both in taken.items()}


def _finish() -> None:
    """Wait for the GPU, which works on after a call."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def _cpu() -> float:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def fastest(candidates: dict[str, Callable[[], object]], rounds: int = 2) -> str:
    """Return the name of the best candidate, of layouts or batch sizes: by CPU time, which is less noisy.

    On a GPU, which the CPU may wait for without working, by the clock.
    """
    spent = side_by_side(candidates, rounds)
    return min(spent, key=lambda name: spent[name].wall if torch.cuda.is_initialized() else spent[name].cpu)


def machine() -> dict[str, str]:
    """Return what a figure depends on: processor, cores, threads, versions."""
    gpu = {"GPU": torch.cuda.get_device_name()} if torch.cuda.is_initialized() else {}
    return gpu | {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "python": platform.python_version(),
        **{package: version(package) for package in ("torch", "torchvision", "captum", "h5py", "numpy")},
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
