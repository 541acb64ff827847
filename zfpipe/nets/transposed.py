"""The transposed filters of a convolution, which carry a signal down (paper, section 2.1, Filtering), fast."""

from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEW = 16  # maps below a strided convolution from which its transpose is a plain convolution in phases
NONE = (0, 0)
PAIRS = ("kernel_size", "stride", "padding", "dilation")


class Transposed(nn.Module):
    """The transposed filters of a convolution. The signal reaches all that the filters saw, or, where a `size` is
    given, a map of that size around which the convolution put its padding."""

    def __init__(self, convolution: SimpleNamespace):
        super().__init__()
        self.own = convolution

    def forward(self, signal: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        own, padding, left = self.own, NONE, NONE
        if size:  # positions at the end that no filter saw
            padding = own.padding
            both = zip(size, signal.shape[2:], own.stride, padding, own.dilation, own.kernel_size, strict=True)
            left = [length - (n - 1) * step + 2 * pad - far * (k - 1) - 1 for length, n, step, pad, far, k in both]
        return F.conv_transpose2d(signal, own.weight, None, own.stride, padding, left, own.groups, own.dilation)


class InPhases(nn.Module):
    """The same as one plain convolution: an output for each map and each of stride x stride phases, then interleaved.

    Faster where there are few maps below (the image's channels), as a kernel works on many outputs at once.
    """

    def __init__(self, convolution: SimpleNamespace):
        super().__init__()
        stride, kernel = convolution.stride[0], convolution.kernel_size
        missing = [-length % stride for length in kernel]
        phases = F.pixel_unshuffle(F.pad(convolution.weight, (0, missing[1], 0, missing[0])), stride)
        self.weight = phases.flip(2, 3).transpose(0, 1).contiguous(memory_format=torch.channels_last)
        self.stride, self.missing, self.padding = stride, missing, convolution.padding

    def forward(self, signal: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        border = [length - 1 for length in self.weight.shape[2:]]
        phases = F.conv2d(signal, self.weight, padding=border).permute(0, 2, 3, 1)
        images, rows, cols, outputs = phases.shape
        stride, maps = self.stride, outputs // self.stride**2
        apart = phases.view(images, rows, cols, maps, stride, stride).permute(0, 1, 4, 2, 5, 3)
        whole = apart.reshape(images, rows * stride, cols * stride, maps).permute(0, 3, 1, 2)
        seen = whole[:, :, : rows * stride - self.missing[0], : cols * stride - self.missing[1]]
        if not size:
            return seen
        (height, width), (top, left) = size, self.padding
        return F.pad(seen, (-left, width + left - seen.shape[3], -top, height + top - seen.shape[2]))


def transposed(convolution: nn.Conv2d | SimpleNamespace) -> Transposed | InPhases:
    """Return what carries a signal down through a convolution's filters, in the form that is faster."""
    # Whoever changed a layer that was made may have set a number where there was a pair.
    own = SimpleNamespace(**{key: getattr(convolution, key) for key in ("weight", "groups", "in_channels")})
    for key in PAIRS:
        value = getattr(convolution, key)
        setattr(own, key, (value, value) if isinstance(value, int) else tuple(value))
    square = own.stride[0] == own.stride[1] and own.dilation == (1, 1) and own.groups == 1
    # Elsewhere some positions see padding alone, and there may be less to cut than padding.
    near = all(pad < length for pad, length in zip(own.padding, own.kernel_size, strict=True))
    return InPhases(own) if square and near and own.in_channels <= FEW else Transposed(own)
