"""List the layers of a model: the names that `layers:` in the config takes, with what each unit sees.

MODEL is a model file, or a name: zfnet, alexnet, torchvision:resnet18. Sizes are in
pixels of the network's input. MMAC is the cost of one reconstruction: million multiply-adds, up to the layer and down.
"""

import argparse
import json
from pathlib import Path

from zfpipe.data.sizes import pair
from zfpipe.errors import UserError
from zfpipe.nets.layers import Layer, cost, layers
from zfpipe.nets.models import build, default_size, load_model
from zfpipe.nets.trace import trace

HEADER = ("layer", "operation", "channels", "map", "receptive field", "jump", "window", "MMAC", "deconvnet")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="model file (.pt), name, or description as JSON")
    parser.add_argument("--input-size", type=int, metavar="PX", help="side of the input (default: the network's own)")
    parser.add_argument("--width", type=float, help="multiplies the channels of zfnet and alexnet (default: 1)")


def run(arguments: argparse.Namespace) -> None:
    network, size = _network(arguments)
    traced = trace(network, pair(size))
    if not layers(traced):
        raise UserError(f"{arguments.model} has no layer: nothing in it is rectified (ReLU and its kin).")
    rows = [_row(layer, cost(traced, layer)) for layer in layers(traced).values()]
    widths = [max(len(row[i]) for row in [HEADER, *rows]) for i in range(len(HEADER))]
    for row in [HEADER, *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _network(arguments: argparse.Namespace):
    if Path(arguments.model).is_file():
        model = load_model(arguments.model)
        return model.network, arguments.input_size or model.input_size
    if arguments.model.endswith((".pt", ".pth")):
        raise UserError(f"There is no model file {arguments.model}.")
    spec = _description(arguments.model)
    spec["input_size"] = arguments.input_size or spec.get("input_size") or default_size(spec["name"])
    if arguments.width is not None:
        spec["width"] = arguments.width
    return build(spec, classes=1000), spec["input_size"]


def _description(text: str) -> dict:
    try:
        spec = json.loads(text) if text.startswith("{") else {"name": text}
    except json.JSONDecodeError as error:
        raise UserError(f"{text} is no JSON ({error}).") from error
    if "name" not in spec:
        raise UserError(f"{text} names no network; it needs a name, such as zfnet.")
    return spec


def _row(layer: Layer, million: float) -> tuple[str, ...]:
    axes = layer.field.axes
    return (
        layer.name,
        layer.operation,
        str(layer.channels),
        _size(layer.map_size),
        _size(axis.size for axis in axes),
        _size(axis.jump for axis in axes),
        _size(axis.window for axis in axes),
        f"{million:.3g}" if million < 1000 else f"{million:.0f}",
        layer.obstacle or "supported",
    )


def _size(lengths) -> str:
    return "x".join(map(str, lengths))
