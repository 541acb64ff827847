"""The steps of a traced network in the forms that a forward pass without gradients runs fastest. Same answers.

On a CPU a forward pass is bound by memory as much as by arithmetic: maps that need not be new are not, batch
normalisation is folded into the filters below it, and contrast normalisation takes its faster form.
"""

import copy
import operator
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from zfpipe.nets.contrast import Contrast, hooked
from zfpipe.nets.trace import Step, Traced

# Their output is a tensor of its own, which no other node can see parts of.
NEW = (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.MaxPool2d, nn.LocalResponseNorm)
RECTIFY = (nn.ReLU, F.relu, torch.relu, "relu")
ADD = (operator.add, torch.add, "add")


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
