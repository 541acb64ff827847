"""Distances against a loop with one image a call, and a network whose answer is known."""

import numpy as np
import pytest
import torch
from torch import nn

from zfpipe.data.decode import centre_crop
from zfpipe.data.warps import warp
from zfpipe.errors import UserError
from zfpipe.nets.answers import Answers
from zfpipe.nets.invariance import invariance
from zfpipe.nets.layers import layers
from zfpipe.nets.models import Model
from zfpipe.nets.paper import zfnet
from zfpipe.nets.trace import trace

IMAGE = np.random.default_rng(0).integers(0, 256, (36, 36, 3)).astype(np.uint8)


def answers(network, size, names):
    mean, std = torch.full((3, 1, 1), 120.0, dtype=torch.float64), torch.full((3, 1, 1), 60.0, dtype=torch.float64)
    model = Model(network.double().eval(), {"input_size": size}, ["a", "b", "c"], mean, std, 36)
    traced = trace(model.network, (size, size))
    return Answers(model, traced, [layers(traced)[name] for name in names])


def test_each_warp_is_what_that_image_alone_gives(lively):
    asked = answers(lively(zfnet(3, width=0.05, input_size=64, norm="batch")), 64, ["conv1", "fc7"])
    larger = np.tile(IMAGE, (2, 2, 1))[:68, :68]
    label, found = invariance(asked, larger, 1, batch_size=7)
    assert label == 1
    assert list(dict.fromkeys(one.kind for one in found)) == ["translation", "scale", "rotation"]
    (first, top), _ = asked(centre_crop(larger, 64)[None])
    for one in found[::9]:
        image = centre_crop(warp(larger, one.kind, one.amount), 64)
        (a, b), outputs = asked(image[None])
        for moved, now, then in zip(one.distance, (a, b), (first, top), strict=True):
            slow = sum((float(x) - float(y)) ** 2 for x, y in zip(now.flatten(), then.flatten(), strict=True)) ** 0.5
            assert moved == pytest.approx(slow, rel=1e-9, abs=1e-9)
        assert one.probability == pytest.approx(float(outputs[0, 1]), rel=1e-9)


def test_a_layer_that_copies_the_image_moves_as_the_pixels_do():
    network = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network[0].weight.data[:] = torch.eye(3)[..., None, None]
    asked = answers(network.requires_grad_(False), 30, ["1"])
    image = np.maximum(IMAGE, 120)  # nothing below the mean, so that the rectification passes all
    label, found = invariance(asked, image, None)
    pixels = image.astype(float)
    wanted = np.linalg.norm(centre_crop(pixels, 30) - centre_crop(np.rot90(pixels, -1), 30)) / 60
    (quarter,) = (one for one in found if (one.kind, one.amount) == ("rotation", 90))
    assert quarter.distance[0] == pytest.approx(wanted, rel=1e-9)
    assert label == int(centre_crop(pixels, 30).mean(axis=(0, 1)).argmax())
    still = [one for one in found if (one.kind, one.amount) in (("translation", 0), ("scale", 1), ("rotation", 0))]
    assert [one.distance for one in still] == [(0.0,)] * 3


def test_a_network_without_class_outputs_is_refused():
    with pytest.raises(UserError, match=r"no \(B, classes\)"):
        answers(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), 30, ["1"])
