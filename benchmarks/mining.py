"""Mining against the fastest bare forward pass: it cannot be faster than that, and should hardly be slower."""

from pathlib import Path

import numpy as np
import torch

from benchmarks.material import model, packed_file
from benchmarks.table import Row
from benchmarks.timing import CPU, fastest, side_by_side
from zfpipe.data.packed import open_packed
from zfpipe.nets.layers import layers
from zfpipe.nets.looking import strongest_of
from zfpipe.nets.trace import trace

NETWORKS = {
    "mining, zfnet": "zfnet",
    "mining, alexnet": "torchvision:alexnet",
    "mining, resnet18": "torchvision:resnet18",
}
# Numbers of images are multiples of every batch that a bare pass may take.
QUICK = {"mining, zfnet": 64, "mining, alexnet": 256}  # over few images an AlexNet's mining is half ranking
BARS = dict.fromkeys(NETWORKS, 0.95)
LAYOUTS = {"NCHW": torch.contiguous_format, "NHWC": torch.channels_last}


def measure(folder: Path, quick: bool, device: torch.device = CPU) -> list[Row]:
    """Return a row for each network: images/s of mining all layers, reading included, over the bare forward pass."""
    counts = QUICK if quick else dict.fromkeys(NETWORKS, 448 if device == CPU else 4096)
    path = packed_file(folder / "mining.h5", max(counts.values()))
    return [_network(what, path, count, quick, device) for what, count in counts.items()]


def _network(what: str, path: Path, count: int, quick: bool, device: torch.device) -> Row:
    mined, bare = (model(NETWORKS[what]).to(device) for _ in range(2))
    sizes = (32, 16, 64) if device == CPU else (256, 128, 512)
    traced = trace(mined.network, mined.input_size)
    chosen = [layer for layer in layers(traced).values() if not layer.obstacle]
    passes = {
        f"{layout}, batch {size}": _bare(bare.network, layout, size, device)
        for layout in LAYOUTS
        for size in sizes[: 1 if quick else None]
    }
    best = fastest(passes)
    size = int(best.split()[-1])

    def stage():
        with open_packed(path) as packed:
            strongest_of(mined, traced, packed, np.arange(count), chosen, sizes[0], "mine", 9)

    def limit():
        for _ in range(count // size):
            passes[best]()

    spent = side_by_side({"stage": stage, "limit": limit}, 2 if quick else 3)
    detail = f"{count} images, {len(chosen)} layers; bare forward: {best}"
    return Row.over(what, "images/s", count, spent["stage"], spent["limit"], BARS[what], detail)


def _bare(network, layout: str, size: int, device: torch.device):
    images = torch.randn(size, 3, 224, 224, device=device).contiguous(memory_format=LAYOUTS[layout])

    def run():
        network.to(memory_format=LAYOUTS[layout])
        with torch.inference_mode():
            network(images)

    return run
