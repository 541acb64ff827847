"""Set the first-layer filters of several runs side by side, and count what the paper shows (section 4.1, figure 6).

The paper looks at AlexNet's first layer (11 x 11, stride 4) and its own (7 x 7, stride 2), without and with
renormalisation, and at the second layers' projections, and sees that a few filters dominate, that some are dead, and
that the large stride leaves aliasing. It gives no numbers; these are chosen here. Of a filter, RMS. Dominated:
filters whose RMS is below a tenth of the strongest one's; beside it, the share of all energy that the strongest tenth
of the filters holds. At the radius: filters whose RMS is that of renormalisation, within a hundredth (weight decay
takes off a little). Dead: units that no image of the validation set excites. Aliased: the share of a filter's energy
at frequencies beyond the Nyquist frequency of the first layer's stride, above 1 / (2 stride) along an axis, which the
layer's map shows as others; of the second layer, the same of each projection (the mean over a unit's strongest
patches), at the first layer's stride too. Noise has 1 - 1 / stride^2.
"""

import argparse
from dataclasses import astuple
from pathlib import Path

import numpy as np

from zfpipe.data.batches import seed_for
from zfpipe.data.channels import shown
from zfpipe.data.sizes import size_name
from zfpipe.errors import UserError
from zfpipe.files.csv_text import cells, csv_text
from zfpipe.files.reconstruction import Reconstruction, inside_image, open_reconstruction
from zfpipe.files.topk import TopK, read_topk, require_weights
from zfpipe.files.whole import write_text
from zfpipe.nets.aliasing import share_beyond
from zfpipe.nets.filters import Bank, banks, strengths
from zfpipe.nets.layers import Layer
from zfpipe.nets.models import load_model
from zfpipe.pictures.filter_rows import FilterRow, Projection, draw_filter_rows
from zfpipe.pictures.ranges import unit_pixels
from zfpipe.progress import counted, say

RMS = ("rms_least", "rms_median", "rms_largest")
SHARES = ("at_radius", "few_hold", "dominated")
ALIASED = ("aliased_least", "aliased_median", "aliased_largest")
COLUMNS = ("run", "layer", "filters", "size", "stride", *RMS, *SHARES, "dead", *ALIASED, "aliased_noise")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `zfpipe filters`."""
    add = parser.add_argument
    add("--model", nargs="+", required=True, metavar="PT", help="model files of the stage train")
    add("--topk", nargs="+", required=True, metavar="H5", help="top-k file of each: its dead units")
    add("--name", nargs="+", required=True, metavar="RUN", help="what table and figure call them")
    add("--reconstruction", nargs="+", metavar="H5", help="each one's second layer, - for none (default: none)")
    add("--radius", nargs="+", type=float, metavar="RMS", help="each one's train.filter_radius, 0 for none (default)")
    add("--count", type=int, default=24, help="second-layer units drawn, chosen at random among those that are alive")
    add("--seed", type=int, default=0, help="of that choice")
    add("--dpi", type=int, default=150, help="of the figure, in pixels an inch")
    add("--out-csv", type=Path, required=True, help="a row a run and layer")
    add("--out-png", type=Path, required=True, help="the figure, a row a run")


def run(arguments: argparse.Namespace) -> None:
    """Write table and figure. Raises UserError for files that do not belong together."""
    count = len(arguments.model)
    arguments.reconstruction = arguments.reconstruction or ["-"] * count
    arguments.radius = arguments.radius or [0.0] * count
    _check(arguments, count)
    asked = (getattr(arguments, key) for key in ("name", "model", "topk", "reconstruction", "radius"))
    table, pictures = [], []
    for each in zip(*asked, strict=True):
        rows, picture = of_run(*each, arguments.count, arguments.seed)
        table += rows
        pictures.append(picture)
    write_text(arguments.out_csv, csv_text([COLUMNS, *(cells(row, COLUMNS) for row in table)]))
    draw_filter_rows(arguments.out_png, pictures, arguments.dpi)
    say(f"filters: {counted(count, 'run')}; {arguments.out_csv}")


def of_run(
    name: str, model_path: str, topk_path: str, reconstruction: str, radius: float, count: int, seed: int
) -> tuple[list[dict], FilterRow]:
    """Return a run's rows of the table, and of the figure."""
    model, topk = load_model(model_path), read_topk(topk_path)
    digest = model.sha256()
    require_weights(topk, topk_path, digest, model_path)
    first, second, bank = banks(model, model_path)
    rows = [{"run": name} | _of_layer(first.layer, first, topk, radius)]
    rows[0] |= _aliased(share_beyond(first.filters, first.stride), first)
    projections = []
    if second:
        rows.append({"run": name} | _of_layer(second, bank, topk, radius))
    if reconstruction != "-":
        with open_reconstruction(reconstruction) as found:
            if found.model_sha256 != digest:
                raise UserError(
                    f"{reconstruction} was made from other weights than {model_path}; run reconstruct again."
                )
            _require_second(found, second, reconstruction)
            rows[1] |= _aliased(_of_projections(found, first.stride), first)
            projections = [_strongest(found, row) for row in some_rows(found, count, seed)]
    words = [_say(row, radius) for row in rows] + ["no second layer"]
    if second and not projections:
        words[1] += "; no projections: the run does not list the layer"
    return rows, FilterRow(name, shown(first.filters), words[0], projections, words[1])


def some_rows(found: Reconstruction, count: int, seed: int) -> list[int]:
    """Return the rows of up to `count` units that are not dead, chosen by `seed`, in the order of their numbers."""
    alive = np.flatnonzero(found.present.any(axis=1)).tolist()
    chosen = sorted(alive, key=lambda row: seed_for(seed, found.layer, int(found.unit[row])))[:count]
    return sorted(chosen, key=lambda row: found.unit[row])


def _of_layer(layer: Layer, bank: Bank | None, topk: TopK, radius: float) -> dict:
    row = {"layer": layer.name, "filters": layer.channels}
    if layer.name in topk.layers:
        row["dead"] = int(topk.layers[layer.name].dead.sum())
    if bank is None:
        return row
    strength = dict(zip((*RMS, *SHARES), astuple(strengths(bank.filters, radius)), strict=True))
    return row | {"size": size_name(bank.filters.shape[1:3]), "stride": size_name(bank.stride)} | strength


def _of_projections(found: Reconstruction, stride: tuple[int, int]) -> np.ndarray:
    """Return (units,) each living unit's mean share of its projections beyond a stride's Nyquist frequency."""
    shares = []
    for row in np.flatnonzero(found.present.any(axis=1)):
        projections = found.projection(row)[found.present[row]]
        shares.append(share_beyond(projections[np.any(projections, axis=(1, 2, 3))], stride))
    return np.array([share.mean() for share in shares if len(share)])


def _aliased(shares: np.ndarray, first: Bank) -> dict:
    noise = {"aliased_noise": 1 - 1 / (first.stride[0] * first.stride[1])}
    shares = shares[np.isfinite(shares)]
    if len(shares) == 0:
        return noise
    return noise | dict(zip(ALIASED, (shares.min(), np.median(shares), shares.max()), strict=True))


def _strongest(found: Reconstruction, row: int) -> Projection:
    """Return the projection of a unit's strongest activation as pixels."""
    box, projection = found.box[row][0], shown(found.projection(row)[:1])
    return Projection(unit_pixels(projection, inside_image(box, found.input_size)[None])[0], box, found.input_size)


def _say(row: dict, radius: float) -> str:
    parts = [f"{row['layer']}: {row['filters']} filters"]
    if "size" in row:
        parts[0] += f", {row['size']} px, stride {row['stride']}"
        parts.append(f"RMS {row['rms_least']:.3g} to {row['rms_largest']:.3g}, median {row['rms_median']:.3g}")
        parts.append(f"{row['at_radius']:.0%} at the radius {radius:g}" if radius else "no renormalisation")
        parts.append(f"the strongest tenth holds {row['few_hold']:.0%}, {row['dominated']:.0%} dominated")
    parts.append(f"{row['dead']} dead" if "dead" in row else "dead units not counted")
    if "aliased_median" in row:
        parts.append(f"aliased {row['aliased_median']:.0%} (noise {row['aliased_noise']:.0%})")
    return "; ".join(parts)


def _check(arguments: argparse.Namespace, count: int) -> None:
    for option in ("topk", "name", "reconstruction", "radius"):
        given = len(getattr(arguments, option))
        if given != count:
            raise UserError(f"--{option} has {given} entries for {count} models; give one for each.")
    for option, least in (("count", 1), ("dpi", 30)):
        if getattr(arguments, option) < least:
            raise UserError(f"--{option} is {getattr(arguments, option)}; it must be at least {least}.")
    if not all(0 <= radius < np.inf for radius in arguments.radius):
        raise UserError(f"--radius is {arguments.radius}; a radius is above 0, and 0 stands for none.")


def _require_second(found: Reconstruction, second: Layer | None, path: str) -> None:
    if second is None or found.layer != second.name:
        right = f"the second layer, {second.name!r}" if second else "none, for the network has one layer"
        raise UserError(f"{path} is of the layer {found.layer!r}; it has to be of {right}.")
