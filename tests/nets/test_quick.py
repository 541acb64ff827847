"""The faster forms of a forward pass against the network's own."""

import pytest
import torch
from torch import nn
from torchvision import models

from zfpipe.nets import contrast
from zfpipe.nets.chain import chain_to
from zfpipe.nets.contrast import Contrast, contrast_quickly
from zfpipe.nets.layers import layers
from zfpipe.nets.paper import zfnet
from zfpipe.nets.quick import channels_last, folded, quick
from zfpipe.nets.trace import trace

NORMS = [(5, 1e-4, 0.75, 2.0), (2, 0.7, 0.75, 1.0), (3, 0.5, 0.6, 1.0), (7, 0.9, 0.75, 0.5)]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("channels", [2, 9])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-6)])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_contrast_normalisation_is_pytorchs(norm, channels, dtype, tolerance, layout, monkeypatch):
    monkeypatch.setattr(contrast, "VALUES_AT_ONCE", 7 * channels)  # several parts, the last of them smaller
    own = nn.LocalResponseNorm(*norm)
    x = torch.randn(3, channels, 5, 4, dtype=dtype, generator=torch.Generator().manual_seed(0)) * 3
    x = x.contiguous(memory_format=layout)
    kept = x.clone().requires_grad_()
    found = Contrast(own)(x)
    assert found.is_contiguous(memory_format=layout)
    torch.testing.assert_close(found, own(kept), rtol=tolerance, atol=tolerance)
    assert torch.equal(x, kept)
    learnt = Contrast(own)(x.requires_grad_())
    assert torch.equal(learnt, found)
    assert learnt.is_contiguous(memory_format=layout)
    above = torch.randn_like(learnt)
    below, expected = (torch.autograd.grad(out, to, above)[0] for out, to in ((learnt, x), (own(kept), kept)))
    torch.testing.assert_close(below, expected, rtol=tolerance, atol=tolerance)


def test_every_plain_contrast_normalisation_of_a_network_is_replaced():
    network = nn.Sequential(nn.LocalResponseNorm(5), nn.Sequential(nn.Conv2d(3, 3, 1), nn.LocalResponseNorm(3, k=2.0)))
    network[0].register_forward_hook(lambda module, args, output: output * 2)
    x = torch.randn(1, 3, 4, 4)
    before, names = network(x), list(network.state_dict())
    contrast_quickly(network)
    assert [type(module) for module in network.modules() if not list(module.children())] == [
        nn.LocalResponseNorm,  # somebody's hook would be lost
        nn.Conv2d,
        Contrast,
    ]
    assert list(network.state_dict()) == names
    torch.testing.assert_close(network(x), before)


NETWORKS = {
    "zfnet": lambda: zfnet(5, 0.1, 96),
    "resnet18": lambda: models.resnet18(num_classes=5),
    "squeezenet1_1": lambda: models.squeezenet1_1(num_classes=5),
    "densenet121": lambda: models.densenet121(num_classes=5),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_is_the_networks_own(name, lively):
    network = lively(NETWORKS[name](), torch.float64)
    images = torch.randn(2, 3, 96, 96, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    traced = trace(network, (96, 96))
    names = [layer.step for layer in layers(traced).values()]
    wanted = {step: maps.clone() for step, maps in traced.maps(images, names)}
    channels_last(network)
    faster = quick(traced)
    assert sum(step.faster is not None for step in faster.steps) >= 5
    with torch.inference_mode():
        for step, maps in faster.maps(images.contiguous(memory_format=torch.channels_last), names):
            torch.testing.assert_close(maps, wanted.pop(step), rtol=1e-10, atol=1e-10)
    assert not wanted


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_normalisation_is_folded_into_the_filters(bias, affine, lively):
    network = nn.Sequential(nn.Conv2d(4, 6, 3, bias=bias, groups=2), nn.BatchNorm2d(6, affine=affine))
    network, x = lively(network, torch.float64), torch.randn(2, 4, 8, 7, dtype=torch.float64)
    torch.testing.assert_close(folded(*network)(x), network(x), rtol=1e-12, atol=1e-12)


def test_filters_that_are_computed_anew_at_each_call_are_left_alone(lively):
    network = lively(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()), torch.float64)
    torch.nn.utils.spectral_norm(network[0]).eval()
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    traced = trace(network, (8, 8))
    wanted = network(images)
    with torch.inference_mode():
        ((_, found),) = quick(traced).maps(images, ["2"])
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
    assert chain_to(traced, "2") is None


class ReadAgain(nn.Module):
    """Maps below a rectification, or before a sum, that are wanted afterwards."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu, self.other = nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 1)

    def forward(self, x):
        below = self.conv(x)
        above = self.relu(below)
        both = below + self.other(above)
        narrow = self.other(both)[:, :1] + both  # the first term is smaller than the sum
        return torch.relu(narrow) + both


def test_a_map_that_is_read_again_is_not_overwritten(lively):
    network = lively(ReadAgain(), torch.float64)
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    traced = trace(network, (8, 8))
    last = traced.steps[-1].name
    with torch.inference_mode():
        ((_, found),) = quick(traced).maps(images, [last])
    torch.testing.assert_close(found, network(images), rtol=1e-12, atol=1e-12)
