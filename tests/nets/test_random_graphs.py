"""Random branching networks (sums, joins, splits, a rectification used twice) against autograd and full frames."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import pull, rectified_by_autograd
from test_deconvnet import relative, strongest
from test_windows import compare
from torch import nn
from torch.nn import functional as F

from zfpipe.nets import deconvnet
from zfpipe.nets.layers import layers
from zfpipe.nets.trace import trace

RECTIFIERS = ("relu", "shared relu", "relu method", "relu in place", "relu6", "leaky")


class Graph(nn.Module):
    """Maps made one after another by `plan`, each step (operation, places of its inputs); the last is rectified."""

    def __init__(self, plan, channels):
        super().__init__()
        self.plan, self.shared, self.made = plan, nn.ReLU(), nn.ModuleList()
        for operation, inputs in plan:
            self.made.append(self._module(operation, channels[inputs[0]]))

    def _module(self, operation, channels):
        return {
            "stem": lambda: nn.Conv2d(channels, 4, 5, padding=1),
            "conv": lambda: nn.Conv2d(channels, channels, 3, padding=1),
            "grouped": lambda: nn.Conv2d(channels, channels, 3, padding=2, dilation=2, groups=2, bias=False),
            "down": lambda: nn.Conv2d(channels, channels, 3, stride=2, padding=1),
            "norm": lambda: nn.BatchNorm2d(channels),
            "max": lambda: nn.MaxPool2d(3, 2, ceil_mode=True),
            "max in place": lambda: nn.MaxPool2d(3, 1, padding=1),
            "mean": lambda: nn.AvgPool2d(2, ceil_mode=True),
        }.get(operation, nn.Identity)()

    def forward(self, x):
        maps = [x]
        for module, (operation, inputs) in zip(self.made, self.plan, strict=True):
            given = [maps[place] for place in inputs]
            maps.append(self._step(operation, module, *given))
        return maps[-1]

    def _step(self, operation, module, x, *others):
        functions = {
            "relu": F.relu,
            "shared relu": self.shared,
            "relu method": lambda x: x.relu(),
            "relu in place": lambda x: F.relu(x.clone(), inplace=True),
            "relu6": F.relu6,
            "leaky": lambda x: F.leaky_relu(x, 0.3),
            "sum": lambda x, y: x + y,
            "difference": lambda x, y: x - 0.5 * y,
            "join": lambda *maps: torch.cat(maps, 1),
            "swap halves": lambda x: torch.cat(x.chunk(2, 1)[::-1], 1),
            "first half": lambda x: x.chunk(2, 1)[0],
        }
        return functions.get(operation, module)(x, *others)


HALVES = ("down", "max", "mean")
ALONE = ("conv", "grouped", "norm", "max in place", *RECTIFIERS, "swap halves")


@st.composite
def graphs(draw):
    """A random plan; of each map the `channels` (even, to be halved) and the `level`, how often it was made smaller."""
    plan, channels, level = [], [3], [0]

    def put(operation, *inputs, width=None, deeper=0):
        plan.append((operation, inputs))
        channels.append(width or channels[inputs[0]])
        level.append(level[inputs[0]] + deeper)

    put("stem", 0, width=4)
    for _ in range(draw(st.integers(3, 10))):
        first = draw(st.integers(1, len(plan)))
        alike = [place for place in range(1, len(plan) + 1) if level[place] == level[first]]
        second = draw(st.sampled_from(alike))
        operation = draw(st.sampled_from(3 * ("sum", "difference", "join") + ("first half", *HALVES, *ALONE)))
        if operation in ("sum", "difference") and channels[first] == channels[second]:
            put(operation, first, second)
        elif operation == "join" and channels[first] + channels[second] <= 16:
            put(operation, first, second, width=channels[first] + channels[second])
        elif operation == "first half" and channels[first] >= 4:
            put(operation, first, width=channels[first] // 2)
        elif operation in HALVES and level[first] < 3:
            put(operation, first, deeper=1)
        elif operation in ALONE:
            put(operation, first)
    put("relu", len(plan))
    return Graph(plan, channels)


def lively(network, seed):
    generator = torch.Generator().manual_seed(seed)
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            value.normal_(0, 0.4, generator=generator)
            value.abs_().add_(0.5) if "running_var" in name else None
    return network.double().eval().requires_grad_(False)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(network=graphs(), height=st.integers(24, 41), width=st.integers(24, 41), seed=st.integers(0, 99))
def test_random_graphs_agree_with_autograd(network, height, width, seed):
    lively(network, seed)
    traced = trace(network, (height, width))
    images = torch.randn(1, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    found = list(layers(traced).values())
    pixels, outputs = rectified_by_autograd(network, images)
    assert len(found) == len(outputs)
    for layer, maps in zip(found, outputs, strict=True):
        mine, down = deconvnet.forward(traced, images, layer.step)
        assert torch.equal(mine, maps)
        place = strongest(mine)
        if mine[0][place] <= 0:
            continue
        wanted = pull(pixels, maps, *place)
        signal = down(deconvnet.seed(mine, *(torch.tensor([index]) for index in place)))
        if wanted.abs().max() > 0:
            assert relative(signal, wanted) < 1e-10, layer.name
        else:
            assert not signal.any()
        # Of a batch the first goes up whole; of the others what switches need has to do.
        first, lean = deconvnet.forward(traced, torch.cat([images.flip(3), images]), layer.step, whole=False)
        assert torch.equal(first, deconvnet.forward(traced, images.flip(3), layer.step)[0])
        alike = lean(deconvnet.point(first, mine[0][place].expand(2), *(torch.tensor([at] * 2) for at in place)))
        torch.testing.assert_close(alike[1:], signal, rtol=1e-12, atol=1e-12 * float(signal.abs().max()))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(network=graphs(), height=st.integers(30, 64), width=st.integers(30, 64), seed=st.integers(0, 99))
def test_random_graphs_in_windows(network, height, width, seed):
    compare(lively(network, seed), height, width, 1e-9, torch.float64)
