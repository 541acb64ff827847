"""Draw a layer as in the paper's figure 2: for each unit, the reconstructions of its strongest activations beside the
image patches that caused them, zero as mid-grey. The same reconstruction file gives the same bytes each time."""

import argparse
import contextlib
import dataclasses
from collections.abc import Sequence

import numpy as np

from zfpipe.data.channels import say_channels, shown, shown_channels
from zfpipe.data.lots import lot
from zfpipe.errors import UserError, require_one_of
from zfpipe.files.digest import sha256_file
from zfpipe.files.reconstruction import Reconstruction, inside_image, open_reconstruction
from zfpipe.files.topk import FINE, read_topk
from zfpipe.pictures.crops import HATCHED
from zfpipe.pictures.filters import Filters
from zfpipe.pictures.grids import UnitPictures, grid_page
from zfpipe.pictures.prose import Text, seen
from zfpipe.pictures.ranges import QUANTILE, SCALES, say_scale, unit_pixels
from zfpipe.pictures.saving import save_page
from zfpipe.progress import counted, say

SELECTIONS = ("random", "strongest", "list")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `zfpipe figure`."""
    add = parser.add_argument
    add("--reconstruction", required=True, help="the layer's reconstruction file (HDF5), made by zfpipe reconstruct")
    add("--topk", help="the top-k file; with it, a reconstruction made from another one is refused as stale")
    add("--out-png", help="where to write the PNG")
    add("--out-pdf", help="where to write the PDF: every pixel of the input is in it, and text stays text")
    add("--count", type=int, default=16, help="number of units to show; all of them where there are fewer")
    add(
        "--select",
        metavar="|".join(SELECTIONS),
        help="which units: `random` ones or the `strongest`, both without dead units, or a `list` (default: random, "
        "or list where --units is given)",
    )
    add("--units", type=int, nargs="+", help="unit numbers, from 0, drawn in this order; implies --select list")
    add("--seed", type=int, default=0, help="of the random choice; a larger count with one seed keeps the same units")
    add("--scale", default="patch", help="strength of grey to colour: per `patch`, or one per `unit`")
    add(
        "--quantile",
        type=float,
        default=QUANTILE,
        help="of |projection| that is drawn at full strength, above 0 and at most 1 (the maximum)",
    )
    add(
        "--channels",
        type=int,
        nargs="+",
        metavar="C",
        help="image channels, from 0, shown as red, green and blue; one: grey (default: the first three)",
    )
    add("--dpi", type=int, default=150, help="of the PNG, in pixels an inch")
    add("--beside", metavar="H5", help="reconstruction file of another run, whose same units are set beside these")
    add("--beside-title", help="the other run's name")
    add("--title", help="words before the layer's name, such as the run's name (default: none)")


def run(arguments: argparse.Namespace) -> None:
    """Draw the figure. Raises UserError for a bad option, or a file that is damaged, of another kind, or stale."""
    _check(arguments)
    with contextlib.ExitStack() as files:
        found = files.enter_context(open_reconstruction(arguments.reconstruction))
        if arguments.topk:
            _refuse_stale(found, arguments.topk)
        other = files.enter_context(open_reconstruction(arguments.beside)) if arguments.beside else None
        shown_channels(arguments.channels, found.channels_of_image)
        positions = choose(found, arguments)
        units = [unit_pictures(found, position, arguments) for position in positions]
        if other:
            units = with_beside(units, found, other, arguments)
        filters = (
            None if found.filters is None or other else Filters(found.unit, shown(found.filters, arguments.channels))
        )
        text = describe(found, units, arguments, other)
        for kind, path in (("png", arguments.out_png), ("pdf", arguments.out_pdf)):
            if path:
                group = 2 if other else 1
                page = grid_page(kind, units, found.input_size, text, filters, arguments.dpi, group)
                save_page(path, page, kind)
    say(f"{found.layer}: {text.details}")


def choose(found: Reconstruction, arguments: argparse.Namespace) -> list[int]:
    """Return the rows of the file that hold the chosen units, in the order they are drawn.

    Dead units are drawn only where they are listed, or where the layer has no others.
    """
    if arguments.units:
        return _listed(found, arguments.units)
    alive = np.flatnonzero(found.present.any(axis=1)).tolist()
    if not alive:
        return list(range(min(arguments.count, len(found.unit))))
    if arguments.select == "strongest":
        alive.sort(key=lambda row: (-found.activation[row, 0], found.unit[row]))
        return alive[: arguments.count]
    alive.sort(key=lambda row: lot(arguments.seed, int(found.unit[row])))
    return sorted(alive[: arguments.count], key=lambda row: found.unit[row])


def unit_pictures(found: Reconstruction, position: int, arguments: argparse.Namespace) -> UnitPictures:
    """Return what is drawn of the unit in row `position`, its projections as pixels around mid-grey."""
    projections, boxes = shown(found.projection(position), arguments.channels), found.box[position]
    inside = np.zeros(projections.shape[:3], bool)
    for rank in np.flatnonzero(found.present[position]):
        inside[rank] = inside_image(boxes[rank], found.input_size)
    pixels = unit_pixels(projections, inside, arguments.scale, arguments.quantile)
    return UnitPictures(
        int(found.unit[position]),
        found.activation[position],
        boxes,
        pixels,
        shown(found.patch(position), arguments.channels),
    )


def with_beside(
    units: list[UnitPictures], found: Reconstruction, other: Reconstruction, arguments: argparse.Namespace
) -> list[UnitPictures]:
    """Return each unit followed by the same unit of the other run. Raises UserError if that has no such unit."""
    for name in ("layer", "channels", "k", "receptive_field", "input_size", "channels_of_image"):
        mine, theirs = getattr(found, name), getattr(other, name)
        if mine != theirs:
            raise UserError(
                f"{other.path} cannot be set beside {found.path}: its {name.replace('_', ' ')} is {theirs}, not "
                f"{mine}; both runs need the same network, layer and mine.k."
            )
    rows = {int(unit): row for row, unit in enumerate(other.unit)}
    names = arguments.title or "this run", arguments.beside_title or "the other run"
    both = []
    for unit in units:
        if unit.unit not in rows:
            raise UserError(
                f"{other.path} cannot be set beside {found.path}: it lacks unit {unit.unit}; reconstruct the same "
                "units in both runs."
            )
        pair = unit, unit_pictures(other, rows[unit.unit], arguments)
        both += [dataclasses.replace(each, of=name) for each, name in zip(pair, names, strict=True)]
    return both


def describe(
    found: Reconstruction,
    units: Sequence[UnitPictures],
    arguments: argparse.Namespace,
    other: Reconstruction | None = None,
) -> Text:
    """Return the figure's title, the facts beneath it, and the small print, of the units as they are drawn."""
    dead = counted(found.dead, "dead unit")
    if other:
        dead += f", {other.dead} of {arguments.beside_title or 'the other run'}"
    facts = [
        f"a unit sees {seen(found.receptive_field, found.input_size)}",
        f"map {_by(found.map_size)}",
        _units(found, len(units) // (2 if other else 1), arguments),
        f"top {min(found.k, found.images)} of {found.images} images",
        dead,
    ]
    notes = (
        "Left of each pair: reconstructions, strongest first; right: the image patches they come from; above: "
        "the strongest and weakest activation shown. "
        f"{say_scale(arguments.scale, arguments.quantile)}"
    )
    if any(unit.hatched(found.input_size) for unit in units):
        notes += f" {HATCHED}"
    if found.channels_of_image not in (1, 3) or arguments.channels:
        notes += f" {say_channels(arguments.channels, found.channels_of_image)}"
    if other:
        notes += " Each unit stands beside the unit of the same number of the other run."
    if not all(unit.present.all() for unit in units):
        notes += " Empty: fewer images than that excite the unit."
    if arguments.topk and (precision := read_topk(arguments.topk).precision) != FINE:
        notes += f" Mined in {precision}, coarser than {FINE}: which images are the strongest can differ a little."
    if found.collide != "add":
        notes += " Where unpooled signals met, the last one was kept."
    title = " \N{MIDDLE DOT} ".join(filter(None, [arguments.title, found.layer]))
    if other:
        title += f", beside {arguments.beside_title or 'another run'}"
    return Text(title, " \N{MIDDLE DOT} ".join(facts), notes)


def _units(found: Reconstruction, shown: int, arguments: argparse.Namespace) -> str:
    """Say which units are drawn: how they were chosen only where some were left out."""
    alive, held = found.channels - found.dead, int(found.present.any(axis=1).sum())
    order = ", the strongest first" if arguments.select == "strongest" else ""
    if shown == found.channels:
        return f"all {shown} units{order}"
    if arguments.select == "list":
        return f"{shown} of {found.channels} units (listed)"
    if not held:
        return f"{shown} of {found.channels} units (no other is alive)"
    if shown == alive:
        return f"all {shown} units that are not dead, of {found.channels}{order}"
    if shown == held:
        return f"{shown} of {found.channels} units (all that were reconstructed and are not dead){order}"
    how = "the strongest" if order else f"random, seed {arguments.seed}"
    return f"{shown} of {found.channels} units ({how})"


def _check(arguments: argparse.Namespace) -> None:
    if not (arguments.out_png or arguments.out_pdf):
        raise UserError("There is nothing to write: give --out-png, --out-pdf, or both.")
    arguments.select = arguments.select or ("list" if arguments.units else "random")
    require_one_of("--select", arguments.select, SELECTIONS)
    require_one_of("--scale", arguments.scale, SCALES)
    if (arguments.select == "list") != bool(arguments.units):
        raise UserError(f"--select {arguments.select} and --units {arguments.units or 'without numbers'} do not agree.")
    for name, good, right in (
        ("count", arguments.count >= 1, "at least 1 unit"),
        ("quantile", 0 < arguments.quantile <= 1, "above 0 and at most 1"),
        ("dpi", 30 <= arguments.dpi <= 1200, "from 30 to 1200 pixels an inch"),
    ):
        if not good:
            raise UserError(f"--{name} is {getattr(arguments, name)}; it has to be {right}.")


def _refuse_stale(found: Reconstruction, topk: str) -> None:
    if sha256_file(topk) != found.topk_sha256:
        raise UserError(
            f"{found.path} is stale: it was made from another top-k file than {topk}; run reconstruct again."
        )


def _listed(found: Reconstruction, units: list[int]) -> list[int]:
    rows = {int(unit): row for row, unit in enumerate(found.unit)}
    for unit in units:
        if unit not in rows:
            raise UserError(f"--units: {found.layer} has no unit {unit} in {found.path}, which holds {_span(rows)}.")
        if units.count(unit) > 1:
            raise UserError(f"--units: unit {unit} is listed {units.count(unit)} times; once is right.")
    return [rows[unit] for unit in units]


def _span(rows: dict[int, int]) -> str:
    units = sorted(rows)
    if units == list(range(units[0], units[-1] + 1)):
        return f"units {units[0]} to {units[-1]}"
    return f"units {', '.join(map(str, units[:20]))}{' ...' if len(units) > 20 else ''}"


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} \N{MULTIPLICATION SIGN} {size[1]}"
