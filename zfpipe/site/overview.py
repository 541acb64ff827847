"""The facts of the first page: the network as a strip, accuracy, curves, the data set and its check, provenance."""

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from zfpipe.data.findings import REPORT_VERSION
from zfpipe.data.names import printable
from zfpipe.errors import UserError
from zfpipe.files.sums import read_json, read_table
from zfpipe.files.topk import FINE
from zfpipe.nets.layers import cost, layers
from zfpipe.nets.models import Model
from zfpipe.nets.trace import trace
from zfpipe.site.curves import curve_plot

PACKAGES = ("zfpipe", "torch", "torchvision", "numpy", "pillow")

SPEED = "images_per_second"


def strip(model: Model, facts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a card for each layer: what `write_layer` tells of it, its operation and its cost in million adds."""
    traced = trace(model.network, model.input_size, model.channels)
    available = layers(traced)
    cards = []
    for layer in facts:
        known = available[layer["name"]]
        size = [min(field, side) for field, side in zip(layer["receptive_field"], layer["input_size"], strict=True)]
        seen = size[0] * size[1] / (layer["input_size"][0] * layer["input_size"][1])
        cards.append(layer | {"operation": known.operation, "million": cost(traced, known), "seen": seen})
    return cards


def read_metrics(path: str | Path) -> list[dict[str, float]]:
    """Return a row an epoch, with what was measured alone, and without the speed: it says nothing of the network.

    Raises UserError, naming the file, for anything else.
    """
    try:
        rows = [{key: value for key, value in row.items() if value and key != SPEED} for row in read_table(path)]
        return [{key: float(value) for key, value in row.items()} for row in rows]
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} is no table of metrics ({error}); delete it and run again.") from error


def read_report(path: str | Path) -> dict[str, Any]:
    """Return the check's report. Raises UserError, naming the file, if it is none."""
    found = read_json(path)
    if found.get("format_version") != REPORT_VERSION:
        version = found.get("format_version")
        raise UserError(
            f"{path} has format version {version}; this zfpipe reads {REPORT_VERSION}; delete it and run again."
        )
    for finding in found["findings"]:
        finding["meaning"] = printable(finding["meaning"])
    return found


def plots(rows: Sequence[dict[str, float]]) -> list[dict[str, str]]:
    """Return the curves that can be drawn, each with its heading."""
    found = []
    for heading, part, percent in (("Loss", "loss", False), ("Accuracy", "top1", True)):
        lines = {f"train_{part}": "training", f"val_{part}": "validation"}
        whose = " and ".join(words for column, words in lines.items() if any(column in row for row in rows))
        drawn = curve_plot(rows, lines, f"{heading} by epoch, {whose}", percent)
        if drawn:
            found.append({"heading": heading, "svg": drawn})
    return found


def trained(rows: Sequence[dict[str, float]]) -> bool:
    """Whether the metrics are of a training: weights that were taken as they are have a validation alone."""
    return any("train_loss" in row for row in rows)


def provenance(topk, topk_sha256: str, topk_path: str | Path) -> list[tuple[str, str]]:
    """Return what the pictures were made from: digests, the day of the data (not of the page), versions."""
    day = datetime.fromtimestamp(Path(topk_path).stat().st_mtime, UTC).date().isoformat()
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return [
        ("weights", topk.model_sha256),
        ("images", topk.manifest_sha256),
        ("strongest activations", topk_sha256),
        ("mined", f"{day} (UTC){'' if topk.precision == FINE else f', in {topk.precision}'}"),
        ("versions", f"{versions}, Python {platform.python_version()}"),
    ]
