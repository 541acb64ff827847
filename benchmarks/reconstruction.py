"""Reconstruction against captum's NeuronDeconvolution, and against the arithmetic that it cannot do without."""

import dataclasses
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from captum.attr import NeuronDeconvolution

from benchmarks.material import mined
from benchmarks.table import Row
from benchmarks.timing import CPU, Spent, side_by_side
from zfpipe.data.packed import open_packed
from zfpipe.files.reconstruction import DIGESTS, writing_reconstruction
from zfpipe.files.topk import MISSING, LayerTopK, read_topk
from zfpipe.nets.layers import layers
from zfpipe.nets.models import Model, load_model
from zfpipe.nets.quick import channels_last
from zfpipe.nets.reach import projector_of
from zfpipe.nets.trace import trace
from zfpipe.stages.reconstruct import project_all

LAYERS = {"conv1": 96, "conv2": 256, "conv3": 384, "conv4": 384, "conv5": 256}
BARS = {
    **{f"reconstruct {layer}, over captum": 4 for layer in LAYERS},
    **{f"reconstruct {layer}, over its arithmetic": None for layer in LAYERS},
    "reconstruct all, over captum": 10,
    "reconstruct all, over its arithmetic": 0.6,
    "reconstruct conv5 of an image each, over its arithmetic": None,
    "reconstruct resnet18 layer3, over captum": None,
}
K = 9
IMAGES = 192
MEASURED = {
    "conv1": 192,
    "conv2": 72,
    "conv3": 24,
    "conv4": 12,
    "conv5": 12,
}  # of these images all patches, some hundred
FIELDS = {  # positions of each map that a unit's signal reaches, from pixels up: image, conv1, pool1, conv2, pool2, ...
    "conv1": (7, 1),
    "conv2": (27, 11, 5, 1),
    "conv3": (75, 35, 17, 7, 3, 1),
    "conv4": (107, 51, 25, 11, 5, 3, 1),
    "conv5": (139, 67, 33, 15, 7, 5, 3, 1),
}


def measure(folder: Path, quick: bool, device: torch.device = CPU) -> list[Row]:
    """Return a row for each layer over captum, one overall, and the same over the necessary arithmetic."""
    warnings.filterwarnings("ignore", module="captum")
    files = mined(folder, IMAGES)
    measured = {"conv3": 6, "conv5": 5} if quick else MEASURED if device == CPU else dict.fromkeys(LAYERS, IMAGES)
    rounds = 1 if quick else 3
    rows, totals = [], np.zeros((3, 2))
    for layer, count in measured.items():
        entries = _entries(files, layer, np.linspace(0, IMAGES - 1, count).astype(int))
        patches, spent = _layer(files, entries, folder, rounds, device)
        for number, name in enumerate(("stage", "captum", "limit")):
            totals[number] += np.array([spent[name].wall, spent[name].cpu]) / patches * LAYERS[layer] * K
        detail = f"{patches} patches: those of {count} of {IMAGES} images"
        rows += _rows(layer, detail, patches, *spent.values())
    everything = sum(LAYERS[layer] for layer in measured) * K
    detail = f"each layer's cost times its {everything} patches"
    rows += _rows("all", detail, everything, *(Spent(*both) for both in totals))
    return rows if quick else [*rows, _of_an_image_each(files, folder, rounds, device), _branches(folder, device)]


def _of_an_image_each(files: dict[str, Path], folder: Path, rounds: int, device: torch.device) -> Row:
    """Return the row of a large set, whose images hold few of the strongest each and share nothing."""
    entries = _entries(files, "conv5", np.arange(IMAGES), most=1)
    patches, spent = _layer(files, entries, folder, rounds, device)
    what, detail = "reconstruct conv5 of an image each, over its arithmetic", f"{patches} patches of as many images"
    return Row.over(what, "patches/s", patches, spent["stage"], spent["limit"], BARS[what], detail)


def _branches(folder: Path, device: torch.device) -> Row:
    """Return the row of a network that is no plain chain: windows of all its maps go down."""
    name, count = "layer3.1.relu_1", 48 if device == CPU else IMAGES
    (folder / "resnet18").mkdir()
    files = mined(folder / "resnet18", count, "torchvision:resnet18", [name])
    entries = _entries(files, name, np.arange(count), most=1)
    model = load_model(files["model"]).to(device)
    for module in model.network.modules():  # captum hooks rectifications, which then may not be in place
        module.inplace = False
    patches = int(entries.present.sum())
    candidates = {
        "stage": _stage(files, model, entries, folder / "out.h5"),
        "captum": _captum(model, entries, "layer3.1", min(patches, 32)),
    }
    spent = side_by_side(candidates, 3)
    captum = _times(spent["captum"], patches / min(patches, 32))
    what, detail = "reconstruct resnet18 layer3, over captum", f"{patches} patches of as many images"
    return Row.over(what, "patches/s", patches, spent["stage"], captum, BARS[what], detail)


def _rows(layer: str, detail: str, patches: int, stage: Spent, captum: Spent, limit: Spent) -> list[Row]:
    others = {f"reconstruct {layer}, over captum": captum, f"reconstruct {layer}, over its arithmetic": limit}
    return [Row.over(what, "patches/s", patches, stage, other, BARS[what], detail) for what, other in others.items()]


def _entries(files: dict[str, Path], layer: str, images: np.ndarray, most: int | None = None) -> LayerTopK:
    """Return a layer with what a whole run reconstructs of some images alone: of each `most` entries, or all."""
    mined = read_topk(files["topk"]).layers[layer]
    kept = np.zeros(mined.image_index.shape, bool)
    for image in images:
        kept[tuple(np.argwhere(mined.image_index == image)[:most].T)] = True
    left = {name: np.where(kept, getattr(mined, name), MISSING) for name in ("image_index", "row", "col")}
    return dataclasses.replace(mined, activation=mined.activation * kept, **left)


def _layer(
    files: dict[str, Path], entries: LayerTopK, folder: Path, rounds: int, device: torch.device
) -> tuple[int, dict[str, Spent]]:
    """Return the number of patches, and what the stage, captum and the arithmetic alone took for them.

    The stage's time is that from the first image read to the file renamed into its place.
    """
    model = load_model(files["model"]).to(device)
    patches = int(entries.present.sum())
    sampled = min(patches, 32)
    candidates = {
        "stage": _stage(files, model, entries, folder / "out.h5"),
        "captum": _captum(model, entries, f"{entries.name}.relu", sampled),
        "limit": _limit(model, entries.name, patches),
    }
    spent = side_by_side(candidates, rounds)
    return patches, spent | {"captum": _times(spent["captum"], patches / sampled)}


def _times(spent: Spent, factor: float) -> Spent:
    return Spent(spent.wall * factor, spent.cpu * factor)


def _stage(files: dict[str, Path], model: Model, entries: LayerTopK, out: Path) -> Callable[[], object]:
    facts, units = dict.fromkeys(DIGESTS, "0" * 64), np.arange(len(entries.row))
    traced = trace(model.network, model.input_size)
    channels_last(model.network)
    projector = projector_of(model, traced, layers(traced)[entries.name], "add")

    def run():
        with open_packed(files["images"]) as packed:
            with writing_reconstruction(out, entries, units, model.input_size, images=len(packed), **facts) as writer:
                project_all(entries, units, packed, projector, writer, files["topk"])

    return run


def _captum(model: Model, entries: LayerTopK, module: str, count: int) -> Callable[[], object]:
    """Captum at its best: channels last, a batch of 32 entries of any units at once."""
    network = model.network.to(memory_format=torch.channels_last)
    places = np.argwhere(entries.present)[:count]
    device = model.mean.device
    unit, row, col = (
        torch.from_numpy(part.astype(np.int64)).to(device)
        for part in (places[:, 0], entries.row[tuple(places.T)], entries.col[tuple(places.T)])
    )
    images = torch.randn(count, 3, *model.input_size, device=device).contiguous(memory_format=torch.channels_last)
    explain = NeuronDeconvolution(network, network.get_submodule(module))
    return lambda: explain.attribute(images, lambda maps: maps[torch.arange(count, device=device), unit, row, col])


def _limit(model: Model, layer: str, patches: int) -> Callable[[], object]:
    """The convolutions of the receptive field up to the last pooling below the layer, and those down again, alone."""
    steps, batch = _arithmetic(model, layer), min(patches, 32)
    runs = [step(batch) for step in steps]

    def run():
        with torch.inference_mode():
            for _ in range(round(patches / batch)):
                for one in runs:
                    one()

    return run


def _arithmetic(model: Model, layer: str) -> list[Callable[[int], Callable[[], object]]]:
    found = []
    last = list(LAYERS).index(layer)
    maps = iter(FIELDS[layer])
    side = next(maps)
    for number, name in enumerate(list(LAYERS)[:last]):
        own = getattr(model.network, name).conv
        above = next(maps)
        if number < 2:  # a pooling stands above it
            found.append(_up(own, side))
        found.append(_down(own, above))
        side = next(maps) if number < 2 else above
    own = getattr(model.network, layer).conv
    return [*found, _unit(own)]


def _up(own: torch.nn.Conv2d, side: int):
    def prepare(batch: int):
        x = _random(own, batch, own.in_channels, side, side)
        return lambda: F.conv2d(x, own.weight, own.bias, own.stride)

    return prepare


def _down(own: torch.nn.Conv2d, side: int):
    """The transposed convolution; above the image as one plain convolution of its phases, which is faster."""

    def prepare(batch: int):
        signal = _random(own, batch, own.out_channels, side, side)
        if own.in_channels > 3:
            return lambda: F.conv_transpose2d(signal, own.weight, None, own.stride)
        phases = _random(own, 12, own.out_channels, 4, 4)
        return lambda: F.conv2d(signal, phases, padding=3)

    return prepare


def _unit(own: torch.nn.Conv2d):
    """The unit's own filter, as strong as its activation."""

    def prepare(batch: int):
        filters, strength = own.weight[torch.arange(batch) % own.out_channels], _random(own, batch, 1, 1, 1)
        return lambda: filters * strength

    return prepare


def _random(own: torch.nn.Conv2d, *shape: int) -> torch.Tensor:
    return torch.randn(shape, device=own.weight.device).contiguous(memory_format=torch.channels_last)
