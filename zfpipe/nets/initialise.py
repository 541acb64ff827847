"""First weights of a network, drawn from the global random generator."""

import math

from torch import nn

from zfpipe.errors import UserError, require_one_of

INITIALISATIONS = ("paper", "he", "first-small", "framework")


def initialise(network: nn.Module, how: str, scale: float) -> None:
    """Draw all weights of convolutions and dense layers anew; biases become 0.

    'paper': normal with standard deviation `scale` everywhere (the paper's is 1e-2). 'he': normal, variance
    2 / fan-in, which suits inputs of about unit scale. 'first-small': as 'he', but the first convolution at `scale`,
    so that its filters are learnt and not left as noise. 'framework': leave what PyTorch drew.
    """
    require_one_of("train.initialisation", how, INITIALISATIONS)
    if not scale > 0:
        raise UserError(f"train.initial_scale is {scale}; it must be above 0 (the paper's is 0.01).")
    if how == "framework":
        return
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    for number, layer in enumerate(layers):
        small = how == "paper" or (how == "first-small" and number == 0)
        fan_in = layer.weight[0].numel()
        nn.init.normal_(layer.weight, std=scale if small else math.sqrt(2 / fan_in))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
