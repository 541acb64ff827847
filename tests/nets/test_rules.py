"""Each linear rule is the exact adjoint of its operation: <A x, y> = <x, A' y>, in float64."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from zfpipe.nets.rules import RULES, keep_last


def fixed(convolution):
    """The same with its filters as a buffer, which no training changes."""
    filters = convolution._parameters.pop("weight")
    convolution.register_buffer("weight", filters.detach())
    return convolution


def as_numbers(convolution, **settings):
    """The same with settings that were changed when it was made, to numbers where PyTorch keeps pairs."""
    vars(convolution).update(settings)
    return convolution


LINEAR = {
    "conv": nn.Conv2d(4, 6, 3),
    "conv stride, padding, uneven size": nn.Conv2d(4, 6, 5, stride=2, padding=1),
    "conv with a rectangular kernel": nn.Conv2d(4, 6, (5, 2), stride=(3, 1), padding=(2, 0)),
    "conv with padding that no filter passes": nn.Conv2d(4, 6, 1, stride=30, padding=8),
    "conv with fixed filters": fixed(nn.Conv2d(4, 6, 3, bias=False)),
    "conv changed to numbers": as_numbers(nn.Conv2d(4, 6, 3), stride=2, padding=1, dilation=2),
    "conv dilated": nn.Conv2d(4, 6, 3, dilation=2),
    "conv in groups": nn.Conv2d(4, 6, 3, groups=2),
    "conv depthwise": nn.Conv2d(4, 8, 3, groups=4, padding=1),
    "conv same": nn.Conv2d(4, 6, 4, padding="same"),
    "batch norm": nn.BatchNorm2d(4),
    "average pool": nn.AvgPool2d(3, 2, padding=1, ceil_mode=True),
    "adaptive average pool": nn.AdaptiveAvgPool2d((3, 2)),
    "global average pool": nn.AdaptiveAvgPool2d(1),
    "flatten": nn.Flatten(),
    "dropout": nn.Dropout(0.5),
}


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", LINEAR)
def test_linear_rules_are_adjoint(name):
    module = LINEAR[name].double().eval().requires_grad_(False)
    if isinstance(module, nn.BatchNorm2d):
        module.running_var.uniform_(0.5, 2)
        module.running_mean.normal_()
        module.weight.data.normal_()
    x = random(2, 4, 11, 8)
    down, output = RULES[type(module)].apply(module, vars(module), torch.zeros_like(x)), module(x)
    linear = output - module(torch.zeros_like(x))  # without the bias, which is no part of A
    y = random(*output.shape, seed=1)
    (signal,) = down(y)
    assert signal.shape == x.shape
    torch.testing.assert_close((linear * y).sum(), (x * signal).sum(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel_size": 3, "stride": 2, "padding": 0, "dilation": 1, "ceil_mode": True},
        {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 1, "ceil_mode": False},
        {"kernel_size": 2, "stride": 2, "padding": 0, "dilation": 1, "ceil_mode": False},
        {"kernel_size": 3, "stride": 1, "padding": 1, "dilation": 1, "ceil_mode": False},
        {"kernel_size": 2, "stride": 3, "padding": 0, "dilation": 2, "ceil_mode": False},
    ],
)
def test_unpooling_is_adjoint_to_picking_the_switches(settings):
    x = random(2, 3, 10, 13)
    down = RULES[nn.MaxPool2d].apply(None, settings, x)
    output, switches = F.max_pool2d(x, *settings.values(), return_indices=True)
    other = random(*x.shape, seed=3)
    picked = other.flatten(2).gather(2, switches.flatten(2)).view_as(output)
    y = random(*output.shape, seed=1)
    (signal,) = down(y)
    torch.testing.assert_close((picked * y).sum(), (other * signal).sum(), rtol=1e-12, atol=1e-12)


def test_a_sum_sends_the_signal_to_both_and_a_concatenation_splits_it():
    a, b = random(1, 2, 3, 3), random(1, 4, 3, 3, seed=1)
    down = RULES[torch.add].apply(torch.add, {}, a, a + 1)
    assert all(torch.equal(part, a) for part in down(a))
    down = RULES[torch.cat].apply(lambda *parts: torch.cat(parts, 1), {"dim": 1}, a, b)
    signal = random(1, 6, 3, 3, seed=2)
    assert [part.shape[1] for part in down(signal)] == [2, 4]
    assert torch.equal(torch.cat(down(signal), 1), signal)


def test_the_signal_is_rectified_whatever_was_active_on_the_way_up():
    x, signal = torch.tensor([-1.0, 2.0, -3.0, 4.0]), torch.tensor([5.0, -6.0, -7.0, 8.0])
    down = RULES[nn.ReLU].apply(F.relu, {}, x)
    assert down(signal)[0].tolist() == [5, 0, 0, 8]


def test_contrast_normalisation_passes_the_signal_as_it_is():
    x, signal = random(1, 8, 4, 4), random(1, 8, 4, 4, seed=1)
    norm = nn.LocalResponseNorm(5, k=2.0)
    down = RULES[nn.LocalResponseNorm].apply(norm, vars(norm), x)
    assert torch.equal(down(signal)[0], signal)


def test_the_last_of_colliding_values_stays_in_row_major_order():
    plane = torch.zeros(1, 1, 4)
    switches = torch.tensor([[[2, 0, 2, 2, 0]]])
    kept = keep_last(plane, 2, switches, torch.tensor([[[1.0, 2.0, 3.0, 0.0, 5.0]]]))
    assert kept.tolist() == [[[5.0, 0.0, 0.0, 0.0]]]


@pytest.mark.parametrize("module", [nn.LeakyReLU(0.2), nn.PReLU(4, init=0.3)])
def test_a_leaky_rectification_treats_the_signal_as_it_treats_values(module):
    module = module.double().requires_grad_(False)
    x, signal = random(1, 4, 3, 3), random(1, 4, 3, 3, seed=1)
    down = RULES[type(module)].apply(module, vars(module), x)
    slope = 0.2 if isinstance(module, nn.LeakyReLU) else 0.3
    torch.testing.assert_close(down(signal)[0], torch.where(signal > 0, signal, slope * signal), rtol=1e-7, atol=0)


def test_a_cap_holds_on_the_way_up_alone():
    down = RULES[nn.ReLU6].apply(F.relu6, {}, torch.tensor([-1.0, 9.0]))
    assert down(torch.tensor([8.0, -8.0]))[0].tolist() == [8, 0]


def test_adaptive_unpooling_is_adjoint_to_picking_the_switches():
    x = random(2, 3, 10, 13)
    down = RULES[nn.AdaptiveMaxPool2d].apply(None, {"output_size": (4, 5)}, x)
    output, switches = F.adaptive_max_pool2d(x, (4, 5), return_indices=True)
    other, y = random(*x.shape, seed=3), random(*output.shape, seed=1)
    picked = other.flatten(2).gather(2, switches.flatten(2)).view_as(output)
    torch.testing.assert_close((picked * y).sum(), (other * down(y)[0]).sum(), rtol=1e-12, atol=1e-12)
