"""Slower and simpler versions of the deconvnet, to compare with."""

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode


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


class _DeconvLeakyReLU(torch.autograd.Function):
    """Leaky ReLU whose backward scales the negative part of the signal, not that of what was negative on the way up."""

    @staticmethod
    def forward(ctx, x, slope):
        ctx.slope = slope
        return x.clamp(min=0) + slope * x.clamp(max=0)

    @staticmethod
    def backward(ctx, signal):
        return signal.clamp(min=0) + ctx.slope * signal.clamp(max=0), None


class Deconv(TorchFunctionMode):
    """While it is on, whatever rectifies (a module, a function, a method, in place or not) has a deconvnet's backward.

    `outputs` collects what each of them gave, in the order of computation.
    """

    def __init__(self):
        super().__init__()
        self.outputs = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs, name, x = kwargs or {}, func.__name__.strip("_"), args[0] if args else None
        if name == "local_response_norm":
            with torch._C.DisableTorchFunction():
                return _StraightThrough.apply(x, func(*args, **kwargs).detach())
        if name not in ("relu", "relu6", "hardtanh", "leaky_relu", "prelu"):
            return func(*args, **kwargs)
        y = _DeconvReLU.apply(x)
        if name in ("relu6", "hardtanh"):
            y = _StraightThrough.apply(y, y.detach().clamp(max=6))
        elif name == "leaky_relu":
            y = _DeconvLeakyReLU.apply(x, args[1] if len(args) > 1 else kwargs["negative_slope"])
        elif name == "prelu":
            y = _DeconvLeakyReLU.apply(x, args[1].view(-1, *[1] * (x.dim() - 2)))
        self.outputs.append(y)
        return y


def rectified_by_autograd(network, images):
    """Run a network up with the backwards of a deconvnet; return its images and every rectified map, in order.

    For networks that do not go on with what an in-place rectification overwrote.
    """
    images = images.clone().requires_grad_(True)
    with Deconv() as mode:
        network(images)
    return images, mode.outputs


def pull(images, maps, channel, row, col):
    """Project one unit of a map of `rectified_by_autograd`."""
    value = (maps if maps.dim() == 4 else maps[..., None, None])[0, channel, row, col]
    return torch.autograd.grad(value * value.detach(), images, retain_graph=True)[0]


def by_autograd(network, images, read, seed_at):
    """Project by autograd with every ReLU's backward replaced.

    `read(network)` returns the module whose calls' outputs are the layer; `seed_at` is (call, channel, row, col).
    """
    outputs = []
    hook = read(network).register_forward_hook(lambda module, inputs, output: outputs.append(output))
    images, _ = rectified_by_autograd(network, images)
    hook.remove()
    call, *place = seed_at
    return pull(images, outputs[call], *place)


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
