"""Slower and simpler versions of the deconvnet, to compare with."""

import copy

import torch
import torch.nn.functional as F
from torch import nn


class _DeconvReLU(torch.autograd.Function):
    """ReLU forward; backward rectifies the signal itself, whatever was active on the way up."""

    @staticmethod
    def forward(ctx, x):
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, signal):
        return signal.clamp(min=0)


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y):
        return y

    @staticmethod
    def backward(ctx, signal):
        return signal, None


class _ReLU(nn.Module):
    def forward(self, x):
        return _DeconvReLU.apply(x)


class _SkippedNorm(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.norm = norm

    def forward(self, x):
        return _StraightThrough.apply(x, self.norm(x).detach())


def by_autograd(network, images, read, seed_at):
    """Project by autograd with every ReLU's backward replaced.

    `read(network)` returns the module whose calls' outputs are the layer; `seed_at` is (call, channel, row, col).
    """
    network = copy.deepcopy(network).eval()
    for name, module in list(network.named_modules()):
        new = {nn.ReLU: lambda m: _ReLU(), nn.LocalResponseNorm: _SkippedNorm}.get(type(module))
        if new:
            parent = network.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], new(module))
    outputs = []
    hook = read(network).register_forward_hook(lambda module, inputs, output: outputs.append(output))
    images = images.clone().requires_grad_(True)
    network(images)
    hook.remove()
    call, channel, row, col = seed_at
    maps = outputs[call] if outputs[call].dim() == 4 else outputs[call][..., None, None]
    return torch.autograd.grad(maps[0, channel, row, col] * maps[0, channel, row, col].detach(), images)[0]


def five_conv_by_hand(network, images, layer, channel, row, col):
    """Project a unit of zfnet or alexnet with loops and explicit transposed convolutions (paper, section 2.1)."""
    up, shapes, switches, x = (
        ["conv1", "pool1", "norm1", "conv2", "pool2", "norm2", "conv3", "conv4", "conv5"],
        {},
        {},
        images,
    )
    for name in up:
        shapes[name] = x.shape
        if name.startswith("pool"):
            pool = getattr(network, name)
            x, switches[name] = F.max_pool2d(x, 3, 2, ceil_mode=pool.ceil_mode, return_indices=True)
        else:
            x = getattr(network, name)(x)
        if name == layer:
            break
    signal = torch.zeros_like(x)
    signal[0, channel, row, col] = x[0, channel, row, col]
    for name in reversed(up[: up.index(layer) + 1]):
        if name.startswith("pool"):
            signal = _unpool(signal, switches[name], shapes[name])
        elif name.startswith("conv"):
            signal = _unfilter(signal.clamp(min=0), getattr(network, name), shapes[name])
    return signal


def _unpool(signal, switches, shape):
    plane = torch.zeros(shape, dtype=signal.dtype)
    for b, c, i, j in torch.nonzero(signal).tolist():
        place = int(switches[b, c, i, j])
        plane[b, c, place // shape[3], place % shape[3]] += signal[b, c, i, j]
    return plane


def _unfilter(signal, block, shape):
    if hasattr(block, "batch_norm"):
        norm = block.batch_norm
        signal = signal * (norm.weight / torch.sqrt(norm.running_var + norm.eps))[None, :, None, None]
    conv = block.conv
    stride, padding, size = conv.stride[0], conv.padding[0], conv.kernel_size[0]
    extra = [
        wanted - ((got - 1) * stride - 2 * padding + size)
        for wanted, got in zip(shape[2:], signal.shape[2:], strict=True)
    ]
    return F.conv_transpose2d(signal, conv.weight, None, stride, padding, output_padding=extra)
