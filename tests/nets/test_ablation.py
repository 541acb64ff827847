"""Networks with layers left out still run, project and name their layers."""

import pytest
import torch
from oracles import by_autograd
from test_deconvnet import images, project, relative, strongest

from zfpipe.errors import UserError
from zfpipe.nets import deconvnet
from zfpipe.nets.layers import layers
from zfpipe.nets.paper import zfnet
from zfpipe.nets.trace import trace


@pytest.mark.parametrize("drop", [(3,), (4,), (3, 4), (7,), (6, 7), (3, 4, 6, 7)])
def test_what_is_left_agrees_with_autograd(drop, lively):
    network = lively(zfnet(5, width=0.1, input_size=80, norm="batch", drop=drop))
    traced, x = trace(network, (80, 80)), images(80, 80)
    found = layers(traced)
    assert list(found) == [name for name in network.layer_names if int(name[-1]) not in drop]
    layer = found["conv5"]
    activations, _ = deconvnet.forward(traced, x, layer.step)
    place = strongest(activations)
    wanted = by_autograd(network, x, lambda net: net.get_submodule("conv5.relu"), (0, *place))
    assert relative(project(traced, x, layer.step, *place), wanted) < 1e-10
    assert network(x.to(torch.float64)).shape == (1, 5)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"drop": [5]}, "model.drop is 5; it can be: 3, 4, 6, 7"),
        ({"fc": 0}, "model.fc is 0"),
        ({"maps": [1, 2, 3]}, r"model.channels is \[1, 2, 3\]; it is five numbers"),
    ],
)
def test_what_the_paper_does_not_do_is_refused(settings, sentence):
    with pytest.raises(UserError, match=sentence):
        zfnet(5, width=0.1, input_size=80, **settings)
