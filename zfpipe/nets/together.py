"""Layers that look at a whole batch, for a network whose batch is spread over several processes.

What they do is then what they would do to the whole batch in one process.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from zfpipe.errors import UserError
from zfpipe.nets.team import Team


class SharedDropout(nn.Module):
    """Dropout that draws for the whole batch and keeps the rows of its share: the same draws in every process."""

    def __init__(self, chance: float, team: Team):
        super().__init__()
        self.chance, self.team, self.whole = chance, team, 0

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.chance:
            return x
        mine = torch.from_numpy(self.team.share.seen(self.whole)).to(x.device)
        if len(x) != len(mine):  # its first axis is no batch
            return functional.dropout(x, self.chance, True)
        everyone = torch.empty(self.whole, *x.shape[1:], dtype=torch.bool, device=x.device)
        return x * everyone.bernoulli_(1 - self.chance)[mine] * (1 / (1 - self.chance))


def require_spread(network: nn.Module, team: Team, device: torch.device) -> None:
    """Raise UserError for batch normalisation on several CPUs: PyTorch has it over several processes on CUDA alone."""
    normalises = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())
    if normalises and device.type != "cuda" and not team.alone:
        raise UserError(
            f"train.devices is {team.size} and the network has batch normalisation, which PyTorch spreads over CUDA "
            "devices alone; on CPUs take one device, or model.norm: contrast or none."
        )


def spread(network: nn.Module, team: Team) -> nn.Module:
    """Return a network for a team: batch normalisation over the whole batch, dropout drawn for the whole batch."""
    if team.alone:
        return network
    network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Dropout:
                setattr(parent, name, SharedDropout(child.p, team))
    return network


def announce(network: nn.Module, whole: int) -> None:
    """Tell a network's shared layers how many images the next batch has in all."""
    for module in network.modules():
        if isinstance(module, SharedDropout):
            module.whole = whole
