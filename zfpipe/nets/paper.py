"""The networks of the paper (ZFNet) and of the article (AlexNet in one tower): five convolutions, three dense."""

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from zfpipe.data.sizes import Size, pair
from zfpipe.errors import UserError, require_one_of

CHANNELS = (96, 256, 384, 384, 256)
FC = 4096
DROPPABLE = (3, 4, 6, 7)
NORMS = ("contrast", "batch", "none")


class FiveConvNet(nn.Module):
    """Five rectified convolutions with max pooling after 1, 2 and 5; dense layers 6, 7, 8.

    `width` multiplies channels and dense units; `input_size` is the input's side in pixels, or height and width.
    `norm` is 'contrast' (across maps, after the first two poolings), 'batch' (batch normalisation before each
    rectification of a convolution) or 'none'. For the paper's table 3: `drop` leaves out layers (of 3, 4, 6 and 7),
    `fc` is the size of layers 6 and 7, `maps` the number of maps of layers 1 to 5; `width` multiplies these too.
    Input (B, channels, H, W); output (B, classes) logits.
    Raises UserError for a setting outside its range or an input too small for the three poolings.
    """

    layer_names: ClassVar = {
        name: f"{name}.relu" for name in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")
    }

    def __init__(
        self,
        classes: int,
        width: float,
        input_size: int | Size,
        norm: str,
        dropout: float,
        channels: int,
        conv1: dict[str, int],
        conv2: dict[str, int],
        ceil_mode: bool,
        drop: Sequence[int] = (),
        fc: int = FC,
        maps: Sequence[int] = CHANNELS,
    ):
        super().__init__()
        _check(width, input_size, norm, dropout, channels)
        _check_ablation(drop, fc, maps)
        c1, c2, c3, c4, c5 = (_scaled(count, width) for count in maps)
        c3 = c2 if 3 in drop else c3
        c4 = c3 if 4 in drop else c4
        fc = _scaled(fc, width)
        self.conv1 = _rectified_conv(channels, c1, norm, **conv1)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=ceil_mode)
        self.norm1 = _contrast(norm)
        self.conv2 = _rectified_conv(c1, c2, norm, **conv2)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=ceil_mode)
        self.norm2 = _contrast(norm)
        # A layer that is left out passes on what it gets.
        self.conv3 = nn.Identity() if 3 in drop else _rectified_conv(c2, c3, norm, kernel_size=3, padding=1)
        self.conv4 = nn.Identity() if 4 in drop else _rectified_conv(c3, c4, norm, kernel_size=3, padding=1)
        self.conv5 = _rectified_conv(c4, c5, norm, kernel_size=3, padding=1)
        self.pool5 = nn.MaxPool2d(3, 2, ceil_mode=ceil_mode)
        flat = _flat_size(self, c5, input_size)
        self.fc6 = nn.Identity() if 6 in drop else _rectified_dense(flat, fc, dropout)
        flat = flat if 6 in drop else fc
        self.fc7 = nn.Identity() if 7 in drop else _rectified_dense(flat, fc, dropout)
        self.fc8 = nn.Linear(flat if 7 in drop else fc, classes)

    def features(self, x: Tensor) -> Tensor:
        """Return the map after the last pooling, (B, C, h, w)."""
        x = self.norm1(self.pool1(self.conv1(x)))
        x = self.norm2(self.pool2(self.conv2(x)))
        return self.pool5(self.conv5(self.conv4(self.conv3(x))))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.flatten(self.features(x), 1)
        return self.fc8(self.fc7(self.fc6(x)))


def zfnet(
    classes: int,
    width: float = 1.0,
    input_size: int | Size = 224,
    norm: str = "contrast",
    dropout: float = 0.5,
    channels: int = 3,
    drop: Sequence[int] = (),
    fc: int = FC,
    maps: Sequence[int] = CHANNELS,
) -> FiveConvNet:
    """Return the paper's network (figure 3). At 224 its maps are 110, 55, 26, 13, 13, 13, 13, 6.

    Those sizes need padding 1 in the first convolution and poolings that round up.
    """
    conv1 = {"kernel_size": 7, "stride": 2, "padding": 1}
    conv2 = {"kernel_size": 5, "stride": 2}
    sizes = {"drop": drop, "fc": fc, "maps": maps}
    return FiveConvNet(classes, width, input_size, norm, dropout, channels, conv1, conv2, True, **sizes)


def alexnet(
    classes: int,
    width: float = 1.0,
    input_size: int | Size = 227,
    norm: str = "none",
    dropout: float = 0.5,
    channels: int = 3,
    drop: Sequence[int] = (),
    fc: int = FC,
    maps: Sequence[int] = CHANNELS,
) -> FiveConvNet:
    """Return the article's network. At 227 its maps are 55, 27, 27, 13, 13, 13, 13, 6."""
    conv1 = {"kernel_size": 11, "stride": 4}
    conv2 = {"kernel_size": 5, "padding": 2}
    sizes = {"drop": drop, "fc": fc, "maps": maps}
    return FiveConvNet(classes, width, input_size, norm, dropout, channels, conv1, conv2, False, **sizes)


def _scaled(channels: int, width: float) -> int:
    return max(1, round(channels * width))


def _rectified_conv(inputs: int, outputs: int, norm: str, **geometry: int) -> nn.Sequential:
    parts = OrderedDict(conv=nn.Conv2d(inputs, outputs, bias=norm != "batch", **geometry))
    if norm == "batch":
        parts["batch_norm"] = nn.BatchNorm2d(outputs)
    parts["relu"] = nn.ReLU()
    return nn.Sequential(parts)


def _rectified_dense(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    parts = OrderedDict(dense=nn.Linear(inputs, outputs), relu=nn.ReLU(), dropout=nn.Dropout(dropout))
    return nn.Sequential(parts)


def _contrast(norm: str) -> nn.Module:
    # AlexNet's constants; the paper gives none of its own.
    return nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0) if norm == "contrast" else nn.Identity()


def _check(width: float, input_size: int | Size, norm: str, dropout: float, channels: int) -> None:
    require_one_of("model.norm", norm, NORMS)
    if not 0 < width < math.inf:
        raise UserError(f"model.width is {width}; it must be above 0 (1 is the paper's).")
    sides = input_size if isinstance(input_size, list | tuple) else [input_size]
    if len(sides) > 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise UserError(
            f"model.input_size is {input_size!r}; it is a whole number of pixels, such as 224, or [height, width]."
        )
    if channels < 1:
        raise UserError(f"The input has {channels} channels; zfnet and alexnet take 1 channel or more.")
    if not 0 <= dropout < 1:
        raise UserError(f"train.dropout is {dropout}; it can be 0 to below 1 (the paper's is 0.5).")


def _check_ablation(drop: Sequence[int], fc: int, maps: Sequence[int]) -> None:
    for layer in drop:
        require_one_of("model.drop", layer, DROPPABLE)
    if fc < 1:
        raise UserError(f"model.fc is {fc}; it must be at least 1 (the paper's is {FC}).")
    if len(maps) != len(CHANNELS) or min(maps) < 1:
        raise UserError(f"model.channels is {list(maps)}; it is five numbers, the paper's are {list(CHANNELS)}.")


def _flat_size(network: FiveConvNet, maps: int, input_size: int | Size) -> int:
    """Return the size of `maps` after the last pooling, by counting: to run an image doubles a job's start."""
    sides = pair(input_size)
    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.MaxPool2d):
            sides = tuple(_side_after(part, side) for side in sides)
    if min(sides) < 1:
        raise UserError(f"model.input_size is {input_size}: too small for three poolings of this network.")
    return maps * sides[0] * sides[1]


def _side_after(part: nn.Conv2d | nn.MaxPool2d, side: int) -> int:
    """Return the side of the map that a square window leaves; below 1 where it does not fit."""
    kernel, stride, padding = (pair(number)[0] for number in (part.kernel_size, part.stride, part.padding))
    up = getattr(part, "ceil_mode", False)
    count = (side + 2 * padding - kernel + (stride - 1 if up else 0)) // stride + 1
    return count - 1 if up and (count - 1) * stride >= side + padding else count  # a window begins in the map
