"""In-place operations: the traced network computes what the network computes, and no map is overwritten."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from zfpipe.errors import UserError
from zfpipe.nets import deconvnet
from zfpipe.nets.layers import layers
from zfpipe.nets.trace import trace


class ReadAgain(nn.Module):
    """The convolution's output is rectified in place, and then read again: eager PyTorch reads the rectified one."""

    def __init__(self, how):
        super().__init__()
        self.how, self.relu = how, nn.ReLU(inplace=True)
        self.a, self.b, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()

    def forward(self, x):
        before = self.a(x)
        if self.how == "module":
            after = self.relu(before)
        elif self.how == "function":
            after = F.relu(before, inplace=True)
        else:
            after = before.relu_()
        return self.last(self.b(after) + before)


@pytest.mark.parametrize("how", ["module", "function", "method"])
def test_what_is_read_again_is_the_rectified_map(how, lively):
    network = lively(ReadAgain(how))
    x = torch.randn(2, 3, 9, 9, dtype=torch.float64)
    expected = network(x.clone())
    traced = trace(network, (9, 9))
    assert len(layers(traced)) == 2
    ((_, found),) = traced.maps(x, ["last"])
    assert torch.equal(found, expected)
    maps, _ = deconvnet.forward(traced, x, "last")
    assert torch.equal(maps, expected)
    assert torch.equal(network(x.clone()), expected), "tracing leaves the network as it is"


class AddedTo(nn.Module):
    """A rectified map that something is added to in place."""

    def __init__(self):
        super().__init__()
        self.a, self.relu, self.b, self.last = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.ReLU()

    def forward(self, x):
        x = self.relu(self.a(x))
        y = self.b(x)
        x.add_(y)
        return self.last(x)


def test_a_map_that_is_added_to_in_place_is_kept_as_it_was(lively):
    network = lively(AddedTo())
    x = torch.randn(2, 3, 9, 9, dtype=torch.float64)
    found = dict(trace(network, (9, 9)).maps(x, ["relu", "last"]))
    assert torch.equal(found["relu"], F.relu(network.a(x)))
    assert torch.equal(found["last"], network(x.clone()))


class PartOverwritten(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.last = nn.Conv2d(3, 4, 3), nn.ReLU()

    def forward(self, x):
        x = self.a(x)
        x[:, :2].relu_()
        return self.last(x)


def test_overwriting_a_part_of_a_map_that_is_read_again_is_refused(lively):
    with pytest.raises(UserError, match="overwrites a part of a in place at relu_ and reads a again at last"):
        trace(lively(PartOverwritten()), (9, 9))
