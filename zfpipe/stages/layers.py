"""List the layers of a model: the names that `layers:` in the config takes, with what each unit sees.

MODEL is a model file, a name (zfnet, alexnet, torchvision:resnet18, yourmodule:function), or a description as JSON
({"name": "yourmodule:function", "args": {"width": 2}}). Field is the receptive field of a unit, jump the distance
between neighbours, window the part that a reconstruction runs, all in pixels of the input. MMAC is the cost of one
reconstruction: million multiply-adds, up to the layer and down. What stands in the deconvnet's way is said below.
"""

import argparse
import json
from pathlib import Path
from textwrap import fill

from torch import nn

from zfpipe.data.sizes import Size, pair, shortest, size_of
from zfpipe.errors import UserError
from zfpipe.nets.deconvnet import supported
from zfpipe.nets.layers import Layer, cost, require_layers
from zfpipe.nets.models import build, default_size, load_model
from zfpipe.nets.start import as_spec
from zfpipe.nets.trace import trace

HEADER = ("layer", "operation", "channels", "map", "field", "jump", "window", "MMAC", "works")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `zfpipe layers`."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="model file (.pt), name, or description as JSON")
    add(
        "--input-size",
        type=size_of,
        metavar="PX",
        help="side of the input in pixels, or HEIGHTxWIDTH (default: the network's own)",
    )
    add("--channels", type=int, metavar="C", help="channels of the input (default: those of a model file, else 3)")
    add("--width", type=float, help="multiplies the channels of zfnet and alexnet (default: 1)")


def run(arguments: argparse.Namespace) -> None:
    """Print the table. Raises UserError for what is no model, and for a network that has no layer."""
    traced = trace(*_network(arguments))
    found = require_layers(traced, arguments.model)
    notes = list(dict.fromkeys(filter(None, map(_note, found))))
    rows = [HEADER] + [_row(layer, cost(traced, layer), notes) for layer in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for number, note in enumerate(notes, start=1):
        print(fill(f"[{number}] {note}.", 119))
    if any(layer.obstacle for layer in found):
        print(fill(f"The deconvnet goes down through known operations alone; {supported()}.", 119))


def _note(layer: Layer) -> str:
    if layer.obstacle:
        return layer.obstacle
    return layer.bound and f"The whole image is taken as the field: how far {layer.bound} reaches is not worked out"


def _network(arguments: argparse.Namespace) -> tuple[nn.Module, Size, int]:
    """Return the network, the input's (height, width), and its channels."""
    size = arguments.input_size
    if Path(arguments.model).is_file():
        model = load_model(arguments.model)
        return model.network, size or model.input_size, arguments.channels or model.channels
    if arguments.model.endswith((".pt", ".pth")):
        raise UserError(f"There is no model file {arguments.model}.")
    spec = _description(arguments.model)
    spec["input_size"] = shortest(size or spec.get("input_size") or default_size(spec["name"]))
    spec |= {key: getattr(arguments, key) for key in ("width", "channels") if getattr(arguments, key) is not None}
    return build(spec, classes=1000), pair(spec["input_size"]), spec.get("channels", 3)


def _description(text: str) -> dict:
    try:
        spec = json.loads(text) if text.startswith("{") else {"name": text}
    except json.JSONDecodeError as error:
        raise UserError(f"{text} is no JSON ({error}).") from error
    if "name" not in spec:
        raise UserError(f"{text} names no network; it needs a name, such as zfnet.")
    return as_spec(spec)


def _row(layer: Layer, million: float, notes: list[str]) -> tuple[str, ...]:
    axes = layer.field.axes
    seen = [_size(getattr(axis, name) for axis in axes) for name in ("size", "jump", "window")]
    note = f" [{notes.index(_note(layer)) + 1}]" if _note(layer) else ""
    return (
        layer.name,
        layer.operation,
        str(layer.channels),
        _size(layer.map_size),
        *(["?"] * 3 if layer.obstacle else seen),
        "?" if layer.obstacle else f"{million:.3g}" if million < 1000 else f"{million:.0f}",
        f"no{note}" if layer.obstacle else f"yes{note}",
    )


def _size(lengths) -> str:
    return "x".join(map(str, lengths))
