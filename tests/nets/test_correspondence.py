"""Signs of changes and their distances: a network whose answer is known, and plain sums."""

import numpy as np
import pytest
import torch
from torch import nn

from zfpipe.nets.correspondence import GREY, Signs, hamming, masked, papers_layers, signs
from zfpipe.nets.layers import layers
from zfpipe.nets.models import Model, build
from zfpipe.nets.trace import trace


def test_of_a_network_that_passes_pixels_on_the_signs_are_known():
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 36, 2)).eval()
    network[0].weight.data = torch.tensor([1.0, -1.0])[:, None, None, None]
    network[0].bias.data = torch.tensor([0.0, 300.0])
    model = Model(network, {"name": "own", "input_size": 6}, ["a", "b"], torch.zeros(1, 1, 1), torch.ones(1, 1, 1), 6)
    traced = trace(network, (6, 6), 1)
    image = np.random.default_rng(0).integers(0, 256, (6, 6, 1), np.uint8)
    image[2, 2] = GREY
    boxes = [(0, 0, 2, 3), (1, 2, 6, 4), (2, 2, 3, 3)]
    for size in (1, 2, 9):
        (found,) = Signs(model, traced, list(layers(traced).values()), size)(image, boxes)
        for number, (top, left, bottom, right) in enumerate(boxes):
            change = np.zeros((6, 6), int)
            inside = image[top:bottom, left:right, 0].astype(int) - GREY
            change[top:bottom, left:right] = np.sign(inside)
            assert np.array_equal(found[number].reshape(2, 6, 6), [change, -change])


def test_distances_are_shares_of_places_and_zero_differs_from_both():
    found = hamming(np.array([[1, 1, 0, -1], [1, -1, 1, 0], [1, 1, 0, -1]], np.int8))
    assert found.tolist() == [0.75, 0, 0.75]


def test_random_signs_differ_at_half_of_the_places():
    found = hamming(np.random.default_rng(0).choice([-1, 1], (5, 40_000)))
    assert len(found) == 10
    assert found == pytest.approx(0.5, abs=0.01)


def test_rounding_is_no_change():
    assert signs(torch.tensor([1e-6, -1e-6, 1e-3, -1e-3, 0.0]), 1.0).tolist() == [0, 0, 1, -1, 0]


def test_a_mask_is_grey_and_leaves_the_image_alone():
    image = np.zeros((4, 5, 3), np.uint8)
    found = masked(image, [(1, 1, 3, 4), (0, 0, 1, 1)])
    assert (found[0] == GREY).sum() == 2 * 3 * 3
    assert (found[1] == GREY).sum() == 3
    assert not image.any()


def test_the_papers_layers_are_the_last_of_each_kind():
    for spec, expected in (
        ({"name": "zfnet", "input_size": 60, "width": 0.05}, ["conv5", "fc7"]),
        ({"name": "zfnet", "input_size": 60, "width": 0.05, "drop": [6, 7]}, ["conv5"]),
        ({"name": "torchvision:resnet18", "input_size": 64}, ["layer4.1.relu_1"]),
    ):
        traced = trace(build(spec, 2), (spec["input_size"],) * 2)
        assert [layer.name for layer in papers_layers(traced, None, "it")] == expected
