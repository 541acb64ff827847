"""The steps of a traced network in the forms that a forward pass without gradients runs fastest. Same answers.

On a CPU a forward pass is bound by memory as much as by arithmetic: maps that need not be new are not, batch
normalisation is folded into the filters below it, and contrast normalisation, a quarter of a ZFNet's pass as PyTorch
has it, becomes a few passes over the map.
"""

import copy
import operator
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from zfpipe.nets.trace import Step, Traced

# Their output is a tensor of its own, which no other node can see parts of.
NEW = (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.MaxPool2d, nn.LocalResponseNorm)
RECTIFY = (nn.ReLU, F.relu, torch.relu, "relu")
VALUES_AT_ONCE = 1 << 21  # smaller parts would fit the cache, but threads wait for one another after each
ADD = (operator.add, torch.add, "add")


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
        """Normalise maps that lie along the last axis, some positions at a time, which bounds what is held besides."""
        lines = x.reshape(-1, x.shape[-1])
        out = torch.empty_like(lines)
        positions = max(1, VALUES_AT_ONCE // x.shape[-1])
        for some, normalised in zip(lines.split(positions), out.split(positions), strict=True):
            torch.mul(some, self._factor(some.square()), out=normalised)
        return out.view(x.shape)

    def _factor(self, square: Tensor) -> Tensor:
        """Return (k + alpha / size * s) ** -beta."""
        total = square.clone()
        for shift in range(1, self.size // 2 + 1):
            total[..., shift:] += square[..., :-shift]
            if shift <= (self.size - 1) // 2:
                total[..., :-shift] += square[..., shift:]
        total.mul_(self.alpha / self.size).add_(self.k)
        if self.beta != 0.75:
            return total.pow_(-self.beta)
        half = total.rsqrt_()  # ** -1/2
        return half.rsqrt().mul_(half).mul_(half)  # ** 1/4 and twice ** -1/2; torch's sqrt waits for all its threads


def quick(traced: Traced) -> Traced:
    """Return a traced network whose steps are faster. Its rectified maps are the same, to rounding; maps below
    a rectification are overwritten, so they are not there to be asked for. For passes without gradients."""
    users = _users(traced)
    steps: dict[fx.Node, Step] = {}
    for step in traced.steps:
        steps[step.node] = _quicker(step, steps, users)
        below = steps.get(step.node.args[0]) if step.node.args and isinstance(step.node.args[0], fx.Node) else None
        if below is not None and users[below.node] == 1 and _can_fold(below, step):
            steps[below.node] = replace(below, faster=folded(below.module, step.module))
            steps[step.node] = replace(step, faster=nn.Identity())
    return replace(traced, steps=list(steps.values()))


def folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """Return a convolution that does what the two do one after the other in eval mode, to rounding."""
    weight, bias, mean, variance = (
        None if value is None else value.detach().cpu().double()
        for value in (convolution.weight, convolution.bias, norm.running_mean, norm.running_var)
    )
    scale = (variance + norm.eps).rsqrt() * (1 if norm.weight is None else norm.weight.cpu().double())
    shift = (0 if bias is None else bias) - mean
    shift = shift * scale + (0 if norm.bias is None else norm.bias.cpu().double())
    both = copy.copy(convolution)
    both._parameters = {
        name: nn.Parameter(value.to(convolution.weight), requires_grad=False)
        for name, value in (("weight", weight * scale[:, None, None, None]), ("bias", shift))
    }
    return both


def channels_last(network: nn.Module) -> None:
    """Lay filters out as the maps of packed images are laid out, channels last: the faster way on CPUs and GPUs."""
    network.to(memory_format=torch.channels_last)


class InPlace(nn.Module):
    """A rectification that overwrites its input."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu_(x)


class AddInPlace(nn.Module):
    """A sum that overwrites its first term."""

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        return x.add_(other)


def _quicker(step: Step, before: dict[fx.Node, Step], users: dict[fx.Node, int]) -> Step:
    if isinstance(step.module, nn.LocalResponseNorm) and _is_map(step):
        return replace(step, faster=Contrast(step.module))
    if not step.sources or len(step.sources) != len(step.node.args) or step.node.kwargs:
        return step
    first = before.get(step.node.args[0]) if isinstance(step.node.args[0], fx.Node) else None
    mine = first is not None and users[first.node] == 1 and _is_new(first) and first.shape == step.shape
    if mine and step.operation in RECTIFY:
        return replace(step, faster=InPlace())
    if mine and step.operation in ADD and step.node.args[1] in before and before[step.node.args[1]].shape == step.shape:
        return replace(step, faster=AddInPlace())
    return step


def _can_fold(below: Step, step: Step) -> bool:
    both = type(below.module) is nn.Conv2d and type(step.module) is nn.BatchNorm2d
    return both and below.faster is None and step.module.running_mean is not None and not hooked(below.module)


def hooked(module: nn.Module) -> bool:
    """Whether a module does more than its type says, such as computing its weights anew (weight_norm)."""
    return bool(module._forward_pre_hooks or module._forward_hooks)


def _is_new(step: Step) -> bool:
    return step.part is None and (isinstance(step.module, NEW) or step.operation in ADD)


def _is_map(step: Step) -> bool:
    return step.shape is not None and len(step.shape) == 3 and not step.node.kwargs


def _users(traced: Traced) -> dict[fx.Node, int]:
    """How often each node is read."""
    counts: dict[fx.Node, int] = {}
    for step in traced.steps:
        for node in step.node.all_input_nodes:
            counts[node] = counts.get(node, 0) + 1
    return counts
