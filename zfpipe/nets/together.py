"""Layers that look at a whole batch, for a network whose batch is spread over several processes.

What they do is then what they would do to the whole batch in one process.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import Function, once_differentiable
from torch.nn import functional

from zfpipe.nets.team import Team

DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


class SharedDropout(nn.Module):
    """Dropout that draws for the whole batch and keeps the rows of its share: the same draws in every process.

    All but nn.Dropout draw for whole maps.
    """

    def __init__(self, dropout: nn.Module, team: Team):
        super().__init__()
        self.chance, self.maps, self.team, self.whole = dropout.p, type(dropout) is not nn.Dropout, team, 0

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.chance:
            return x
        mine = torch.from_numpy(self.team.share.seen(self.whole)).to(x.device)
        if len(x) != len(mine):  # its first axis is no batch
            return functional.dropout(x, self.chance, True)
        drawn = (x.shape[1], *[1] * (x.dim() - 2)) if self.maps else x.shape[1:]
        everyone = torch.empty(self.whole, *drawn, dtype=torch.bool, device=x.device)
        kept = 1 - self.chance
        return x * everyone.bernoulli_(kept)[mine] * (1 / kept if kept else 0)


class SharedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation over the whole batch, on any device: PyTorch's own (SyncBatchNorm) is for GPUs alone.

    An image that is seen for nothing (`Share.seen`) is normalised and has no part in mean and variance.
    """

    def __init__(self, norm: nn.modules.batchnorm._BatchNorm, team: Team):
        super().__init__(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        self._parameters, self._buffers, self.training = norm._parameters, norm._buffers, norm.training
        self.team, self.whole = team, 0

    def _check_input_dim(self, x: Tensor) -> None:
        """Take any number of axes; the layer that this stands for has checked them."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        if self.whole == 1 and x.numel() == x.shape[1]:  # it has no variance; PyTorch says so in the same words
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {x.shape}")
        counts = len(self.team.share.rows(self.whole)) > 0
        out, mean, variance, count = _Normalised.apply(x, self.weight, self.bias, self.eps, self.team, counts)
        if self.track_running_stats:
            self.num_batches_tracked += 1
            part = self.momentum if self.momentum is not None else 1 / self.num_batches_tracked
            self.running_mean.lerp_(mean, part)
            self.running_var.lerp_(variance * (count / (count - 1)), part)
        return out


class _Normalised(Function):
    """(x - mean) / sqrt(variance + eps) * weight + bias, over the images of all processes; in float32 at least."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, team: Team, counts: bool):
        axes = [0, *range(2, x.dim())]
        values = x.float() if x.dtype.itemsize < 4 else x
        mine = values if counts else values[:0]
        number = values.new_full((1,), mine.numel() // x.shape[1])
        total = team.total(torch.cat([mine.sum(axes), number]))
        mean, count = total[:-1] / total[-1], total[-1]
        variance = team.total((mine - _along(mean, x)).square_().sum(axes)) / count
        inverse = (variance + eps).rsqrt()
        normal = (values - _along(mean, x)).mul_(_along(inverse, x))
        # Never `normal` itself, which the way down needs: a rectification may overwrite what it is given.
        out = normal.clone() if weight is None else torch.addcmul(_along(bias, x), normal, _along(weight, x))
        ctx.save_for_backward(normal, weight, inverse, count)
        ctx.axes, ctx.team, ctx.counts = axes, team, counts
        ctx.mark_non_differentiable(mean, variance, count)
        return out.to(x.dtype), mean, variance, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor, *_: Tensor):
        normal, weight, inverse, count = ctx.saved_tensors
        gradient = above.to(normal.dtype)
        plain, along = gradient.sum(ctx.axes), (gradient * normal).sum(ctx.axes)  # of this process
        all_plain, all_along = ctx.team.total(torch.stack([plain, along])) / count
        below = gradient - _along(all_plain, above) - normal * _along(all_along, above)
        scale = inverse if weight is None else inverse * weight
        below = (below * _along(scale, above)).to(above.dtype) if ctx.counts else torch.zeros_like(above)
        return (below, None, None, *[None] * 3) if weight is None else (below, along, plain, *[None] * 3)


def _along(channels: Tensor, x: Tensor) -> Tensor:
    """Return a number a channel (C,) so that it goes with x (B, C, ...)."""
    return channels.view(-1, *[1] * (x.dim() - 2))


def spread(network: nn.Module, team: Team) -> nn.Module:
    """Return a network for a team: batch normalisation over the whole batch, dropout drawn for the whole batch."""
    if team.alone:
        return network
    for parent in list(network.modules()):
        for name, child in list(parent._modules.items()):  # named_children leaves out a module's second place
            if type(child) in DROPOUT:
                setattr(parent, name, SharedDropout(child, team))
            elif isinstance(child, nn.modules.batchnorm._BatchNorm):
                setattr(parent, name, SharedBatchNorm(child, team))
    return network


def announce(network: nn.Module, whole: int) -> None:
    """Tell a network's shared layers how many images the next batch has in all."""
    for module in network.modules():
        if isinstance(module, SharedDropout | SharedBatchNorm):
            module.whole = whole
