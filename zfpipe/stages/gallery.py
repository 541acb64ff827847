"""Write a gallery: a static web site in which every unit of a run can be looked at. It opens from the file system.

One page shows the network, one each layer, each unit, each image that excites some unit, and another run beside this
one. Nothing in it needs a server or a network; the folder can be copied to any web host.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from zfpipe.data.channels import shown_channels
from zfpipe.data.names import printable
from zfpipe.data.packed import open_packed
from zfpipe.errors import UserError
from zfpipe.files.digest import sha256_file
from zfpipe.files.evolution import read_evolution
from zfpipe.files.reconstruction import open_reconstruction
from zfpipe.files.topk import TopK, read_topk, require_images, require_weights
from zfpipe.files.whole import whole_folder
from zfpipe.nets.models import Model, load_model
from zfpipe.pictures.ranges import QUANTILE
from zfpipe.progress import counted, say
from zfpipe.site import overview
from zfpipe.site.epochs import write_epochs
from zfpipe.site.images import write_images
from zfpipe.site.layers import write_layer
from zfpipe.site.pages import DATA, PAGE, PICTURES, write_data, write_page
from zfpipe.site.spread import spread


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `zfpipe gallery`."""
    add = parser.add_argument
    add("--run", required=True, metavar="NAME", help="the run's name, as the page shall say it")
    add("--model", required=True, metavar="PT", help="model file of the stage train")
    add("--images", required=True, metavar="H5", help="the packed split that was mined")
    add("--topk", required=True, metavar="H5", help="top-k file of the stage merge")
    add("--reconstructions", required=True, nargs="+", metavar="H5", help="reconstruction files, a layer each")
    add("--out", required=True, metavar="FOLDER", help="where to write the site; it has to be new, or empty")
    add("--metrics", metavar="CSV", help="metrics of the stage train, for curves and accuracy")
    add("--report", metavar="JSON", help="the check's report of the data set")
    add("--report-page", metavar="HTML", help="the same as a page, to be carried along")
    add("--config", metavar="JSON", help="the settings that the page shall tell")
    add("--evolution", metavar="H5", help="evolution file: some units through training")
    add("--beside", metavar="NAME", help="another run, whose same units are set beside these")
    add("--beside-topk", metavar="H5", help="its top-k file")
    add("--beside-reconstructions", nargs="+", metavar="H5", help="its reconstruction files")
    add("--beside-metrics", metavar="CSV", help="its metrics")
    add(
        "--channels",
        type=int,
        nargs="+",
        metavar="C",
        help="image channels, from 0, shown as red, green and blue; one: grey (default: the first three)",
    )
    add("--quantile", type=float, default=QUANTILE, help="of |projection| that is drawn at full strength, up to 1")


def run(arguments: argparse.Namespace) -> None:
    """Write the site. Raises UserError for files that are damaged, of another kind, or do not belong together."""
    _check(arguments)
    out = Path(arguments.out)
    if out.exists() and not (out.is_dir() and next(out.iterdir(), None) is None):
        raise UserError(f"--out is {out}, which is there and not empty; delete it first, or name another folder.")
    model, topk = load_model(arguments.model), read_topk(arguments.topk)
    out.parent.mkdir(parents=True, exist_ok=True)
    with open_packed(arguments.images) as packed, whole_folder(out) as folder:
        require_weights(topk, arguments.topk, model.sha256(), arguments.model)
        require_images(topk, arguments.topk, packed.manifest_sha256, arguments.images)
        for name in (PAGE, DATA, PICTURES):
            (folder / name).mkdir()
        runs = [_write_run(folder, 0, arguments.run, arguments.topk, arguments.reconstructions, arguments)]
        images = write_images(folder / PICTURES, packed, runs[0]["layers"], topk.input_size, arguments.channels)
        write_data(folder, "images", images)
        if arguments.evolution:
            _write_evolution(folder, runs[0]["layers"], topk, arguments)
        runs[0] |= {"classes": _names(packed.classes), "images": topk.images, "metrics": _last(arguments.metrics)}
        if arguments.beside:
            runs.append(_write_beside(folder, topk, arguments))
        write_data(folder, "site", {"runs": [_summary(run) for run in runs]})
        if arguments.report_page:
            shutil.copyfile(arguments.report_page, folder / "check-report.html")
        write_page(folder, **_overview(runs, model, topk, arguments))
    units = sum(len(layer["unit"]) for layer in runs[0]["layers"])
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    shown = f"{counted(units, 'unit')}, {counted(len(images['index']), 'image')}"
    say(f"gallery: {shown}, {size / 1e6:.1f} MB, in {out}/index.html")


def _write_run(folder: Path, number: int, name: str, topk: str, paths: list[str], arguments) -> dict[str, Any]:
    """Write all layers of a run; return what the page's other parts tell of them."""
    digest, layers, classes = sha256_file(topk), [], []
    mined = read_topk(topk).layers
    order = list(mined)
    for path in paths:
        with open_reconstruction(path) as found:
            if found.topk_sha256 != digest:
                raise UserError(f"{path} is stale: it was made from another top-k file than {topk}; reconstruct again.")
            shown_channels(arguments.channels, found.channels_of_image)
            stem = f"{number}-{order.index(found.layer)}"
            facts = write_layer(folder / PICTURES, stem, found, arguments.channels, arguments.quantile)
            histogram = mined[found.layer].histogram
            facts["spread"] = spread(histogram if histogram is None else histogram[found.unit])
            layers.append(facts | {"stem": stem})
            classes = found.classes
            write_data(folder, f"layer-{stem}", facts)
            say(f"gallery: {name}, {found.layer}: {counted(len(found.unit), 'unit')}")
    layers.sort(key=lambda layer: order.index(layer["name"]))
    return {"name": name, "layers": layers, "classes": _names(classes)}


def _write_evolution(folder: Path, layers: list[dict[str, Any]], topk: TopK, arguments: argparse.Namespace) -> None:
    """Write the units that were followed through training, and say in each layer's facts which they are."""
    found = read_evolution(arguments.evolution)
    if found.model_sha256 != topk.model_sha256:
        raise UserError(f"{arguments.evolution} was made from other weights than {arguments.model}; run evolve again.")
    for layer in layers:
        if layer["name"] in found.layers:
            facts = write_epochs(
                folder / PICTURES, layer["stem"], found, layer["name"], arguments.channels, arguments.quantile
            )
            write_data(folder, f"epochs-{layer['stem']}", facts)
            layer["followed"] = [unit for unit in facts["unit"] if unit in layer["unit"]]


def _write_beside(folder: Path, topk: TopK, arguments: argparse.Namespace) -> dict[str, Any]:
    other = read_topk(arguments.beside_topk)
    facts = _write_run(folder, 1, arguments.beside, arguments.beside_topk, arguments.beside_reconstructions, arguments)
    same = other.manifest_sha256 == topk.manifest_sha256
    return facts | {"images": other.images, "metrics": _last(arguments.beside_metrics), "same_images": same}


def _summary(run: dict[str, Any]) -> dict[str, Any]:
    """What every view knows of a run, without the units' entries."""
    short = ("name", "stem", "channels", "dead")
    layers = [
        {key: layer[key] for key in short} | {"units": len(layer["unit"]), "followed": layer.get("followed", [])}
        for layer in run["layers"]
    ]
    return {"same_images": True} | run | {"layers": layers}


def _overview(runs: list[dict[str, Any]], model: Model, topk: TopK, arguments: argparse.Namespace) -> dict[str, Any]:
    rows = overview.read_metrics(arguments.metrics) if arguments.metrics else []
    return {
        "run": runs[0],
        "beside": arguments.beside,
        "spec": model.spec,
        "cards": overview.strip(model, runs[0]["layers"]),
        "k": topk.k,
        "images": topk.images,
        "epochs": len(rows),
        "plots": overview.plots(rows),
        "trained": overview.trained(rows),
        "report": overview.read_report(arguments.report) if arguments.report else None,
        "report_page": bool(arguments.report_page),
        "provenance": overview.provenance(topk, sha256_file(arguments.topk), arguments.topk),
        "config": json.dumps(json.loads(arguments.config), indent=2, sort_keys=True) if arguments.config else None,
    }


def _check(arguments: argparse.Namespace) -> None:
    if not 0 < arguments.quantile <= 1:
        raise UserError(f"--quantile is {arguments.quantile}; it has to be above 0 and at most 1.")
    if arguments.beside and not (arguments.beside_topk and arguments.beside_reconstructions):
        raise UserError("--beside names a run; it needs --beside-topk and --beside-reconstructions too.")
    if arguments.config:
        try:
            json.loads(arguments.config)
        except json.JSONDecodeError as error:
            raise UserError(f"--config is no JSON ({error}).") from error


def _last(metrics: str | None) -> dict[str, float]:
    """The last epoch's row; empty where nothing was measured."""
    rows = overview.read_metrics(metrics) if metrics else []
    return rows[-1] if rows else {}


def _names(classes: list[str]) -> list[str]:
    return [printable(name) for name in classes]
