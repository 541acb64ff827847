"""Where a stage computes: CUDA, Apple's MPS or the CPU, and with how many threads."""

import argparse
import os

import torch
from torch import Tensor

from zfpipe.errors import UserError, require_one_of
from zfpipe.freed import keep_freed_memory

DEVICES = ("auto", "cpu", "cuda", "mps")


def add_device_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that every computing stage has."""
    parser.add_argument(
        "--device",
        default="auto",
        help="auto, cpu, cuda or mps; auto takes the first there is of cuda, mps, cpu",
    )
    parser.add_argument("--threads", type=int, default=None, help="CPU threads (default: as many as torch finds)")


def prepare_device(name: str, threads: int | None) -> torch.device:
    """Return the device to compute on, with results that are the same each time.

    Raises UserError for an unknown device or one that this machine does not have.
    """
    require_one_of("device", name, DEVICES)
    keep_freed_memory()
    if threads is not None:
        if threads < 1:
            raise UserError(f"threads is {threads}; it must be at least 1.")
        torch.set_num_threads(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, cuBLAS is not deterministic
    torch.set_deterministic_debug_mode("warn")  # use_deterministic_algorithms too, but that imports the compiler
    torch.utils.deterministic.fill_uninitialized_memory = False  # nothing here reads what it has not written
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(device for device in ("cuda", "mps", "cpu") if present[device])
    if not present[name]:
        there = ", ".join(device for device, found in present.items() if found)
        raise UserError(f"device is {name!r}, which this machine does not have; it has {there}.")
    torch.backends.cudnn.benchmark = False  # it may choose another algorithm each time
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device(name)


class Later:
    """Numbers that are still being computed. To ask a GPU for them at once would wait for all that it was given."""

    def __init__(self, numbers: Tensor):
        self._numbers = numbers.to("cpu", non_blocking=numbers.is_cuda)  # of MPS's copies no event tells the end
        self._done = torch.cuda.Event() if numbers.is_cuda else None
        if self._done:
            self._done.record()

    def get(self) -> Tensor:
        """Return the numbers, on the CPU, as soon as they are there."""
        if self._done:
            self._done.synchronize()
        return self._numbers
