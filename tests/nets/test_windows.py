"""A unit run in its window alone gives what the full frame gives, at corners and borders too."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision import models

from zfpipe.nets import deconvnet
from zfpipe.nets.chain import CONVOLVE, Link, inside, outside
from zfpipe.nets.layers import layers
from zfpipe.nets.models import Model
from zfpipe.nets.paper import alexnet, zfnet
from zfpipe.nets.trace import trace
from zfpipe.nets.windows import Projector, cut


def as_model(network, size, dtype=torch.float32):
    mean, std = torch.full((3, 1, 1), 120.0, dtype=dtype), torch.full((3, 1, 1), 60.0, dtype=dtype)
    return Model(network, {"input_size": size}, ["a"], mean, std, size)


def corners(height, width):
    return sorted({(r, c) for r in (0, height // 2, height - 1) for c in (0, width // 3, width - 1)})


def compare(network, height, width, tolerance, dtype, only=None, make=Projector):
    """Assert that windowed and full-frame projections agree for the strongest unit at corners and inside."""
    model = as_model(network, height, dtype)
    traced = trace(network, (height, width))
    image = np.random.default_rng(0).integers(0, 255, (1, height, width, 3)).astype(np.uint8)
    frame = model.normalise(torch.from_numpy(image).permute(0, 3, 1, 2))
    found = layers(traced)
    for name, layer in found.items():
        if only and name not in only:
            continue
        maps, project = deconvnet.forward(traced, frame, layer.step)
        flat = maps if maps.dim() == 4 else maps[..., None, None]
        for row, col in corners(*layer.map_size):
            channel = int(flat[0, :, row, col].argmax())
            if flat[0, channel, row, col] <= 0:
                continue
            at = [np.array([index]) for index in (channel, row, col)]
            full = project(deconvnet.seed(maps, *map(torch.from_numpy, at)))[0].permute(1, 2, 0).numpy()
            mine = make(model, traced, layer, "add")(image, np.array([0]), *at)
            wanted = cut(full, 0, 0, mine.box[0])
            scale = np.abs(full).max()
            assert np.abs(mine.projection[0] - wanted).max() <= tolerance * scale, (name, row, col)
            assert abs(mine.activation[0] - flat[0, channel, row, col]) <= tolerance * flat[0, channel, row, col]
            inside = np.zeros((height, width), bool)
            top, left, bottom, right = np.maximum(mine.box[0], 0)
            inside[top:bottom, left:right] = True
            assert not full[~inside].any(), "the projection is exactly 0 outside the receptive field"
            assert np.array_equal(mine.patch[0], cut(image[0], 0, 0, mine.box[0]))


@pytest.mark.parametrize(
    ("build", "size"),
    [(lambda: zfnet(5, 0.1, 224), 224), (lambda: zfnet(5, 0.1, 117, "batch"), 117), (lambda: alexnet(5, 0.1), 227)],
)
def test_the_papers_networks_in_every_layer(build, size, lively):
    compare(lively(build(), torch.float32), size, size, 2e-6, torch.float32)


@pytest.mark.parametrize(
    ("name", "only"),
    [
        ("alexnet", ("features.4", "features.11", "classifier.2")),
        ("resnet18", ("layer1.0.relu_1", "layer2.0.relu", "layer3.1.relu_1")),
        ("squeezenet1_1", ("features.3.expand3x3_activation", "features.7.squeeze_activation", "classifier.2")),
    ],
)
def test_torchvision_networks_on_an_oblong_image(name, only, lively):
    network = lively(models.get_model(name, num_classes=5))
    compare(network, 131, 100, 1e-11, torch.float64, only)


def test_many_entries_at_once_are_what_each_is_alone(lively):
    network = lively(zfnet(5, 0.1, 96), torch.float64)
    model = as_model(network, 96, torch.float64)
    traced = trace(network, (96, 96))
    layer = layers(traced)["conv3"]
    generator = np.random.default_rng(1)
    images = generator.integers(0, 255, (3, 96, 96, 3)).astype(np.uint8)
    which = np.array([0, 2, 1, 0])
    channel, row, col = (generator.integers(0, limit, 4) for limit in (layer.channels, *layer.map_size))
    projector = Projector(model, traced, layer)
    together = projector(images, which, channel, row, col)
    for i in range(4):
        alone = projector(images[which[i]][None], np.array([0]), *(part[i : i + 1] for part in (channel, row, col)))
        np.testing.assert_allclose(together.projection[i], alone.projection[0], rtol=1e-10, atol=1e-12)
        assert np.array_equal(together.box[i], alone.box[0])


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "mobilenet_v2"])
def test_what_was_mined_stands_for_what_is_not_computed_again(name, lively):
    network = lively(models.get_model(name, num_classes=5), torch.float64)
    model, traced = as_model(network, 96, torch.float64), trace(network, (96, 96))
    layer = list(layers(traced).values())[9]
    generator = np.random.default_rng(1)
    images = generator.integers(0, 255, (3, 96, 96, 3)).astype(np.uint8)
    channel, row, col = (generator.integers(0, limit, 5) for limit in (layer.channels, *layer.map_size))
    given = images, np.array([1, 0, 2, 2, 1]), channel, row, col
    projector = Projector(model, traced, layer)
    wanted = projector(*given)
    assert (wanted.activation > 0).any()
    found = projector(*given, wanted.activation)
    assert found.activation[0] == pytest.approx(wanted.activation[0], rel=1e-12)
    assert np.isnan(found.activation[1:]).all()
    np.testing.assert_allclose(found.projection, wanted.projection, rtol=1e-9, atol=1e-12)
    twice = projector(*given, 2 * wanted.activation)
    np.testing.assert_allclose(twice.projection, 2 * wanted.projection, rtol=1e-9, atol=1e-12)


@st.composite
def small_networks(draw):
    """A random chain of convolutions, normalisations, rectifications and poolings, ending in a rectification."""
    parts, channels = [], 3
    for _ in range(draw(st.integers(1, 4))):
        kernel, outputs = draw(st.integers(1, 5)), draw(st.integers(2, 5))
        padding = draw(st.integers(0, kernel - 1))
        parts.append(nn.Conv2d(channels, outputs, kernel, draw(st.integers(1, 2)), padding, draw(st.integers(1, 2))))
        channels = outputs
        if draw(st.booleans()):
            parts.append(nn.BatchNorm2d(channels))
        parts.append(nn.ReLU())
        if draw(st.booleans()):
            size = draw(st.integers(2, 3))
            parts.append(
                nn.MaxPool2d(size, draw(st.integers(1, 3)), draw(st.integers(0, 1)), ceil_mode=draw(st.booleans()))
            )
    while not isinstance(parts[-1], nn.ReLU):
        parts.pop()
    return nn.Sequential(*parts)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(network=small_networks(), height=st.integers(20, 60), width=st.integers(20, 60), seed=st.integers(0, 99))
def test_random_networks(network, height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        parameter.data.normal_(0, 0.5, generator=generator)
    network = network.double().eval().requires_grad_(False)
    try:
        network(torch.zeros(1, 3, height, width, dtype=torch.float64))
    except RuntimeError:  # the chain shrinks the image to nothing
        return
    compare(network, height, width, 1e-9, torch.float64)


class Branches(nn.Module):
    """Borders, slices, other rectifications and poolings, a sum and a concatenation, all of which keep their place."""

    def __init__(self):
        super().__init__()
        self.pad, self.a, self.leaky = nn.ZeroPad2d((2, 1, 0, 3)), nn.Conv2d(3, 4, 5, stride=2), nn.LeakyReLU(0.2)
        self.b, self.prelu = nn.Conv2d(4, 4, 3, padding=2, dilation=2), nn.PReLU(4)
        self.c, self.cap = nn.Conv2d(4, 4, 3, padding=1, groups=2), nn.ReLU6()
        self.d, self.relu = nn.Conv2d(8, 4, 3), nn.ReLU()

    def forward(self, x):
        x = self.leaky(self.a(self.pad(x)))
        x = nn.functional.avg_pool2d(x, 2)
        y = torch.cat([self.prelu(self.b(x)), self.cap(self.c(x) + x)], 1)
        y = nn.functional.pad(y, (1, 1, 1, 1))[:, :, 1:, :-1]
        return self.relu(self.d(y)).clamp(min=0)


@pytest.mark.parametrize("size", [(61, 48), (50, 77)])
def test_branches_borders_and_slices(size, lively):
    compare(lively(Branches()), *size, 1e-11, torch.float64)


def test_what_lies_inside_a_map_is_all_but_what_lies_outside():
    link = Link(CONVOLVE, nn.Conv2d(3, 4, 5), (6, 9), (5, 4))
    start = np.array([[-2, 0], [3, 7], [1, 2], [-4, -9], [6, 9], [9, 1], [1, 11]])
    kept = np.ones((len(start), *link.reach), bool)
    for entry, axis, positions in outside(start, link):
        kept[entry][(slice(None),) * axis + (positions,)] = False
    rows, cols = inside(start, link)
    assert np.array_equal(rows[:, :, None] & cols[:, None, :], kept)
    assert kept[2].all()
    assert not kept[3:].any()
