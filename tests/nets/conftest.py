import pytest
import torch
from torch import nn


@pytest.fixture
def lively():
    """Return a function that gives a network random weights, biases and batch statistics, none of them trivial."""

    def make_lively(network: nn.Module, dtype=torch.float64, seed: int = 0) -> nn.Module:
        generator = torch.Generator().manual_seed(seed)
        for name, value in [*network.named_parameters(), *network.named_buffers()]:
            if value.dtype.is_floating_point:
                if name.endswith("running_var"):
                    value.data.uniform_(0.5, 2, generator=generator)
                elif value.dim() >= 2:
                    value.data.normal_(0, (2 / value[0].numel()) ** 0.5, generator=generator)
                else:
                    value.data.normal_(0, 0.3, generator=generator)
        return network.to(dtype).eval().requires_grad_(False)

    return make_lively
