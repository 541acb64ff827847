"""Print the table of docs/networks.md: which layers of torchvision's classifiers the deconvnet can leave.

Usage: python docs/make_networks_table.py [NAME ...]     (without names: all of them; a few minutes)

Networks are built without their parameters, so the largest takes no memory.
"""

import sys

import torch
from torch.overrides import TorchFunctionMode
from torchvision import models

from zfpipe.nets.layers import first_obstacle, layers
from zfpipe.nets.trace import trace


class _WithoutParameters(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {}, **({"device": "meta"} if func is torch.empty else {}))
        return func(*args, **kwargs)


def row(name: str) -> str:
    size = 299 if name == "inception_v3" else 224
    extra = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with _WithoutParameters():
        network = models.get_model(name, weights=None, **extra).to("meta").eval()
    traced = trace(network, (size, size))
    found = layers(traced)
    good = sum(not layer.obstacle for layer in found.values())
    first = (
        next((layer.obstacle for layer in found.values() if layer.obstacle), "") if found else first_obstacle(traced)
    )
    count = f"{good} of {len(found)}" if found else "no rectified map"
    return f"| {name} | {count} | {first} |"


def main(names: list[str]) -> None:
    print("| network | layers | first obstacle |\n|---|---|---|")
    for name in names or models.list_models(module=models):
        print(row(name), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
