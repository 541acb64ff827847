"""What is computed where a signal can reach alone, against windows and whole frames, at corners and borders too."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_windows import as_model, compare, small_networks
from torch import nn
from torchvision import models

from zfpipe.nets.chain import chain_to
from zfpipe.nets.layers import layers
from zfpipe.nets.paper import alexnet, zfnet
from zfpipe.nets.quick import channels_last
from zfpipe.nets.reach import ReachProjector, projector_of
from zfpipe.nets.trace import trace
from zfpipe.nets.windows import Projector

NETWORKS = {
    "zfnet": (lambda: zfnet(5, 0.1, 224), 224, 5),
    "zfnet, batch normalisation": (lambda: zfnet(5, 0.1, 117, "batch"), 117, 4),
    "alexnet": (lambda: alexnet(5, 0.1), 227, 5),
    "torchvision's alexnet": (lambda: models.alexnet(num_classes=5), 200, 5),
    "vgg11_bn": (lambda: models.vgg11_bn(num_classes=5).features[:18], 96, 5),
}


def every_place(layer, count, images):
    """Corners, and places drawn at random, of images and units drawn at random."""
    generator = np.random.default_rng(0)
    height, width = layer.map_size
    row = np.array([0, 0, height - 1, height - 1, *generator.integers(0, height, count - 4)])
    col = np.array([0, width - 1, 0, width - 1, *generator.integers(0, width, count - 4)])
    return generator.integers(0, images, count), generator.integers(0, layer.channels, count), row, col


def by_frames(*given, pays=True):
    made = projector_of(*given)
    made._frames_pay = lambda images, entries: pays
    return made


def by_fields(*given):
    return by_frames(*given, pays=False)


def agree(model, traced, layer, tolerance):
    """Assert that many entries at once, most of them over a border, come out as they do from windows."""
    size = (3, *traced.input_size, traced.channels)
    pictures = np.random.default_rng(1).integers(0, 255, size).astype(np.uint8)
    entries = every_place(layer, 10, 3)
    wanted = Projector(model, traced, layer, "add")(pictures, *entries)
    assert (wanted.activation > 0).any()
    strongest, largest = wanted.activation.max(), np.abs(wanted.projection).max()
    for make in (by_fields, by_frames):
        found = make(model, traced, layer, "add")(pictures, *entries)
        assert np.abs(found.activation - wanted.activation).max() <= tolerance * strongest
        assert np.abs(found.projection - wanted.projection).max() <= tolerance * largest
        assert np.array_equal(found.box, wanted.box)
        assert np.array_equal(found.patch, wanted.patch)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_every_layer_agrees_with_windows(name, dtype, tolerance, lively):
    build, size, reached = NETWORKS[name]
    network = lively(build(), dtype)
    channels_last(network)
    traced, model = trace(network, (size, size)), as_model(network, size, dtype)
    found = [layer for layer in layers(traced).values() if layer.map_size != (1, 1)][:5]
    quickly = [isinstance(projector_of(model, traced, layer, "add"), ReachProjector) for layer in found]
    assert quickly.count(True) == reached
    for layer in found:
        agree(model, traced, layer, tolerance)


def test_a_mean_image_and_grey_pictures(lively):
    network = lively(zfnet(5, 0.1, 96, channels=1), torch.float64)
    traced, model = trace(network, (96, 96), 1), as_model(network, 96, torch.float64)
    model.mean = torch.rand(1, 96, 96, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 255
    model.std = model.std[:1]
    for layer in layers(traced).values():
        if layer.name in ("conv1", "conv2", "conv3"):
            assert chain_to(traced, layer.step)
            agree(model, traced, layer, 1e-10)


class Oblong(nn.Module):
    """Kernels, strides, paddings and dilations that differ by axis; groups; a pooling that does not overlap."""

    def __init__(self):
        super().__init__()
        self.a, self.pool = nn.Conv2d(3, 4, (3, 5), (2, 1), (2, 1)), nn.MaxPool2d((2, 3), ceil_mode=True)
        self.b = nn.Conv2d(4, 20, (1, 3), padding=(0, 2), dilation=(1, 2), groups=2)
        self.norm, self.drop, self.again = nn.LocalResponseNorm(3, 0.5), nn.Dropout(), nn.MaxPool2d(3, 1, 1)
        self.c, self.d = nn.Conv2d(20, 18, 2, 2, 1), nn.Conv2d(18, 5, 3, padding=2, dilation=2)

    def forward(self, x):
        x = self.norm(self.pool(torch.relu(self.a(x))))
        x = self.again(self.drop(torch.relu(self.b(x))))
        return nn.functional.relu(self.d(torch.relu(self.c(x))))


@pytest.mark.parametrize("size", [(61, 48), (50, 77)])
def test_settings_that_differ_by_axis(size, lively):
    network = lively(Oblong())
    traced = trace(network, size)
    plain = [chain_to(traced, layer.step) is not None for layer in layers(traced).values()]
    assert plain == [True, False, True, True]  # the second has its filters in groups
    for make in (by_fields, by_frames):
        compare(network, *size, 1e-11, torch.float64, make=make)


@pytest.mark.parametrize("make", [Projector, by_fields, by_frames])
def test_fields_that_lie_past_the_image_altogether(make, lively):
    filters = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, (2, 3), padding=(6, 8))
    network = lively(nn.Sequential(filters[0], nn.ReLU(), filters[1], nn.ReLU()), torch.float64)
    compare(network, 23, 30, 1e-11, torch.float64, make=make)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(network=small_networks(), height=st.integers(20, 60), width=st.integers(20, 60), seed=st.integers(0, 99))
def test_random_chains(network, height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        parameter.data.normal_(0, 0.5, generator=generator)
    network = network.double().eval().requires_grad_(False)
    try:
        network(torch.zeros(1, 3, height, width, dtype=torch.float64))
    except RuntimeError:  # the chain shrinks the image to nothing
        return
    for make in (by_fields, by_frames):
        compare(network, height, width, 1e-9, torch.float64, make=make)


@pytest.mark.parametrize("make", [Projector, by_frames, by_fields])
def test_settings_that_were_changed_to_numbers(make, lively):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 3), nn.ReLU())
    vars(network[0]).update(stride=2, padding=1)
    vars(network[3]).update(padding=2, dilation=2)
    compare(lively(network, torch.float64), 40, 48, 1e-11, torch.float64, make=make)


def test_what_is_no_plain_chain_is_left_to_windows(lively):
    for build, size in ((models.resnet18, 96), (models.squeezenet1_1, 96)):
        network = lively(build(num_classes=5), torch.float32)
        traced = trace(network, (size, size))
        found = [chain_to(traced, layer.step) is None for layer in layers(traced).values()]
        assert found[-1]
        assert not found[0]
    network = lively(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), nn.ReLU()), torch.float32)
    assert chain_to(trace(network, (9, 9)), "1") is None
    network = lively(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU6()), torch.float32)
    assert chain_to(trace(network, (9, 9)), "1") is None


def test_frames_pay_where_few_images_hold_many_entries(lively):
    network = lively(zfnet(5, 0.1, 224), torch.float32)
    traced, model = trace(network, (224, 224)), as_model(network, 224)
    projector = projector_of(model, traced, layers(traced)["conv5"], "add")
    assert projector._field == (139, 139)
    assert [projector._frames_pay(images, 10) for images in (1, 3, 4, 10)] == [True, True, False, False]
