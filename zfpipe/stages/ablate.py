"""What layers and their sizes are worth: errors and parameters of several runs in one table (paper, table 3).

Errors are in percent, as in the paper, from the last row of each run's metrics. The training error is the one that was
met while training, on augmented crops and with dropout, so it is no lower bound; the paper does not say how it measured
its own. Where a run's data set is ImageNet and its architecture is one of the paper's, the paper's errors stand beside.
"""

import argparse
from pathlib import Path

import pandas as pd

from zfpipe.errors import UserError, require_one_of
from zfpipe.files.csv_text import csv_text
from zfpipe.files.whole import write_text
from zfpipe.nets.ablation import Changes
from zfpipe.nets.models import load_model
from zfpipe.pictures.ablations import draw_ablation
from zfpipe.progress import counted, say

ERRORS = ("train_top1", "val_top1", "val_top5")
MEASURED = tuple(f"{name}_error" for name in ERRORS)
COLUMNS = ("run", "network", "changes", "parameters", "epochs", *MEASURED, *(f"paper_{name}" for name in MEASURED))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `zfpipe ablate`."""
    add = parser.add_argument
    add("--model", nargs="+", required=True, metavar="PT", help="model files of the stage train")
    add("--metrics", nargs="+", required=True, metavar="CSV", help="the metrics of each")
    add("--name", nargs="+", required=True, metavar="RUN", help="what the table calls them")
    add("--imagenet", nargs="*", default=[], metavar="RUN", help="those that were trained on ImageNet 2012")
    add("--dpi", type=int, default=150, help="of the figure, in pixels an inch")
    add("--out-csv", type=Path, required=True, help="table to write, errors in percent")
    add("--out-png", type=Path, required=True, help="the same as a figure")


def run(arguments: argparse.Namespace) -> None:
    """Write table and figure. Raises UserError for lists of different lengths, or metrics without a row."""
    counts = [len(arguments.model), len(arguments.metrics), len(arguments.name)]
    if len(set(counts)) > 1:
        found = "{} models, {} metrics and {} names".format(*counts)
        raise UserError(f"There are {found}; each run has one of each.")
    for name in arguments.imagenet:
        require_one_of("--imagenet", name, arguments.name)
    runs = zip(arguments.model, arguments.metrics, arguments.name, strict=True)
    rows = [row_of(model, metrics, name, name in arguments.imagenet) for model, metrics, name in runs]
    write_text(arguments.out_csv, as_csv(rows))
    draw_ablation(arguments.out_png, rows, arguments.dpi)
    say(f"ablate: {counted(len(rows), 'run')}; {arguments.out_csv}")


def row_of(model_path: str, metrics: str, name: str, imagenet: bool) -> dict:
    """Return one run's row; an error that was not measured is None."""
    model = load_model(model_path)
    try:
        table = pd.read_csv(metrics)
    except (OSError, ValueError) as error:
        raise UserError(f"{metrics} is not there or no table of metrics; run the stage train again.") from error
    if not {"epoch", *ERRORS} <= set(table):
        raise UserError(f"{metrics} is no table of metrics: it lacks a column; give metrics.csv of the stage train.")
    last = table.iloc[-1] if len(table) else {}
    changes = Changes.of(model.spec)
    papers = changes.papers() if imagenet else None
    return {
        "run": name,
        "network": changes.name,
        "changes": changes.said(),
        "parameters": sum(parameter.numel() for parameter in model.network.parameters()),
        "epochs": int(last.get("epoch", 0)),
        **{f"{key}_error": _error(last.get(key)) for key in ERRORS},
        **{f"paper_{key}": papers and papers[place] for place, key in enumerate(MEASURED)},
    }


def as_csv(rows: list[dict]) -> str:
    """Return the table; what was not measured, or is not in the paper, is empty."""
    return csv_text([COLUMNS, *(["" if row[key] is None else row[key] for key in COLUMNS] for row in rows)])


def _error(right: float | None) -> float | None:
    return None if right is None or pd.isna(right) else round(100 * (1 - float(right)), 2)
