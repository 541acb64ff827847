"""The sliding square against one network call a place, captum, and a network whose answer is known."""

import numpy as np
import pytest
import torch
from captum.attr import Occlusion
from torch import nn

from zfpipe.errors import UserError
from zfpipe.nets.layers import layers
from zfpipe.nets.models import Model
from zfpipe.nets.occlusion import occlude, places
from zfpipe.nets.paper import zfnet
from zfpipe.nets.trace import trace


def as_model(network, size, dtype=torch.float64):
    mean, std = torch.full((3, 1, 1), 120.0, dtype=dtype), torch.full((3, 1, 1), 60.0, dtype=dtype)
    return Model(network, {"input_size": size}, ["a", "b", "c"], mean, std, size)


def a_picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.fixture
def small(lively):
    model = as_model(lively(zfnet(3, width=0.05, input_size=64, norm="batch")), 64)
    traced = trace(model.network, (64, 64))
    return model, traced, layers(traced)["conv3"]


def test_places_reach_both_borders():
    assert places(10, 4, 3).tolist() == [0, 3, 6]
    assert places(11, 4, 3).tolist() == [0, 3, 6, 7]
    assert places(4, 4, 3).tolist() == [0]


def test_each_place_is_what_the_network_says_of_that_image_alone(small):
    model, traced, layer = small
    image = a_picture(64, 64)
    found = occlude(model, traced, layer, image, square=20, stride=17, label=1, batch_size=3)
    assert (found.top.tolist(), found.left.tolist()) == ([0, 17, 34, 44], [0, 17, 34, 44])

    def alone(pixels):
        inputs = (torch.from_numpy(pixels).permute(2, 0, 1)[None] - model.mean) / model.std
        kept = []
        hook = model.network.get_submodule("conv3.relu").register_forward_hook(lambda *call: kept.append(call[2]))
        logits = model.network(inputs)
        hook.remove()
        return kept[0][0].detach(), torch.softmax(logits, 1)[0].detach()

    whole, _ = alone(image)
    assert found.unit == int(whole.flatten(1).max(1).values.argmax())
    for r, top in enumerate(found.top):
        for c, left in enumerate(found.left):
            covered = image.copy()
            covered[top : top + 20, left : left + 20] = 128
            maps, probabilities = alone(covered)
            assert found.activation[r, c] == pytest.approx(float(maps[found.unit].sum()), rel=1e-9)
            assert found.probability[r, c] == pytest.approx(float(probabilities[1]), rel=1e-9)
            assert found.likeliest[r, c] == int(probabilities.argmax())


def test_captums_occlusion_falls_by_as_much(small):
    model, traced, layer = small
    image = a_picture(64, 64, seed=1)
    found = occlude(model, traced, layer, image, square=16, stride=16, label=2)
    inputs = (torch.from_numpy(image).permute(2, 0, 1)[None] - model.mean) / model.std
    baseline = ((128 - model.mean) / model.std).expand(1, 3, 64, 64)
    fall = Occlusion(lambda x: model.network(x).softmax(1)[:, 2]).attribute(
        inputs, sliding_window_shapes=(3, 16, 16), strides=(3, 16, 16), baselines=baseline
    )
    np.testing.assert_allclose(found.unoccluded[1] - found.probability, fall[0, 0, ::16, ::16], rtol=1e-7, atol=1e-12)


def test_a_map_that_copies_the_image_loses_what_the_square_covers():
    network = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).double()
    network[0].weight.data[:] = 0
    network[0].weight.data[1, 0] = 1  # unit 1 is the red channel, (red - 120) / 60
    model = as_model(network.requires_grad_(False), 12)
    traced = trace(network, (12, 12))
    image = np.full((12, 12, 3), 120, np.uint8)
    image[3:5, 6:8, 0] = 240  # four pixels of activation 2
    found = occlude(model, traced, layers(traced)["1"], image, square=2, stride=1)
    assert (found.unit, found.label, found.unoccluded[0]) == (1, 1, 8.0)
    grey = 4 * (128 - 120) / 60
    hidden = np.array([[max(0, 2 - abs(t - 3)) * max(0, 2 - abs(c - 6)) for c in range(11)] for t in range(11)])
    np.testing.assert_allclose(found.activation, 8 + grey - hidden * 2, atol=1e-9)


@pytest.mark.parametrize(("square", "stride"), [(0, 1), (65, 1), (8, 0)])
def test_a_square_that_does_not_fit_is_one_sentence(small, square, stride):
    with pytest.raises(UserError, match=rf"occlude.square is {square} and occlude.stride {stride}"):
        occlude(*small, a_picture(64, 64), square, stride)
