"""Feature vectors against networks that are known: an identity, and what pools and normalises after a layer."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from zfpipe.errors import UserError
from zfpipe.nets.features import Features, grid_of, top_of
from zfpipe.nets.layers import layers
from zfpipe.nets.models import Model, build
from zfpipe.nets.trace import trace


class Split:
    """Packed images in memory."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def read(self, start, stop):
        return self.images[start:stop]


class Identity(nn.Module):
    """Its first layer's map is the input, if that is positive."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)
        self.conv.weight.data[:] = torch.eye(3)[:, :, None, None]
        self.relu, self.dense = nn.ReLU(), nn.Linear(3 * 8 * 6, 2)

    def forward(self, x):
        return self.dense(torch.flatten(self.relu(self.conv(x)), 1))


def known(most=None):
    network = Identity().eval()
    spec = {"name": "identity", "input_size": [8, 6]}
    model = Model(network, spec, ["a", "b"], torch.full((3, 1, 1), 10.0), torch.full((3, 1, 1), 2.0), (10, 8))
    traced = trace(network, (8, 6))
    return Features(model, traced, layers(traced)["relu"], most)


def test_features_of_an_identity_are_its_normalised_pixels():
    images = np.random.default_rng(0).integers(0, 256, (7, 10, 8, 3)).astype(np.uint8)
    source = known()
    wanted = np.maximum((images[:, 1:9, 1:7].astype(np.float32) - 10) / 2, 0).transpose(0, 3, 1, 2)
    assert (source.count, source.cells) == (144, None)
    np.testing.assert_allclose(source.of(Split(images), 3, "x"), wanted.reshape(7, -1), rtol=1e-6)
    coarse = known(40)
    assert (coarse.count, coarse.cells) == (36, (4, 3))
    means = wanted.reshape(7, 3, 4, 2, 3, 2).mean((3, 5)).reshape(7, -1)
    np.testing.assert_allclose(coarse.of(Split(images), 4, "x"), means, rtol=1e-5)


def test_a_layer_is_pooled_and_normalised_before_it_is_read(lively):
    spec = {"name": "zfnet", "width": 0.06, "input_size": 60, "norm": "contrast"}
    network = lively(build(spec, 3), torch.float32)
    traced = trace(network, (60, 60))
    tops = {name: top_of(traced, layer).name for name, layer in layers(traced).items()}
    assert [tops[f"conv{number}"] for number in range(1, 6)] == ["norm1", "norm2", "conv3.relu", "conv4.relu", "pool5"]
    model = Model(network, spec, ["a", "b", "c"], torch.zeros(3, 1, 1), torch.ones(3, 1, 1), 60)
    images = np.random.default_rng(0).integers(0, 256, (2, 60, 60, 3)).astype(np.uint8)
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    wanted = network.norm1(functional.max_pool2d(network.conv1(x), 3, 2, ceil_mode=True))
    found = Features(model, traced, layers(traced)["conv1"], None).of(Split(images), 2, "x")
    np.testing.assert_allclose(found, wanted.flatten(1).numpy(), rtol=1e-4, atol=1e-4)


def test_a_map_that_two_steps_read_is_taken_as_it_is():
    traced = trace(build({"name": "torchvision:resnet18"}, 2), (64, 64))
    tops = {name: top_of(traced, layer).name for name, layer in layers(traced).items()}
    assert tops["relu"] == "maxpool"
    assert tops["layer1.0.relu_1"] == "layer1.0.relu_1"
    assert tops["layer4.1.relu_1"] == "avgpool"


def test_a_map_that_is_pooled_and_also_read_as_it_is_is_taken_as_it_is():
    class Forked(Identity):
        def forward(self, x):
            x = self.relu(self.conv(x))
            return functional.max_pool2d(x, 2).sum((2, 3)) + x.sum((2, 3))

    traced = trace(Forked().eval(), (8, 6))
    assert top_of(traced, layers(traced)["relu"]).name == "relu"


@pytest.mark.parametrize(
    ("shape", "most", "cells"),
    [
        ((96, 55, 55), 9216, (9, 9)),
        ((256, 6, 6), 9216, None),
        ((4, 10, 40), 400, (5, 20)),
        ((4096,), 9216, None),
        ((9, 5, 5), 9, (1, 1)),
        ((96, 55, 55), None, None),
    ],
)
def test_the_grid_is_the_finest_that_fits(shape, most, cells):
    assert grid_of(shape, most) == cells


def test_more_than_a_cell_may_have_is_refused():
    with pytest.raises(UserError, match=r"'relu' has 3 features in a single cell and probe.features allows 2"):
        known(2)


def test_activations_that_are_not_finite_are_refused():
    source = known()
    source.model.network.conv.weight.data.fill_(float("nan"))
    with pytest.raises(UserError, match="not finite"):
        source.of(Split(np.full((1, 10, 8, 3), 50, np.uint8)), 1, "x")
