"""Contrast normalisation across maps in a few passes over the map: PyTorch's own is a quarter of a ZFNet's cost.

On CUDA PyTorch's has no deterministic way back (that of avg_pool3d); this one is deterministic everywhere.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

VALUES_AT_ONCE = 1 << 21  # smaller parts would fit the cache, but threads wait for one another after each
ON_A_GPU = 1 << 27  # which has nothing to gain from parts, but their memory


class Contrast(nn.Module):
    """Contrast normalisation across maps, as nn.LocalResponseNorm computes it, to rounding.

    x / (k + alpha / size * s) ** beta, where s sums the squares of the `size` maps around each. The sum is taken as
    shifted additions; the power, at the usual beta of 3/4, from inverse square roots.
    """

    def __init__(self, norm: nn.LocalResponseNorm):
        super().__init__()
        self.size, self.alpha, self.beta, self.k = norm.size, norm.alpha, norm.beta, norm.k

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype is torch.bfloat16:  # a power of a sum of squares needs more digits
            return self(x.float()).bfloat16()
        if x.is_contiguous(memory_format=torch.channels_last):
            return self._last(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return self._last(x.movedim(1, -1)).movedim(-1, 1).contiguous()

    def _last(self, x: Tensor) -> Tensor:
        """Normalise maps that lie along the last axis."""
        lines = x.reshape(-1, x.shape[-1])
        if torch.is_grad_enabled() and x.requires_grad:
            return _Learnt.apply(lines, self).view(x.shape)
        out = torch.empty_like(lines)
        for some, normalised in _in_parts(lines, out):
            torch.mul(some, self.power(self.base(some)), out=normalised)
        return out.view(x.shape)

    def base(self, x: Tensor) -> Tensor:
        """Return d = k + alpha / size * s of maps along the last axis; at a beta of 3/4 its inverse square root."""
        total = self.summed(x.square(), self.size // 2, (self.size - 1) // 2)
        total.mul_(self.alpha / self.size).add_(self.k)
        return total.rsqrt_() if self.beta == 0.75 else total

    def power(self, base: Tensor) -> Tensor:
        """Return d ** -beta."""
        if self.beta == 0.75:  # d ** 1/4 and twice d ** -1/2; torch's sqrt waits for all its threads
            return base.rsqrt().mul_(base).mul_(base)
        return base.pow(-self.beta)

    def over(self, x: Tensor, base: Tensor) -> Tensor:
        """Divide x by d, in place."""
        return x.mul_(base).mul_(base) if self.beta == 0.75 else x.div_(base)

    @staticmethod
    def summed(x: Tensor, before: int, after: int) -> Tensor:
        """Return the sum of each map with as many `before` and `after` it."""
        total = x.clone()
        for shift in range(1, max(before, after) + 1):
            if shift <= before:
                total[..., shift:] += x[..., :-shift]
            if shift <= after:
                total[..., :-shift] += x[..., shift:]
        return total


def contrast_quickly(network: nn.Module) -> None:
    """Put `Contrast` in the place of every nn.LocalResponseNorm in a network. Neither holds anything that is saved."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.LocalResponseNorm and not hooked(child):
                setattr(parent, name, Contrast(child))


def hooked(module: nn.Module) -> bool:
    """Whether a module does more than its type says, such as computing its weights anew (weight_norm)."""
    return bool(module._forward_pre_hooks or module._forward_hooks)


class _Learnt(torch.autograd.Function):
    """`Contrast` with a way back: y = x d ** -beta, and an x has its part in the d of every window that it is in."""

    @staticmethod
    def forward(ctx: Any, lines: Tensor, norm: Contrast) -> Tensor:
        out, bases = torch.empty_like(lines), torch.empty_like(lines)
        for some, normalised, base in _in_parts(lines, out, bases):
            base.copy_(norm.base(some))
            torch.mul(some, norm.power(base), out=normalised)
        ctx.norm = norm
        ctx.save_for_backward(lines, bases)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor, None]:
        norm, (lines, bases) = ctx.norm, ctx.saved_tensors
        out = torch.empty_like(lines)
        for some, base, gradient, below in _in_parts(lines, bases, above, out):
            torch.mul(gradient, norm.power(base), out=below)
            window = norm.over(some * below, base)
            summed = norm.summed(window, (norm.size - 1) // 2, norm.size // 2)
            below.addcmul_(some, summed, value=-2 * norm.alpha / norm.size * norm.beta)
        return out, None


def _in_parts(*lines: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yield some rows of all tensors (N, C) at a time, which bounds what is held besides."""
    values = VALUES_AT_ONCE if lines[0].device.type == "cpu" else ON_A_GPU
    positions = max(1, values // lines[0].shape[1])
    return zip(*(tensor.split(positions) for tensor in lines), strict=True)
