"""The deconvnet's rules: one small function for each kind of operation (paper, section 2.1).

A rule returns the function that carries a signal back down through an operation:

    rule(run, settings, *inputs) -> down        down(signal) -> a tuple, one signal for each input

`run(*inputs)` is the operation itself, `settings` its kernel_size, stride and so on. Of the inputs only shapes count:
a linear operation has one way down, whatever went up. To teach zfpipe an operation, write one function here, for
module types, functions and names of methods. Its decorator says what else there is to know:

`reach`, how much of its input one position of its output sees:
    'point'   that position alone
    'window'  kernel_size, stride, padding, dilation
    'whole'   all of it
    'unknown' not worked out: all of it is taken, an upper bound
    'last'    all along the last axis (a dense layer)
    'border'  that position, on a map with a border added
    'moves'   values are only moved about (or averaged over an axis): geometry finds out where to, call by call

`sees`: the way down depends on the values that went up, as that of a max-pooling on where its maxima stood.

`refuses(settings, signals) -> str`, where the rule does not hold for every call: why not, or ''. `signals` says where
among the arguments the signals stand.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zfpipe.nets.inplace import with_item
from zfpipe.nets.transposed import transposed

Down = Callable[[Tensor], tuple[Tensor, ...]]
Refuses = Callable[[dict[str, Any], list[int | str]], str]


def never(settings: dict, signals: list) -> str:
    return ""


@dataclass(frozen=True)
class Rule:
    """A rule's function, how far its operation reaches, whether its output is a layer, whether its way down depends on
    the values that went up, and what it refuses."""

    apply: Callable[..., Down]
    reach: str
    rectifies: bool
    sees: bool
    refuses: Refuses


RULES: dict[Any, Rule] = {}


def rule(*operations: Any, reach: str = "point", rectifies: bool = False, sees: bool = False, refuses: Refuses = never):
    """Register the decorated function for module types, functions and method names."""

    def register(apply):
        for operation in operations:
            RULES[operation] = Rule(apply, reach, rectifies, sees, refuses)
        return apply

    return register


def gates(settings: dict, signals: list) -> str:
    return "" if len(signals) == 1 else "is a product of two signals (a gate), which has no meaning in a deconvnet"


def divides(settings: dict, signals: list) -> str:
    return "" if signals in ([0], ["input"]) else "divides by a signal, which has no meaning in a deconvnet"


def floor_not_zero(settings: dict, signals: list) -> str:
    floor = settings.get("min", settings.get("min_val", -1.0))
    return (
        "" if isinstance(floor, int | float) and floor == 0 else f"rectifies only with a least value of 0, not {floor}"
    )


def other_maps(settings: dict, signals: list) -> str:
    return "returns indices beside its map" if settings.get("return_indices") else ""


def batch_statistics(settings: dict, signals: list) -> str:
    by_batch = settings.get("training")
    missing = settings.get("_buffers", settings).get("running_mean") is None
    return "normalises by the batch at hand; it needs running statistics" if by_batch or missing else ""


def random_now(settings: dict, signals: list) -> str:
    return "drops values at random outside training" if settings.get("training") else ""


@rule(nn.ReLU, F.relu, torch.relu, "relu", rectifies=True)
@rule(nn.ReLU6, F.relu6, rectifies=True)
@rule(
    nn.Hardtanh, F.hardtanh, torch.clamp, "clamp", "clamp_min", torch.clamp_min, rectifies=True, refuses=floor_not_zero
)
def rectify(run, settings: dict, x: Tensor) -> Down:
    """Section 2.1, Rectification: the signal, too, is kept positive.

    A cap (ReLU6) holds on the way up alone: it bounds activations, and a signal is no activation.
    """
    return lambda signal: (F.relu(signal),)


@rule(nn.LeakyReLU, F.leaky_relu, nn.PReLU, F.prelu, torch.prelu, nn.RReLU, F.rrelu, rectifies=True, refuses=random_now)
def rectify_leakily(run, settings: dict, x: Tensor) -> Down:
    """A leaky rectification treats the signal as it treats values: its negative part is scaled by the same slope."""
    return lambda signal: (run(signal),)


@rule(nn.MaxPool2d, F.max_pool2d, torch.max_pool2d, reach="window", sees=True, refuses=other_maps)
def unpool(run, settings: dict, x: Tensor) -> Down:
    """Section 2.1, Unpooling: each value goes back to the place that its maximum came from, its switch.

    Where pooling windows overlap, several values may go to one place; there they add, as in the exact adjoint.
    With `settings['overwrite']` the last of them in row-major order stays instead, as MaxUnpool2d leaves it.
    """
    otherwise = {"stride": None, "padding": 0, "dilation": 1, "ceil_mode": False}
    rest = {key: settings.get(key, value) for key, value in otherwise.items()}
    _, switches = F.max_pool2d(x, settings["kernel_size"], **rest, return_indices=True)
    return _down_switches(switches, x.shape, settings)


@rule(nn.AdaptiveMaxPool2d, F.adaptive_max_pool2d, reach="whole", sees=True, refuses=other_maps)
def unpool_adaptively(run, settings: dict, x: Tensor) -> Down:
    """The same, for pooling to a given size."""
    _, switches = F.adaptive_max_pool2d(x, settings["output_size"], return_indices=True)
    return _down_switches(switches, x.shape, settings)


@rule(nn.Conv2d, reach="window")
def transpose_filter(run, settings: dict, x: Tensor) -> Down:
    """Section 2.1, Filtering: the same filters, transposed; no bias."""
    own = SimpleNamespace(**settings, **settings["_parameters"], **settings["_buffers"])  # fixed filters are buffers
    computed = not hasattr(own, "weight") or own._forward_pre_hooks or own._forward_hooks  # as by weight_norm
    if computed or own.padding_mode != "zeros" or isinstance(own.padding, str):
        return adjoint(run, x)
    way = transposed(own)
    return lambda signal: (way(signal, x.shape[2:]),)


@rule(F.conv2d, torch.conv2d, reach="window", refuses=gates)
@rule(nn.ConvTranspose2d, F.conv_transpose2d, torch.conv_transpose2d, reach="unknown", refuses=gates)
def transpose_given_filter(run, settings: dict, x: Tensor) -> Down:
    """The same, for filters that are not a module's."""
    return adjoint(run, x)


@rule(nn.Linear, F.linear, reach="last", refuses=gates)
@rule(torch.matmul, operator.matmul, "matmul", torch.einsum, torch.addmm, reach="whole", refuses=gates)
def transpose_weights(run, settings: dict, x: Tensor) -> Down:
    """A dense layer is a convolution over the whole of its input: the same weights, transposed; no bias."""
    return adjoint(run, x)


@rule(nn.BatchNorm2d, nn.BatchNorm1d, F.batch_norm, torch.batch_norm, refuses=batch_statistics)
def scale_maps(run, settings: dict, x: Tensor) -> Down:
    """Batch normalisation in eval mode multiplies each map by a number, and so does its way down.

    The numbers are asked of one position: PyTorch's own way back takes longer than a convolution's.
    """
    position = x[(slice(1), slice(None), *[slice(1)] * (x.dim() - 2))]
    (factors,) = adjoint(run, position)(torch.ones_like(position))
    return lambda signal: (signal * factors,)


@rule(operator.mul, torch.mul, torch.multiply, "mul", refuses=gates)
@rule(operator.truediv, torch.div, torch.true_divide, "div", refuses=divides)
def scale(run, settings: dict, x: Tensor) -> Down:
    """A factor that does not look at the image scales the signal too."""
    return adjoint(run, x)


@rule(operator.add, torch.add, "add", operator.sub, torch.sub, "sub", operator.neg, torch.neg, operator.pos)
def share(run, settings: dict, *inputs: Tensor) -> Down:
    """A sum sends the signal to each of its terms (negated where it is subtracted); a constant term drops out."""
    return adjoint(run, *inputs)


@rule(F.dropout, F.dropout2d, torch.dropout, "stochastic_depth", refuses=random_now)
@rule(nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
@rule("contiguous", "clone", torch.clone, "float", "double", "to", "detach")
def pass_on(run, settings: dict, x: Tensor) -> Down:
    """What does nothing outside training; the signal passes."""
    return lambda signal: (signal,)


@rule(torch.zeros_like, torch.ones_like, "new_zeros", "new_ones")
def forget(run, settings: dict, x: Tensor) -> Down:
    """Constants of a map's size do not look at its values, so no signal goes down."""
    return lambda signal: (torch.zeros_like(x),)


@rule(nn.AvgPool2d, F.avg_pool2d, reach="window")
@rule(nn.AdaptiveAvgPool2d, F.adaptive_avg_pool2d, reach="whole")
@rule(nn.Upsample, nn.UpsamplingNearest2d, nn.UpsamplingBilinear2d, F.interpolate, reach="unknown")
def spread_evenly(run, settings: dict, x: Tensor) -> Down:
    """Average pooling gives each pixel of its window an equal share; interpolation gives back what it took."""
    return adjoint(run, x)


@rule("mean", torch.mean, "sum", torch.sum, reach="moves")
def spread_over_axes(run, settings: dict, x: Tensor) -> Down:
    """A mean over positions is global average pooling."""
    return adjoint(run, x)


@rule(nn.ZeroPad2d, nn.ConstantPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.CircularPad2d, F.pad, reach="border")
def cut_border(run, settings: dict, x: Tensor) -> Down:
    """The signal of a border of constants is dropped; that of a border copied from the map goes where it came from."""
    return adjoint(run, x)


@rule(torch.cat, torch.concat, torch.concatenate, torch.stack, with_item, reach="moves")
@rule("chunk", torch.chunk, "split", torch.split, "unbind", torch.unbind, reach="moves")
@rule("tensor_split", torch.tensor_split, operator.getitem, "narrow", torch.narrow, reach="moves")
@rule("select", torch.select, "index_select", torch.index_select, reach="moves")
def split_again(run, settings: dict, *inputs: Tensor) -> Down:
    """A concatenation is split again, and parts are joined."""
    return adjoint(run, *inputs)


@rule(nn.Flatten, torch.flatten, "flatten", nn.Unflatten, "unflatten", reach="moves")
@rule("view", "reshape", torch.reshape, "flip", torch.flip, "roll", torch.roll, reach="moves")
@rule("squeeze", torch.squeeze, "unsqueeze", torch.unsqueeze, "transpose", torch.transpose, reach="moves")
@rule("swapaxes", torch.swapaxes, "permute", torch.permute, "movedim", torch.movedim, reach="moves")
@rule(nn.ChannelShuffle, F.channel_shuffle, nn.PixelShuffle, F.pixel_shuffle, reach="moves")
@rule(nn.PixelUnshuffle, F.pixel_unshuffle, reach="moves")
def move_back(run, settings: dict, x: Tensor) -> Down:
    """Values that were moved go back to where they came from: a channel shuffle is unshuffled."""
    return adjoint(run, x)


@rule(nn.LocalResponseNorm, F.local_response_norm)
def skip_normalisation(run, settings: dict, x: Tensor) -> Down:
    """Contrast normalisation across maps: the paper gives no way down through it, so the signal passes as it is."""
    return lambda signal: (signal,)


def adjoint(run, *inputs: Tensor) -> Down:
    """Return a linear (or affine) step's way down, the exact adjoint, from which a bias drops out.

    torch.func.vjp takes longer, and a second to import PyTorch's compiler: it is for steps that take or give tuples.
    """
    if not all(isinstance(x, Tensor) for x in inputs):
        return torch.func.vjp(run, *inputs)[1]
    with torch.enable_grad():
        leaves = [x.detach().requires_grad_() for x in inputs]
        out = run(*leaves)
    if not isinstance(out, Tensor):
        return torch.func.vjp(run, *inputs)[1]
    return lambda signal: torch.autograd.grad(out, leaves, signal, retain_graph=True, materialize_grads=True)


def keep_last(plane: Tensor, dim: int, switches: Tensor, signal: Tensor) -> Tensor:
    """Like scatter_, but with a stated order: of the values for one place the last in row-major order stays."""
    order = torch.arange(switches.shape[dim], device=switches.device).expand_as(switches)
    winner = torch.full(plane.shape, -1, dtype=order.dtype, device=plane.device)
    winner.scatter_reduce_(dim, switches, order, "amax")
    return plane.scatter_add_(dim, switches, signal * (winner.gather(dim, switches) == order))


def _down_switches(switches: Tensor, shape: torch.Size, settings: dict) -> Down:
    collide = keep_last if settings.get("overwrite") else torch.Tensor.scatter_add_

    def down(signal: Tensor) -> tuple[Tensor]:
        plane = signal.new_zeros(*shape[:2], shape[2] * shape[3])  # (B, C, H * W); a switch is a flat index into H * W
        return (collide(plane, 2, switches.flatten(2), signal.flatten(2)).view(shape),)

    return down
