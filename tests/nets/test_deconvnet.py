"""The deconvnet against autograd, captum and explicit loops."""

import copy
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from captum.attr import NeuronDeconvolution
from oracles import by_autograd, five_conv_by_hand
from torch import nn
from torchvision import models

from zfpipe.errors import UserError
from zfpipe.nets import deconvnet
from zfpipe.nets.layers import layers
from zfpipe.nets.paper import alexnet, zfnet
from zfpipe.nets.trace import trace


def images(height, width, dtype=torch.float64, seed=1):
    return torch.randn(1, 3, height, width, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def project(traced, x, step, channel, row, col, collide="add"):
    activations, down = deconvnet.forward(traced, x, step, collide)
    at = (torch.tensor([index]) for index in (channel, row, col))
    return down(deconvnet.seed(activations, *at))


def strongest(activations):
    maps = activations if activations.dim() == 4 else activations[..., None, None]
    index = int(maps[0].argmax())
    area = maps.shape[2] * maps.shape[3]
    return index // area, index % area // maps.shape[3], index % maps.shape[3]


def relative(found, wanted):
    assert wanted.abs().max() > 0
    return float((found - wanted).abs().max() / wanted.abs().max())


NETWORKS = {
    "zfnet": (lambda: zfnet(5, width=0.1, input_size=97), (97, 97)),
    "zfnet-batch": (lambda: zfnet(5, width=0.1, input_size=80, norm="batch"), (80, 80)),
    "alexnet": (lambda: alexnet(5, width=0.1, input_size=99), (99, 99)),
    "tv-alexnet": (lambda: models.alexnet(num_classes=5), (71, 90)),
    "tv-vgg11": (lambda: models.vgg11(init_weights=False).features, (45, 64)),
    "tv-vgg13_bn": (lambda: models.vgg13_bn(init_weights=False).features, (64, 45)),
    "tv-resnet18": (lambda: models.resnet18(num_classes=5), (75, 66)),
    "tv-resnet50": (lambda: models.resnet50(num_classes=5), (66, 53)),
    "tv-squeezenet1_1": (lambda: models.squeezenet1_1(num_classes=5), (70, 65)),
}


def call_number(traced, step):
    """Which call of its module a step is: a ReLU may be used several times."""
    same = [other for other in traced.steps if other.module is step.module]
    return same.index(step)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_agrees_with_autograd(name, lively):
    build, (height, width) = NETWORKS[name]
    network = lively(build())
    traced = trace(network, (height, width))
    x = images(height, width)
    found = list(layers(traced).values())
    assert len(found) >= 7
    for layer in found[:: max(1, len(found) // 6)]:
        step = traced.find(layer.step)
        activations, _ = deconvnet.forward(traced, x, layer.step)
        channel, row, col = strongest(activations)
        mine = project(traced, x, layer.step, channel, row, col)
        path = step.node.target
        oracle = by_autograd(
            network, x, lambda net, path=path: net.get_submodule(path), (call_number(traced, step), channel, row, col)
        )
        assert relative(mine, oracle) < 1e-10, layer.name


@pytest.mark.parametrize("build", [zfnet, alexnet])
@pytest.mark.parametrize("norm", ["contrast", "batch", "none"])
def test_five_convolutions_agree_with_loops_written_by_hand(build, norm, lively):
    network = lively(build(5, width=0.05, input_size=83, norm=norm))
    traced = trace(network, (83, 83))
    x = images(83, 83)
    for layer in ("conv1", "conv2", "conv3", "conv4", "conv5"):
        activations, _ = deconvnet.forward(traced, x, f"{layer}.relu")
        channel, row, col = strongest(activations)
        wanted = five_conv_by_hand(network, x, layer, channel, row, col)
        assert relative(project(traced, x, f"{layer}.relu", channel, row, col), wanted) < 1e-10, layer


@pytest.mark.parametrize("layer", ["features.1", "features.4", "features.7", "features.9", "features.11"])
def test_captum_gives_the_same_projection(layer, lively):
    network = lively(models.alexnet(num_classes=5), torch.float32)
    x = images(112, 112, torch.float32)
    traced = trace(network, (112, 112))
    activations, _ = deconvnet.forward(traced, x, layer)
    channel, row, col = strongest(activations)
    mine = project(traced, x, layer, channel, row, col)
    # captum starts from a signal of 1, the paper from the activation itself
    captum = NeuronDeconvolution(network, network.get_submodule(layer)).attribute(x.clone(), (channel, row, col))
    assert relative(mine, captum * activations[0, channel, row, col]) < 1e-5


def test_negative_values_reach_the_pixels(lively):
    network = lively(zfnet(5, width=0.1, input_size=64))
    traced, x = trace(network, (64, 64)), images(64, 64)
    activations, _ = deconvnet.forward(traced, x, "conv3.relu")
    mine = project(traced, x, "conv3.relu", *strongest(activations))
    assert (mine < 0).any()
    assert (mine > 0).any()


def test_a_zero_signal_gives_exactly_zero_so_no_bias_comes_down(lively):
    network = lively(zfnet(5, width=0.1, input_size=64, norm="batch"))
    activations, down = deconvnet.forward(trace(network, (64, 64)), images(64, 64), "conv5.relu")
    assert not down(torch.zeros_like(activations)).any()


def test_the_forward_map_is_that_of_the_network(lively):
    network = lively(models.resnet18(num_classes=5))
    expected = []
    x = images(64, 64)
    maps, _ = deconvnet.forward(trace(network, (64, 64)), x, "layer3.1.relu_1")
    network.layer3.register_forward_hook(lambda module, inputs, output: expected.append(output.clone()))
    network(x)
    assert torch.equal(maps, expected[0])


class Functional(nn.Module):
    """ReLUs as functions, as a method, in place, and one module used twice; pooling and sums in place."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3), nn.Conv2d(6, 6, 3, padding="same")
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        x = F.relu(self.a(x), inplace=True)
        x = F.max_pool2d(x, 3, 2, padding=1)
        x = self.relu(self.b(x)).relu()
        y = torch.relu_(self.c(x))
        y += x
        y = self.relu(y)
        return F.avg_pool2d(y, 2).flatten(1)


class Modular(nn.Module):
    """The same computation with one module for each operation."""

    def __init__(self, other):
        super().__init__()
        self.a, self.b, self.c = other.a, other.b, other.c
        self.relu1, self.relu2, self.relu3, self.relu4 = nn.ReLU(), nn.ReLU(), nn.ReLU(), nn.ReLU()
        self.pool = nn.MaxPool2d(3, 2, padding=1)

    def forward(self, x):
        x = self.relu2(self.b(self.pool(self.relu1(self.a(x)))))
        return self.relu4(self.relu3(self.c(x)) + x)


@pytest.mark.parametrize(
    ("step", "module"),
    [("relu", "relu1"), ("relu_1", "relu2"), ("relu_2", "relu2"), ("relu_", "relu3"), ("relu_3", "relu4")],
)
def test_functional_in_place_and_reused_relus_are_all_seen(step, module, lively):
    network = lively(Functional())
    twin = Modular(network).eval()
    traced = trace(network, (17, 14))
    assert step in layers(traced), list(layers(traced))
    x = images(17, 14)
    activations, _ = deconvnet.forward(traced, x, step)
    channel, row, col = strongest(activations)
    oracle = by_autograd(twin, x, lambda net: net.get_submodule(module), (0, channel, row, col))
    assert relative(project(traced, x, step, channel, row, col), oracle) < 1e-10


def test_in_place_operations_do_not_overwrite_a_map_that_was_read(lively):
    network = lively(Functional())
    traced = trace(network, (17, 14))
    x = images(17, 14)
    kept = {}
    for name, maps in traced.maps(x, layers(traced)):
        kept[name] = (maps, maps.clone())
    assert all(torch.equal(now, then) for now, then in kept.values())
    assert (kept["relu"][0] >= 0).all()


class Colliding(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.relu, self.pool = nn.Conv2d(3, 2, 1), nn.ReLU(), nn.MaxPool2d(3, 2)
        self.conv2, self.relu2 = nn.Conv2d(2, 2, 3), nn.ReLU()

    def forward(self, x):
        return self.relu2(self.conv2(self.pool(self.relu(self.conv(x)))))


def test_colliding_signals_add_and_overwrite_keeps_the_last(lively):
    network = lively(Colliding())
    x = images(7, 7) * 0.1
    x[0, :, 2, 2] = 5.0 * network.conv.weight[0, :, 0, 0].sign()  # one strong pixel wins all four windows over it
    traced = trace(network, (7, 7))
    _, switches = F.max_pool2d(network.relu(network.conv(x)), 3, 2, return_indices=True)
    assert (switches[0, 0].flatten()[[0, 1, 3, 4]] == 2 * 7 + 2).all()
    maps, down = deconvnet.forward(traced, x, "relu2")
    signal = torch.ones_like(maps)
    at_pool = F.conv_transpose2d(signal, network.conv2.weight)
    added = (
        torch.zeros(1, 2, 49, dtype=x.dtype).scatter_add(2, switches.flatten(2), at_pool.flatten(2)).view(1, 2, 7, 7)
    )
    last = F.max_unpool2d(at_pool, switches, 3, 2, output_size=(7, 7))
    assert relative(added, last) > 0.1
    for collide, plane in (("add", added), ("overwrite", last)):
        _, down = deconvnet.forward(traced, x, "relu2", collide)
        assert relative(down(signal), F.conv_transpose2d(plane.clamp(min=0), network.conv.weight)) < 1e-12, collide


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.relu, self.gelu = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.GELU()
        self.conv2, self.relu2 = nn.Conv2d(4, 4, 3), nn.ReLU()

    def forward(self, x):
        return self.relu2(self.conv2(self.gelu(self.relu(self.conv(x)))))


def test_an_operation_without_a_rule_is_named_and_layers_below_it_still_work(lively):
    traced = trace(lively(Gated()), (12, 12))
    assert project(traced, images(12, 12), "relu", 0, 3, 3).shape == (1, 3, 12, 12)
    with pytest.raises(UserError, match=r"from relu2: GELU at gelu has no rule; it knows .*Conv2d.*MaxPool2d"):
        deconvnet.forward(traced, images(12, 12), "relu2")
    assert layers(traced)["relu2"].obstacle == "GELU at gelu has no rule"


def test_a_network_that_branches_on_its_data_is_refused():
    class Branching(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(UserError, match="cannot be traced"):
        trace(Branching(), (8, 8))


@pytest.mark.parametrize("norm", [nn.utils.parametrizations.weight_norm, nn.utils.parametrizations.spectral_norm])
def test_filters_that_are_computed_are_those_of_a_plain_convolution(norm, lively):
    plain = lively(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.ReLU()))
    computed = copy.deepcopy(plain).requires_grad_()
    for place in (0, 3):
        norm(computed[place])
    computed.eval().requires_grad_(False)
    with torch.no_grad():
        for place in (0, 3):
            plain[place].weight.copy_(computed[place].weight)
    x = images(14, 14)
    (maps, down), (wanted, way) = (deconvnet.forward(trace(net, (14, 14)), x, "4") for net in (computed, plain))
    assert relative(maps, wanted) < 1e-12
    assert relative(down(wanted), way(wanted)) < 1e-12


class Turned(nn.Module):
    """Its images stand along the second axis for a while."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.pool = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.MaxPool2d(2)

    def forward(self, x):
        x = self.pool(F.relu(self.a(x)))
        x = F.relu(x.flatten(2).permute(2, 0, 1)).permute(1, 2, 0).unflatten(2, x.shape[2:])
        return F.relu(self.b(x))


class Before(nn.Module):
    """An axis stands before that of its images for a while: `there(x)` puts it there, `back(x)` takes it away."""

    def __init__(self, there, back, channels=4):
        super().__init__()
        self.a, self.b, self.pool = nn.Conv2d(3, channels, 3), nn.Conv2d(channels, 4, 3), nn.MaxPool2d(2)
        self.there, self.back = there, back

    def forward(self, x):
        return F.relu(self.b(self.back(self.there(self.pool(F.relu(self.a(x)))))))


@pytest.mark.parametrize(
    "network",
    [
        Turned(),
        Before(lambda x: x.unsqueeze(0), lambda x: x.squeeze(0)),
        Before(lambda x: x[None], lambda x: x[0]),
        Before(lambda x: torch.stack([x]), lambda x: x.sum(0)),
        Before(lambda x: x.transpose(0, 1), lambda x: x.transpose(0, 1), channels=1),
        Before(lambda x: x - x.sum() * 0, lambda x: x),
    ],
)
def test_images_that_are_turned_away_from_the_first_axis_go_up_whole(network, lively):
    x = torch.cat([images(14, 14), images(14, 14, seed=2), images(14, 14, seed=3)])
    traced = trace(lively(network), (14, 14))
    for layer in layers(traced).values():
        maps, down = deconvnet.forward(traced, x, layer.step)
        first, lean = deconvnet.forward(traced, x, layer.step, whole=False)
        assert torch.equal(first, deconvnet.forward(traced, x[:1], layer.step)[0])
        assert torch.equal(lean(maps), down(maps))


def test_a_projection_takes_no_compiler():
    """torch.func.vjp imports PyTorch's, a second of each job; so does torchvision."""
    asked = (
        "import sys, torch; from zfpipe.nets import deconvnet; from zfpipe.nets.paper import zfnet;"
        "from zfpipe.nets.trace import trace; traced = trace(zfnet(3, width=0.05, input_size=64).eval(), (64, 64));"
        "maps, down = deconvnet.forward(traced, torch.rand(1, 3, 64, 64), 'conv3.relu');"
        "print(down(maps).shape[2], 'torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["64", "False"]
