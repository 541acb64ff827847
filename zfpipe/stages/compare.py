"""All runs on one page and in one table: accuracy, dead units, selectivity, likeness to random weights, and figures.

Each layer's figures stand side by side, run by run, so that a trained network is seen beside an untrained one, or two
recipes beside each other. The page is one file that links to the full figures where they lie.
"""

import argparse
import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zfpipe.data.comparison import comparison_page, differing
from zfpipe.data.page import copy_of
from zfpipe.errors import UserError, require_one_of
from zfpipe.files.csv_text import csv_text
from zfpipe.files.sums import read_table
from zfpipe.files.topk import LayerTopK, read_topk, require_weights
from zfpipe.files.whole import write_text
from zfpipe.nets.ablation import DEFAULTS, Changes
from zfpipe.nets.models import load_model
from zfpipe.nets.selectivity import enough
from zfpipe.progress import counted, say

OF_RUN = ("run", "network", "changes", "settings", "parameters", "epochs", "train_top1", "val_top1", "val_top5")
OF_LAYER = ("layer", "units", "dead", "excited", "selectivity", "by_chance", "structural", "ranks")
WIDTH = 900  # of a figure on the page, in pixels at most


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `zfpipe compare`."""
    add = parser.add_argument
    add("--name", nargs="+", required=True, metavar="RUN", help="what the page calls the runs")
    add("--model", nargs="+", required=True, metavar="PT", help="their model files, in this order")
    add("--metrics", nargs="+", required=True, metavar="CSV", help="the metrics of each")
    add("--topk", nargs="+", required=True, metavar="H5", help="the top-k file of each")
    add("--selectivity", nargs="+", required=True, metavar="CSV", help="the table of the stage selectivity of each")
    add(
        "--settings",
        metavar="JSON",
        help="of each run by its name, as a config has them (default: the models')",
    )
    add(
        "--similarity",
        nargs=2,
        action="append",
        default=[],
        metavar=("RUN", "CSV"),
        help="the table of the stage similarity of a run that has one; may be repeated",
    )
    add(
        "--figure",
        nargs=3,
        action="append",
        default=[],
        metavar=("RUN", "LAYER", "PNG"),
        help="the figure of a layer of a run; may be repeated",
    )
    add("--out-csv", type=Path, required=True, help=f"a row a run and layer: {', '.join(OF_RUN + OF_LAYER)}")
    add("--out-html", type=Path, required=True, help="the page")


def run(arguments: argparse.Namespace) -> None:
    """Write table and page. Raises UserError for lists of different lengths and unfit files."""
    names = arguments.name
    for option in ("model", "metrics", "topk", "selectivity"):
        if len(getattr(arguments, option)) != len(names):
            raise UserError(f"There are {len(names)} runs and {len(getattr(arguments, option))} of --{option}.")
    for option in ("similarity", "figure"):
        for run, *_ in getattr(arguments, option):
            require_one_of(f"--{option}", run, names)
    alike = dict(arguments.similarity)
    parts = zip(names, arguments.model, arguments.metrics, arguments.topk, arguments.selectivity, strict=True)
    runs = [of_run(*part, alike.get(part[0])) for part in parts]
    other = differing(_settings(arguments, runs))
    for place, row in enumerate(runs):
        row["settings"] = "; ".join(f"{name} {values[place]}" for name, values in other.items() if values[place])
    rows = [[row[key] for key in OF_RUN] + [layer[key] for key in OF_LAYER] for row in runs for layer in row["layers"]]
    write_text(arguments.out_csv, csv_text([OF_RUN + OF_LAYER, *rows]))
    layers = list(dict.fromkeys(layer["layer"] for row in runs for layer in row["layers"]))
    figures = [(layer, _figures(layer, arguments)) for layer in layers]
    write_text(arguments.out_html, comparison_page(runs=runs, other=other, layers=layers, figures=figures, alike=alike))
    say(f"compare: {counted(len(runs), 'run')}, {counted(len(rows), 'layer')}; {arguments.out_html}")


def of_run(name: str, model_path: str, metrics: str, topk: str, table: str, likeness: str | None) -> dict[str, Any]:
    """Return a run's numbers, with those of its layers; what was not measured is ''."""
    model, rows, mined = load_model(model_path), read_table(metrics), read_topk(topk)
    require_weights(mined, topk, model.sha256(), model_path)
    changes, last = Changes.of(model.spec), rows[-1] if rows else {}
    measured = {key: last.get(key) or "" for key in ("train_top1", "val_top1", "val_top5")}
    if len(model.classes) <= 5:  # everything is among the best five
        measured["val_top5"] = ""
    units = _by_layer(table, "entries", "selectivity")
    patches = _by_layer(likeness, "ranks") if likeness else {}
    return {
        "run": name,
        "spec": model.spec,
        "network": changes.name,
        "changes": changes.said(),
        "parameters": sum(parameter.numel() for parameter in model.network.parameters()),
        "epochs": int(last.get("epoch") or 0),
        **measured,
        "layers": [
            _of_layer(each, mined.images, units.get(name, []), patches.get(name, []))
            for name, each in mined.layers.items()
        ],
    }


def _settings(arguments: argparse.Namespace, runs: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the settings of each run, or of its model alone where none are given. Raises UserError for no JSON."""
    if arguments.settings is None:
        return {run["run"]: {"model": run["spec"]} for run in runs}
    try:
        found = json.loads(arguments.settings)
        settings = {name: dict(found[name]) for name in arguments.name}
        for own in settings.values():
            model = dict(own.get("model", {}))
            known = DEFAULTS.get(model.get("name"), {})
            own["model"] = {key: known[key] for key in ("width", "norm", "drop", "fc") if key in known} | model
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"--settings is no JSON with the settings of each run ({error}).") from error
    return settings


def _of_layer(
    layer: LayerTopK, images: int, units: list[dict[str, str]], patches: list[dict[str, str]]
) -> dict[str, Any]:
    told = [row for row in units if enough(int(row["entries"]), layer.row.shape[1], images)]
    of_units = {"excited": _median(units, "excited")} | {
        key: _median(told, key) for key in ("selectivity", "by_chance")
    }
    of_patches = {key: _median(patches, key) for key in ("structural", "ranks")}
    return {"layer": layer.name, "units": len(layer.row), "dead": int(layer.dead.sum()), **of_units, **of_patches}


def _median(rows: list[dict[str, str]], key: str) -> str:
    values = [float(row[key]) for row in rows if row[key]]
    return f"{np.median(values):.4f}" if values else ""


def _by_layer(path: str, *keys: str) -> dict[str, list[dict[str, str]]]:
    """Return the rows of a table, by layer. Raises UserError, naming the file, if it lacks `layer` or one of `keys`."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        found: dict[str, list[dict[str, str]]] = {}
        for row in rows:
            [float(row[key] or 0) for key in keys]
            found.setdefault(row["layer"], []).append(row)
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise UserError(
            f"{path} is not there or no table with {keys[-1]} ({error}); delete it and run again."
        ) from error
    return found


def _figures(layer: str, arguments: argparse.Namespace) -> list[dict[str, str]]:
    """Return the figures of a layer in the order of the runs: run, a picture for the page, and where it lies."""
    paths = {run: path for run, name, path in arguments.figure if name == layer}
    found = []
    for run in arguments.name:
        if run in paths:
            place = os.path.relpath(paths[run], arguments.out_html.parent)
            found.append({"run": run, "picture": _copy(paths[run]), "place": Path(place).as_posix()})
    return found


def _copy(path: str) -> str:
    try:
        with Image.open(path) as image:
            return copy_of(image.convert("RGB"), WIDTH)
    except OSError as error:
        raise UserError(f"{path} is no picture ({error}); delete it and run again to rebuild it.") from error
