"""What the page knows of a layer: its numbers, its units' entries, and the sheets that its pictures are in."""

import base64
import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zfpipe.data.channels import shown
from zfpipe.files.reconstruction import Reconstruction
from zfpipe.nets.selectivity import enough, selectivity
from zfpipe.pictures.pages import together
from zfpipe.pictures.prose import seen
from zfpipe.pictures.ranges import symmetric_scale, to_pixels
from zfpipe.site.pixels import encoded, look, smaller, smaller_projections, unit_cells
from zfpipe.site.sheets import Sheets, fitting

KINDS = ("projection", "patch")
TILE = 64  # side in pixels of a picture in the wall of tiles, where the receptive field is larger
LOSSLESS = 32  # receptive fields up to this side, in pixels, are seen enlarged: PNG, the others JPEG
PIXELS = (
    90_000_000  # of all large pictures of a layer, about 20 MB as JPEG: a dense layer's have to be smaller for that
)
ACROSS = 9  # pictures of a unit in one row of its sheet
PREVIEW, PREVIEWED = 56, 3  # side in pixels, and pictures in a row and column, of a layer's preview


def write_layer(
    folder: Path, stem: str, found: Reconstruction, channels: list[int] | None, quantile: float
) -> dict[str, Any]:
    """Write the sheets and the preview of a layer into `folder`; return its facts as plain values.

    `stem` begins the names of all its files. `channels` of the image are shown, `quantile` of a projection's pixels
    are within its scale.
    """
    cell = tuple(min(sides) for sides in zip(found.receptive_field, found.input_size, strict=True))
    sheets = _sheets(folder, stem, cell, found)
    looks, previewed, previews = [], _strongest(found), {}
    for position in range(len(found.unit)):
        both = unit_cells(found, position, channels, quantile)
        for (_, kind), sheet in sheets.items():
            shrink = smaller_projections if kind == KINDS[0] else smaller
            sheet.add(shrink(both[KINDS.index(kind)], sheet.cell))
        looks.append(look(both[0]))
        if position in previewed:
            previews[position] = both[0][:1]
    for sheet in sheets.values():
        sheet.flush()
    _write_preview(folder / f"{stem}-preview.jpg", [previews[position] for position in previewed])
    facts = _facts(found, cell)
    facts["look"] = base64.b64encode(np.array(looks, np.int8).tobytes()).decode()
    facts["sheets"] = {f"{size} {kind}": sheet.layout() for (size, kind), sheet in sheets.items()}
    facts["filters"] = _write_filters(folder, stem, found, channels)
    return facts


def significant(values: np.ndarray, digits: int = 6) -> list[Any]:
    """Return numbers (..., K) as nested lists, rounded to so many significant digits."""
    if values.ndim > 1:
        return [significant(row, digits) for row in values]
    return [float(f"{value:.{digits}g}") for value in values]


def _sheets(folder: Path, stem: str, cell: tuple[int, int], found: Reconstruction) -> dict[tuple[str, str], Sheets]:
    """Return the sheets of large pictures, and of tiles if these are smaller, for pictures of size `cell`."""
    k, across, square = found.k, min(found.k, ACROSS), math.ceil(math.sqrt(found.k))
    full = fitting(cell, 2 * k * len(found.unit), PIXELS)
    tile = fitting(full, 1, PIXELS, TILE)
    lossless = max(cell) <= LOSSLESS
    sheets = {
        ("full", kind): Sheets(folder, f"{stem}-{kind}", full, across, -(-k // across), lossless) for kind in KINDS
    }
    if tile != full:
        for kind in KINDS:
            sheets["tile", kind] = Sheets(folder, f"{stem}-tile-{kind}", tile, square, -(-k // square), lossless)
    return sheets


def _facts(found: Reconstruction, cell: tuple[int, int]) -> dict[str, Any]:
    geometry = {name: list(getattr(found, name)) for name in ("receptive_field", "jump", "start", "map_size")}
    columns = {name: getattr(found, name).tolist() for name in ("image_index", "row", "col", "label")}
    return {
        "name": found.layer,
        "channels": found.channels,
        "dead": found.dead,
        "sees": together(seen(found.receptive_field, found.input_size)),
        "k": found.k,
        "input_size": list(found.input_size),
        "crop": list(cell),
        **geometry,
        "unit": found.unit.tolist(),
        "count": found.present.sum(axis=1).tolist(),
        "activation": significant(found.activation),
        "selectivity": [_selectivity(found, labels) for labels in found.label],
        **columns,
    }


def _selectivity(found: Reconstruction, labels: np.ndarray) -> float | None:
    """The class selectivity of a unit; None for one of fewer images than were asked for, which tells nothing."""
    told = enough(int((labels >= 0).sum()), found.k, found.images)
    return selectivity(labels, len(found.classes)) if told else None


def _strongest(found: Reconstruction) -> list[int]:
    alive = np.flatnonzero(found.present[:, 0]) if found.k else np.array([], int)
    order = alive[np.argsort(-found.activation[alive, 0], kind="stable")]
    return order[: PREVIEWED**2].tolist()


def _write_preview(path: Path, cells: list[np.ndarray]) -> None:
    """Write a square of the strongest units' first projections, grey where the layer has fewer."""
    page = np.full((PREVIEWED * PREVIEW, PREVIEWED * PREVIEW, 3), 128, np.uint8)
    for number, cell in enumerate(cells):
        small = smaller_projections(cell, fitting(cell.shape[1:3], 1, PIXELS, PREVIEW))[0]
        by = max(1, PREVIEW // max(small.shape[:2]))
        large = np.kron(small, np.ones((by, by, 1), np.uint8))
        row, column = divmod(number, PREVIEWED)
        top = row * PREVIEW + (PREVIEW - large.shape[0]) // 2
        left = column * PREVIEW + (PREVIEW - large.shape[1]) // 2
        page[top : top + large.shape[0], left : left + large.shape[1]] = large
    path.write_bytes(encoded(Image.fromarray(page), lossless=False))


def _write_filters(folder: Path, stem: str, found: Reconstruction, channels: list[int] | None) -> dict[str, Any] | None:
    """Write the first layer's own filters, each by its own scale around mid-grey; None for other layers."""
    if found.filters is None:
        return None
    filters = shown(found.filters, channels)
    sheet = Sheets(folder, f"{stem}-filter", filters.shape[1:3], 1, 1, lossless=True)
    for each in filters:
        sheet.add(to_pixels(each, symmetric_scale(each, quantile=1))[None])
    sheet.flush()
    return sheet.layout()
