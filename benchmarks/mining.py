"""Mining against the fastest bare forward pass: it cannot be faster than that, and should hardly be slower."""

from pathlib import Path

import numpy as np
import torch

from benchmarks.material import model, packed_file
from benchmarks.table import Row
from benchmarks.timing import fastest, side_by_side
from zfpipe.data.packed import open_packed
from zfpipe.nets.layers import layers
from zfpipe.nets.looking import strongest_of
from zfpipe.nets.trace import trace

NETWORKS = ("zfnet", "torchvision:alexnet", "torchvision:resnet18")
CPU = torch.device("cpu")
LAYOUTS = {"NCHW": torch.contiguous_format, "NHWC": torch.channels_last}


def measure(folder: Path, quick: bool, device: torch.device = CPU) -> list[Row]:
    """Return a row for each network: images/s of mining all layers, reading included, over the bare forward pass."""
    count = (64 if quick else 480) * (1 if device == CPU else 8)
    path = packed_file(folder / "mining.h5", count)
    return [_network(name, path, count, quick, device) for name in NETWORKS[: 2 if quick else None]]


def _network(name: str, path: Path, count: int, quick: bool, device: torch.device) -> Row:
    mined, bare = model(name).to(device), model(name).to(device).network
    sizes = (32, 16, 64) if device == CPU else (256, 128, 512)
    traced = trace(mined.network, mined.input_size)
    chosen = [layer for layer in layers(traced).values() if not layer.obstacle]
    passes = {
        f"{layout}, batch {size}": _bare(bare, layout, size, device)
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
    return Row.over(
        f"mining, {name.partition(':')[2] or name}", "images/s", count, spent["stage"], spent["limit"], 0.95, detail
    )


def _bare(network, layout: str, size: int, device: torch.device):
    images = torch.randn(size, 3, 224, 224, device=device).contiguous(memory_format=LAYOUTS[layout])

    def run():
        network.to(memory_format=LAYOUTS[layout])
        with torch.inference_mode():
            network(images)

    return run
