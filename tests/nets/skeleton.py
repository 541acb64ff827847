"""Networks of any size, built at once: parameters are left out while building and drawn afterwards."""

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torchvision import models

NAMES = models.list_models(module=models)
SMALLEST = {"inception_v3": (75, 91), "vit_h_14": (224, 224)}


class _WithoutParameters(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {}, **({"device": "meta"} if func is torch.empty else {}))
        return func(*args, **kwargs)


def skeleton(name: str, classes: int = 5, **arguments) -> nn.Module:
    """Return torchvision's network of a name, all of it on the meta device."""
    if name in ("googlenet", "inception_v3"):
        arguments = {"init_weights": False, "transform_input": True} | arguments
    with _WithoutParameters():
        return models.get_model(name, weights=None, num_classes=classes, **arguments).to("meta").eval()


def workable_size(name: str) -> tuple[int, int]:
    """Return a small input of unequal sides that the network takes."""
    if name.startswith(("vit", "swin", "maxvit")):
        return (224, 224)
    return SMALLEST.get(name, (70, 85) if name.startswith(("alexnet", "inception")) else (64, 45))
