"""Receptive fields against the paper's, and against changing pixels one by one."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

from zfpipe.nets.axis import Axis
from zfpipe.nets.geometry import fields
from zfpipe.nets.layers import layers
from zfpipe.nets.paper import alexnet, zfnet
from zfpipe.nets.trace import trace

CONVS = ("conv1", "conv2", "conv3", "conv4", "conv5")


@pytest.mark.parametrize(
    ("build", "size", "maps", "sizes", "jumps", "windows"),
    [
        (zfnet, 224, (110, 26, 13, 13, 13), (7, 27, 75, 107, 139), (2, 8, 16, 16, 16), (8, 40, 96, 128, 160)),
        (alexnet, 227, (55, 27, 13, 13, 13), (11, 51, 99, 131, 163), (4, 8, 16, 16, 16), (15, 59, 115, 147, 179)),
    ],
)
def test_the_papers_networks(build, size, maps, sizes, jumps, windows):
    found = layers(trace(build(10, width=0.1), (size, size)))
    chosen = [found[name] for name in CONVS]
    assert tuple(layer.map_size[0] for layer in chosen) == maps
    assert tuple(layer.field.rows.size for layer in chosen) == sizes
    assert tuple(layer.field.rows.jump for layer in chosen) == jumps
    assert tuple(layer.field.rows.window for layer in chosen) == windows
    assert found["fc6"].field.rows == Axis(size, size, 0, size)


class Uneven(nn.Module):
    """Different kernels, strides, paddings and dilations on the two axes, two branches, a rounding-up pool."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 2, (5, 2), stride=(2, 1), padding=(1, 0))
        self.pool = nn.MaxPool2d((3, 2), 2, ceil_mode=True)
        self.b = nn.Conv2d(2, 2, 3, padding="same", dilation=2)
        self.c = nn.Conv2d(2, 2, (1, 3), padding=(0, 1))
        self.relu = nn.ReLU()

    def forward(self, x):
        x = self.pool(self.relu(self.a(x)))
        return self.relu(torch.cat([self.b(x), self.c(x)], 1))


def pixels_that_matter(network, height, width):
    """Which input pixels change which places of the map, bool (height, width, rows, cols), found by changing them."""
    changed = torch.zeros(())
    generator = torch.Generator().manual_seed(0)
    for _ in range(4):  # a max pooling hides a pixel that loses; several images show each one
        x = torch.rand(1, 3, height, width, generator=generator, dtype=torch.float64)
        others = x.repeat(height * width, 1, 1, 1)
        for number, (row, col) in enumerate(np.ndindex(height, width)):
            others[number, :, row, col] += 3.0
        changed = changed + (network(others) != network(x)).any(1)
    return changed.unflatten(0, (height, width)).numpy() > 0


def span(axis, position):
    first = axis.start + position * axis.jump
    return max(0, first), min(axis.image, first + axis.size) - 1


def test_every_pixel_of_the_field_matters_and_none_outside(lively):
    network = lively(Uneven())
    for parameter in network.parameters():
        parameter.abs_()  # so that no rectification hides a change
    traced = trace(network, (23, 18))
    layer = layers(traced)["relu_1"]
    changed = pixels_that_matter(network, 23, 18)
    for row, col in np.ndindex(layer.map_size):
        rows, cols = (np.flatnonzero(changed[:, :, row, col].any(axis)) for axis in (1, 0))
        for found, axis, place in ((rows, layer.field.rows, row), (cols, layer.field.cols, col)):
            first, last = span(axis, place)
            assert first <= found[0]
            assert found[-1] <= last
            if first > 0 and last < axis.image - 1:  # at the border a dilated kernel's first taps see padding alone
                assert (found[0], found[-1]) == (first, last)


def test_a_residual_sum_has_the_span_of_its_branches():
    found = fields(trace(models.resnet18(), (224, 224)))
    assert found["layer1.0.add"].rows.size == 27
    assert found["layer4.1.relu_1"].rows.size == 435


@pytest.mark.parametrize(("size", "jump", "start", "image"), [(75, 16, -17, 224), (7, 2, -1, 30), (9, 4, 0, 31)])
def test_windows_hold_the_field_and_stay_on_the_grid(size, jump, start, image):
    axis = Axis(size, jump, start, image)
    positions = np.arange((image - size - 2 * start) // jump + 1)
    starts, first = axis.window_start(positions), start + positions * jump
    assert ((image - axis.window) % jump == 0) or axis.window == image
    assert (starts % jump == 0).all()
    assert (starts >= 0).all()
    assert (starts + axis.window <= image).all()
    assert (starts <= np.maximum(first, 0)).all()
    assert (starts + axis.window >= np.minimum(first + size, image)).all()
    assert (axis.in_window(positions) * jump + starts == positions * jump).all()
