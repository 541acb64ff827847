"""All of torchvision's classifiers: layers agree with autograd, or are refused with the node in the way."""

import numpy as np
import pytest
import torch
from oracles import pull, rectified_by_autograd
from skeleton import NAMES, skeleton, workable_size
from test_deconvnet import relative, strongest
from test_windows import compare

from zfpipe.errors import UserError
from zfpipe.nets import deconvnet
from zfpipe.nets.layers import choose, layers
from zfpipe.nets.trace import trace

# The smallest of each family.
FAMILIES = ["densenet121", "googlenet", "inception_v3", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small"]
FAMILIES += ["regnet_x_400mf", "regnet_y_400mf", "shufflenet_v2_x0_5", "squeezenet1_1", "resnet18", "vgg11"]
FAMILIES += ["efficientnet_b0", "convnext_tiny", "swin_t", "swin_v2_t", "vit_b_16"]
REFUSED = {
    "mobilenet_v3_small": "Hardswish at features.0.2 has no rule",
    "regnet_y_400mf": "Sigmoid at trunk_output.block1.block1-0.f.se.scale_activation has no rule",
}
SUPPORTED = (
    "alexnet",
    "densenet",
    "googlenet",
    "inception",
    "mnasnet",
    "mobilenet_v2",
    "regnet_x",
    "resnet",
    "resnext",
)
SUPPORTED += ("shufflenet", "squeezenet", "vgg", "wide_resnet")


def with_weights(network, lively, dtype):
    """Fill a skeleton, scaled so that no layer of a deep one runs off."""
    return lively(network.to_empty(device="cpu"), dtype)


def some(found, count):
    return found[:: max(1, (len(found) - 1) // (count - 1))] if len(found) > count else found


def check(name, lively, dtype, count):
    network = skeleton(name)
    size = workable_size(name)
    found = list(layers(trace(network, size)).values())
    good = [layer for layer in found if not layer.obstacle]
    for layer in found:
        if layer.obstacle:
            with pytest.raises(UserError, match=r"at [\w.-]+ .*it knows .*Conv2d.*MaxPool2d"):
                choose({layer.name: layer}, [layer.name])
    assert name.startswith(SUPPORTED) <= (len(good) == len(found) > 0)
    if not good:
        return
    network = with_weights(network, lively, dtype)
    traced = trace(network, size)
    x = torch.randn(1, 3, *size, dtype=dtype, generator=torch.Generator().manual_seed(1))
    images, outputs = rectified_by_autograd(network, x)
    chosen = some(good, count)
    for layer in chosen:
        number = [other.name for other in found].index(layer.name)
        maps, down = deconvnet.forward(traced, x, layer.step)
        assert torch.allclose(maps, outputs[number], rtol=1e-3, atol=1e-6), layer.name
        place = strongest(maps)
        mine = down(deconvnet.seed(maps, *(torch.tensor([index]) for index in place)))
        wanted = pull(images, outputs[number], *place)
        assert relative(mine, wanted) < (1e-10 if dtype == torch.float64 else 1e-5), layer.name


# Depthwise convolutions in float64 have no fast kernel; these two take a minute.
SLOW = ("mnasnet0_5", "regnet_x_400mf")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in FAMILIES]
)
def test_each_family_agrees_with_autograd_or_is_refused(name, lively):
    check(name, lively, torch.float64, 3)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_classifier_agrees_with_autograd_or_is_refused(name, lively):
    check(name, lively, torch.float32, 4)


@pytest.mark.parametrize("name", REFUSED)
def test_the_first_node_in_the_way_is_named_and_layers_below_it_work(name):
    found = layers(trace(skeleton(name), (64, 64)))
    obstacles = [layer.obstacle for layer in found.values()]
    assert REFUSED[name] in obstacles
    first = obstacles.index(REFUSED[name])
    assert not any(obstacles[:first])
    assert all(obstacles[first:])


@pytest.mark.parametrize(
    ("name", "size", "only"),
    [
        ("densenet121", (100, 70), ("features.relu0", "features.denseblock1.denselayer2.relu2")),
        ("googlenet", (130, 101), ("conv3.relu", "inception3a.branch2.1.relu")),
        ("mobilenet_v2", (100, 77), ("features.2.conv.1.2", "features.4.conv.0.2")),
        ("shufflenet_v2_x0_5", (131, 100), ("conv1.2", "stage2.1.branch2.2", "stage2.1.branch2.7")),
        ("regnet_x_400mf", (99, 64), ("trunk_output.block1.block1-0.activation",)),
        ("inception_v3", (110, 131), ("Conv2d_2b_3x3.relu", "Mixed_5b.branch5x5_2.relu")),
        ("mnasnet0_5", (70, 61), ("layers.8.0.layers.5",)),
    ],
)
def test_windows_give_what_full_frames_give(name, size, only, lively):
    network = with_weights(skeleton(name), lively, torch.float64)
    found = layers(trace(network, size))
    only = [layer for layer in found if layer in only]
    assert only, list(found)[:20]
    compare(network, *size, 1e-11, torch.float64, only)
    assert any(found[layer].field.rows.window < size[0] for layer in only)


def test_a_channel_shuffle_stays_on_the_grid():
    found = layers(trace(skeleton("shufflenet_v2_x1_0"), (224, 224)))
    axis = found["stage4.3.branch2.7"].field.rows
    # 3x3/2 and pooling 3x3/2 see 7 px; the 3x3 kernels of 4, 8 and 4 units, the first of each strided, add the rest
    assert axis.size == 7 + 2 * (4 + 3 * 8) + 2 * (8 + 7 * 16) + 2 * (16 + 3 * 32) == 527
    assert axis.jump == 32
    assert np.all([layer.field.rows.jump <= 32 for layer in found.values()])
