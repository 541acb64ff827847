"""Units through training: what the page knows of them, and the sheets that their pictures are in."""

from pathlib import Path
from typing import Any

from zfpipe.files.evolution import Evolution
from zfpipe.pictures.filmstrips import strip_of
from zfpipe.site.layers import LOSSLESS, PIXELS, significant
from zfpipe.site.pixels import smaller, smaller_projections
from zfpipe.site.sheets import Sheets, fitting


def write_epochs(
    folder: Path, stem: str, found: Evolution, name: str, channels: list[int] | None, quantile: float
) -> dict[str, Any]:
    """Write the sheets of a layer's followed units into `folder`; return what the page needs, as plain values.

    An epoch takes the place that a rank has in a layer's own facts. `channels` of the image are shown, `quantile` of a
    projection's pixels are within its scale. Of a missing entry (activation 0) the cell is grey.
    """
    layer, count = found.layers[name], len(found.epochs)
    crop = layer.entries.crop_size(found.input_size)
    cell = fitting(crop, 2 * count * len(layer.unit), PIXELS)
    lossless = max(crop) <= LOSSLESS
    sheets = {
        kind: Sheets(folder, f"{stem}-epochs-{kind}", cell, count, 1, lossless) for kind in ("projection", "patch")
    }
    for row in range(len(layer.unit)):
        pictures = strip_of(layer, row, found.input_size, channels, quantile).pictures
        sheets["projection"].add(smaller_projections(pictures.reconstructions, cell))
        sheets["patch"].add(smaller(pictures.patches, cell))
    for sheet in sheets.values():
        sheet.flush()
    return {
        "epochs": found.epochs,
        "images": found.looked_at,
        "unit": layer.unit.tolist(),
        "activation": significant(layer.entries.activation),
        "changed": layer.changed.tolist(),
        "label": layer.label.tolist(),
        "row": layer.entries.row.tolist(),
        "col": layer.entries.col.tolist(),
        "jump": list(layer.entries.jump),
        "start": list(layer.entries.start),
        "crop": list(crop),
        "input_size": list(found.input_size),
        "sheets": {f"full {kind}": sheet.layout() for kind, sheet in sheets.items()},
    }
