"""What is measured: networks with random weights, and images cut from the photographs that ship with scikit-image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage import data
from torch import nn

from zfpipe.__main__ import main
from zfpipe.data.packed import write_packed
from zfpipe.nets.models import Model, build, save_model

SIDE = 224
MANIFEST = "b" * 64
CONVOLUTIONS = [f"conv{number}" for number in range(1, 6)]


def model(name: str, seed: int = 0, side: int = SIDE, **settings) -> Model:
    """Return a network of 1000 classes for `side` px whose maps are neither dead nor without bound."""
    torch.manual_seed(seed)
    spec = {"name": name, "input_size": side, **settings}
    network = build(spec, 1000).eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    mean, std = torch.tensor([123.7, 116.3, 103.5]), torch.tensor([58.4, 57.1, 57.4])
    return Model(network, spec, [str(n) for n in range(1000)], mean.view(3, 1, 1), std.view(3, 1, 1), side)


def model_file(path: Path, name: str = "zfnet", **settings) -> Path:
    save_model(path, model(name, **settings), epoch=0)
    return path


def packed_file(path: Path, count: int, side: int = SIDE) -> Path:
    """Write `count` views of photographs, each at a place and scale of its own, `side` px."""
    kind = {"split": "val", "size": side, "manifest_sha256": MANIFEST}
    write_packed(path, _views(count, side), [0] * count, [f"{n}.png" for n in range(count)], ["all"], **kind)
    return path


def _views(count: int, to: int):
    photographs = [Image.fromarray(read()) for read in (data.astronaut, data.chelsea, data.coffee, data.rocket)]
    generator = np.random.default_rng(0)
    for number in range(count):
        photograph = photographs[number % len(photographs)]
        side = int(generator.integers(96, min(photograph.size)))
        left, top = (int(generator.integers(0, length - side + 1)) for length in photograph.size)
        view = photograph.crop((left, top, left + side, top + side)).resize((to, to), Image.Resampling.BILINEAR)
        yield np.asarray(view)


def mined(folder: Path, count: int, name: str = "zfnet", layers: Sequence[str] = CONVOLUTIONS) -> dict[str, Path]:
    """Write a network, `count` images, and what was mined from them; return the paths of all three."""
    files = {"model": model_file(folder / "model.pt", name), "images": packed_file(folder / "val.h5", count)}
    files["topk"] = folder / "topk.h5"
    options = [word for name in ("model", "images") for word in (f"--{name}", str(files[name]))]
    threads = ["--threads", str(torch.get_num_threads())]
    assert main(["mine", *options, "--out", str(files["topk"]), "--layers", *layers, *threads, "--device", "cpu"]) == 0
    return files


def photograph_files(folder: Path, count: int, width: int = 500) -> list[Path]:
    """Write `count` JPEG files of `width` px, three quarters as high, below folder/val/all; return their paths."""
    (folder / "val" / "all").mkdir(parents=True)
    paths = [folder / "val" / "all" / f"{number:04d}.jpg" for number in range(count)]
    for path, view in zip(paths, _views(count, width), strict=True):
        Image.fromarray(view[: width * 3 // 4]).save(path, quality=90)
    return paths
