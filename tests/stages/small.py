"""A small packed split and a small model on disk, for the stages that look into a network."""

import numpy as np
import torch
from skimage import data

from zfpipe.data.packed import write_packed
from zfpipe.nets.models import Model, build, save_model

SIZE, PACKED = 60, 64
SPEC = {"name": "zfnet", "width": 0.06, "input_size": SIZE, "norm": "contrast"}


def pictures(count):
    """Square crops of real photographs, (PACKED, PACKED, 3) uint8, in a fixed order; two of them are equal."""
    sources = [data.astronaut(), data.chelsea(), data.coffee(), data.rocket()]
    generator = np.random.default_rng(0)
    found = []
    for number in range(count):
        source = sources[number % len(sources)]
        top, left = (int(generator.integers(0, side - PACKED)) for side in source.shape[:2])
        found.append(source[top : top + PACKED, left : left + PACKED])
    found[count // 2] = found[0]
    return found


def packed_file(path, count=11, manifest="m" * 64):
    labels, names = [number % 3 for number in range(count)], [f"{number}.png" for number in range(count)]
    kind = {"split": "val", "size": PACKED, "manifest_sha256": manifest}
    write_packed(path, pictures(count), labels, names, ["a", "b", "c"], **kind)
    return path


def model(seed=0, spec=SPEC, dead=(), packed_size=PACKED):
    """A model with random weights; the units `dead` of conv2 can never be active."""
    torch.manual_seed(seed)
    network = build(spec, 3).eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.normal_(0, (2 / parameter[0].numel()) ** 0.5 if parameter.dim() > 1 else 0.1)
    for unit in dead:
        network.conv2.conv.weight[unit] = 0
        network.conv2.conv.bias[unit] = -1
    mean, std = torch.full((3, 1, 1), 120.0), torch.full((3, 1, 1), 60.0)
    return Model(network, spec, ["a", "b", "c"], mean, std, packed_size)


def model_file(path, **settings):
    save_model(path, model(**settings), epoch=0)
    return path
