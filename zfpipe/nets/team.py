"""The processes that train one network together, one to a device, and what passes between them.

Each has its share of every batch; gradients, losses and hits are added over all, so that a step is the step of the
whole batch. Nothing that is drawn depends on how many they are.
"""

import datetime
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from zfpipe.data.share import Share
from zfpipe.errors import UserError

Made = TypeVar("Made")
# The first process may count a mean image for hours; one that is gone is noticed by its closed connection, not by this.
LONGEST_WAIT = datetime.timedelta(days=2)


@dataclass(frozen=True)
class Team:
    """Process `rank`, counted from 0, of `size`. The default is one that works alone."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.rank == 0

    @property
    def alone(self) -> bool:
        """Whether there are no others."""
        return self.size == 1

    @property
    def share(self) -> Share:
        """What this process sees of a batch."""
        return Share(self.rank, self.size)

    def part_of(self, total: int | None) -> int | None:
        """Return this process's part of a number of threads or workers: at least 1; None where there is no number."""
        return total if total is None or self.alone else max(1, total // self.size)

    def join(self, device: torch.device, meeting: str) -> torch.device:
        """Meet the others; return the device of this process, one of its own where it is CUDA.

        Raises UserError for devices that the machine does not have.
        """
        if self.alone:
            return device
        if device.type == "mps":
            raise UserError(f"train.devices is {self.size}, and Apple's MPS is one device; set it to 1.")
        if device.type == "cuda":
            device = _own_gpu(self)
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, meeting, timeout=LONGEST_WAIT, rank=self.rank, world_size=self.size)
        return device

    def total(self, values: Tensor) -> Tensor:
        """Return the sum over all processes, the same in each."""
        if not self.alone:
            values = values.clone()
            dist.all_reduce(values)
        return values

    def shared(self, make: Callable[[], Made]) -> Made:
        """Return what the first process makes."""
        if self.alone:
            return make()
        box: list[Any] = [make() if self.leads else None]
        dist.broadcast_object_list(box)
        return box[0]

    def with_gradients_averaged(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Return the network as it is trained: each process's gradients become the mean over all."""
        if self.alone:
            return network
        own = [device.index] if device.type == "cuda" else None
        # A static graph lets parameters be that the loss does not depend on, without a search in each step.
        return nn.parallel.DistributedDataParallel(network, own, static_graph=True)


def _own_gpu(team: Team) -> torch.device:
    there, local = torch.cuda.device_count(), int(os.environ.get("LOCAL_RANK", team.rank))
    if local >= there:
        raise UserError(f"train.devices is {team.size}, and this machine has {there} CUDA device(s); ask for as many.")
    torch.cuda.set_device(local)
    return torch.device("cuda", local)
