"""Tracing: names, values and what is let go."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor

from zfpipe.errors import UserError
from zfpipe.nets.layers import choose, layers
from zfpipe.nets.paper import zfnet
from zfpipe.nets.trace import first_filters, trace


def test_maps_are_those_of_torchvisions_feature_extractor(lively):
    network = lively(models.resnet18(num_classes=5))
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    names = ["relu", "layer1.0.relu", "layer1.0.relu_1", "layer4.1.relu_1"]
    # the extractor runs first: tracing switches the in-place operations off
    expected = {name: create_feature_extractor(network, [name])(x)[name] for name in names}
    found = dict(trace(network, (64, 64)).maps(x, names))
    assert list(found) == names
    assert all(torch.equal(found[name], expected[name]) for name in names)


def test_only_what_is_needed_is_run():
    traced = trace(zfnet(5, width=0.1, input_size=64), (64, 64))
    assert [step.name for step in traced.upto(["conv2.relu"])][-1] == "conv2.relu"
    assert not any(step.name.startswith(("conv3", "fc")) for step in traced.upto(["conv2.relu"]))


def test_an_input_of_the_wrong_size_is_named():
    with pytest.raises(UserError, match="does not take an input of 48x48 pixels: at fc6"):
        trace(zfnet(5, width=0.1, input_size=96), (48, 48))


def test_a_layer_that_does_not_exist_is_answered_with_those_that_do():
    found = layers(trace(zfnet(5, width=0.1, input_size=64), (64, 64)))
    with pytest.raises(UserError, match=r"no layer 'con3' \(did you mean 'conv3'\?\); this network has conv1, conv2"):
        choose(found, ["conv1", "con3"])
    assert [layer.name for layer in choose(found, ["conv5", "conv1"])] == ["conv1", "conv5"]


def test_filters_are_shown_for_the_first_convolution_only():
    network = zfnet(5, width=0.1, input_size=64, norm="batch")
    traced = trace(network, (64, 64))
    filters = first_filters(traced, "conv1.relu")
    assert filters.shape == (10, 7, 7, 3)
    assert torch.equal(torch.from_numpy(filters).permute(0, 3, 1, 2), network.conv1.conv.weight.detach())
    assert first_filters(traced, "conv2.relu") is None


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_filters_look_at_all_channels_of_the_image(channels):
    network = nn.Sequential(nn.Conv2d(channels, 4, (3, 5)), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.ReLU())
    traced = trace(network, (20, 20), channels)
    assert np.array_equal(first_filters(traced, "2"), network[0].weight.detach().permute(0, 2, 3, 1).numpy())
    assert first_filters(traced, "4") is None


def test_filters_that_look_at_some_channels_only_are_no_picture_of_the_image():
    assert first_filters(trace(nn.Sequential(nn.Conv2d(3, 6, 3, groups=3), nn.ReLU()), (20, 20)), "1") is None
