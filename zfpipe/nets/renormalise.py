"""Renormalisation of filters whose RMS exceeds a radius (paper, section 3)."""

import torch
from torch import Tensor, nn

# One step of rounding above the radius is not above it; else a filter just renormalised could count again.
SLACK = 1 + 1e-6


@torch.no_grad()
def renormalise(network: nn.Module, radius: float) -> Tensor:
    """Scale each convolution filter whose RMS exceeds `radius` back to it, in place; return how many there were.

    The count is a tensor () int64 on the weights' device, so that a step on a GPU does not wait for it.
    """
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    return sum((_renormalise(module.weight, radius) for module in convolutions), torch.tensor(0))


def _renormalise(weight: Tensor, radius: float) -> Tensor:
    rms = weight.square().mean((1, 2, 3), keepdim=True).sqrt()  # (filters, 1, 1, 1)
    exceeds = rms > radius * SLACK
    weight.mul_(torch.where(exceeds, radius / rms, 1.0))
    return exceeds.sum()
