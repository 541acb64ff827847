"""The deconvnet's rules: one small function for each kind of operation (paper, section 2.1).

A rule runs its operation and returns the output with the function that carries a signal back down:

    rule(run, settings, *inputs) -> output, down        down(signal) -> a tuple, one signal for each input

`run(*inputs)` is the operation itself, `settings` its kernel_size, stride and so on. To teach zfpipe an operation,
write one function here. `reach` says how much of its input one output position sees: 'point' (that position alone),
'window' (kernel_size, stride, padding, dilation) or 'whole' (all of it).
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zfpipe.errors import UserError

Down = Callable[[Tensor], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Rule:
    """A rule's function, how far its operation reaches, and whether its output is a layer (a rectified map)."""

    apply: Callable[..., tuple[Tensor, Down]]
    reach: str
    rectifies: bool


RULES: dict[Any, Rule] = {}


def rule(*operations: Any, reach: str = "point", rectifies: bool = False):
    """Register the decorated function for module types, functions and method names."""

    def register(apply):
        for operation in operations:
            RULES[operation] = Rule(apply, reach, rectifies)
        return apply

    return register


@rule(nn.ReLU, F.relu, torch.relu, "relu", rectifies=True)
def rectify(run, settings: dict, x: Tensor) -> tuple[Tensor, Down]:
    """Section 2.1, Rectification: the signal, too, is kept positive."""
    return run(x), lambda signal: (F.relu(signal),)


@rule(nn.MaxPool2d, F.max_pool2d, torch.max_pool2d, reach="window")
def unpool(run, settings: dict, x: Tensor) -> tuple[Tensor, Down]:
    """Section 2.1, Unpooling: each value goes back to the place that its maximum came from, its switch.

    Where pooling windows overlap, several values may go to one place; there they add, as in the exact adjoint.
    With `settings['overwrite']` the last of them in row-major order stays instead, as MaxUnpool2d leaves it.
    """
    keys = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    pooled, switches = F.max_pool2d(x, *(settings[key] for key in keys), return_indices=True)
    collide = keep_last if settings.get("overwrite") else torch.Tensor.scatter_add_
    return pooled, lambda signal: (_to_switches(signal, switches, x.shape, collide),)


@rule(nn.Conv2d, F.conv2d, torch.conv2d, reach="window")
def transpose_filter(run, settings: dict, x: Tensor) -> tuple[Tensor, Down]:
    """Section 2.1, Filtering: the same filters, transposed; no bias."""
    return adjoint(run, x)


@rule(
    nn.BatchNorm2d,
    nn.Identity,
    nn.Dropout,
    nn.Dropout2d,
    F.dropout,
    operator.add,
    torch.add,
    "add",
    "contiguous",
)
def same_place(run, settings: dict, *inputs: Tensor) -> tuple[Tensor, Down]:
    """Steps that are linear at each position: batch normalisation is its scale, a sum sends the signal both ways."""
    return adjoint(run, *inputs)


@rule(torch.cat, torch.concat)
def split_channels(run, settings: dict, *inputs: Tensor) -> tuple[Tensor, Down]:
    """A concatenation of maps is split again. Only along the channels does each position keep its place."""
    if settings.get("dim", 0) != 1:
        raise UserError(
            f"The deconvnet has a rule for torch.cat along channels (dim 1), not dim {settings.get('dim', 0)}."
        )
    return adjoint(run, *inputs)


@rule(nn.AvgPool2d, F.avg_pool2d, reach="window")
def spread_evenly(run, settings: dict, x: Tensor) -> tuple[Tensor, Down]:
    """Average pooling gives each pixel of its window an equal share."""
    return adjoint(run, x)


@rule(nn.Linear, F.linear, nn.AdaptiveAvgPool2d, F.adaptive_avg_pool2d, nn.Flatten, torch.flatten, reach="whole")
@rule("flatten", "view", "reshape", "mean", torch.mean, reach="whole")
def anywhere(run, settings: dict, x: Tensor) -> tuple[Tensor, Down]:
    """Linear steps that mix positions: dense layers, global pooling, reshaping."""
    return adjoint(run, x)


@rule(nn.LocalResponseNorm, F.local_response_norm)
def skip_normalisation(run, settings: dict, x: Tensor) -> tuple[Tensor, Down]:
    """Contrast normalisation across maps: the paper gives no way down through it, so the signal passes as it is."""
    return run(x), lambda signal: (signal,)


def adjoint(run, *inputs: Tensor) -> tuple[Tensor, Down]:
    """Run a linear (or affine) step; its way down is the exact adjoint, from which a bias drops out."""
    return torch.func.vjp(run, *inputs)


def keep_last(plane: Tensor, dim: int, switches: Tensor, signal: Tensor) -> Tensor:
    """Like scatter_, but with a stated order: of the values for one place the last in row-major order stays."""
    order = torch.arange(switches.shape[dim], device=switches.device).expand_as(switches)
    winner = torch.full(plane.shape, -1, dtype=order.dtype, device=plane.device)
    winner.scatter_reduce_(dim, switches, order, "amax")
    return plane.scatter_add_(dim, switches, signal * (winner.gather(dim, switches) == order))


def _to_switches(signal: Tensor, switches: Tensor, shape: torch.Size, collide) -> Tensor:
    plane = signal.new_zeros(*shape[:2], shape[2] * shape[3])  # (B, C, H * W); a switch is a flat index into H * W
    return collide(plane, 2, switches.flatten(2), signal.flatten(2)).view(shape)
