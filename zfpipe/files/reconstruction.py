"""The reconstruction file: the projections of a layer's units, each beside the image patch it came from."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from zfpipe.errors import UserError
from zfpipe.files import hdf5
from zfpipe.files.topk import COLUMNS, GEOMETRY, MISSING, LayerTopK, check_layer_name
from zfpipe.files.validate import array, attribute, naming_damage, opened, pair, require

DIGESTS = ("model_sha256", "manifest_sha256", "topk_sha256")
COUNTS = ("k", "channels", "dead", "images")


class ReconstructionWriter:
    """Takes one reconstruction at a time, so that memory does not grow with the layer."""

    def __init__(self, file: h5py.File, entries: LayerTopK, boxes: np.ndarray, input_size: tuple[int, int]):
        self._entries, self._boxes, self._input_size = entries, boxes, input_size
        self._done = np.zeros(entries.image_index.shape, bool)
        self._write = {name: hdf5.chunk_writer(file[name]) for name in ("projection", "patch")}

    def put(self, unit_position: int, rank: int, projection: np.ndarray, patch: np.ndarray, box: Sequence[int]) -> None:
        """Store a reconstruction. `unit_position` counts the units of this file, not of the layer.

        `projection` (h, w, C) float32, `patch` (h, w, C) uint8, `box` (4,) top, left, bottom, right in
        pixels.
        Raises ValueError for a missing entry, a second time, another box than the entry's position gives, or
        anything but 0 outside the image.
        """
        where = (unit_position, rank)
        if not self._entries.present[where] or self._done[where]:
            raise ValueError(f"unit {where[0]} rank {rank} is missing from the top-k, or was put before")
        if not np.array_equal(self._boxes[where], box):
            raise ValueError(f"unit {where[0]} rank {rank}: box {box}, where {self._boxes[where]} belongs")
        for beyond in _borders(box, self._input_size):
            if projection[beyond].any() or patch[beyond].any():
                raise ValueError(f"unit {where[0]} rank {rank} is not 0 outside the image")
        self._write["projection"](where, projection)
        self._write["patch"](where, patch)
        self._done[where] = True

    def finish(self) -> None:
        """Raise ValueError unless every entry of the top-k was put."""
        left = int((self._entries.present & ~self._done).sum())
        if left:
            raise ValueError(f"{left} reconstructions were never put")


@contextlib.contextmanager
def writing_reconstruction(
    path: str | Path,
    layer: LayerTopK,
    units: Sequence[int],
    input_size: tuple[int, int],
    label: np.ndarray | None = None,
    classes: Sequence[str] = (),
    filters: np.ndarray | None = None,
    channels: int = 3,
    **facts: Any,
) -> Iterator[ReconstructionWriter]:
    """Yield a writer; the file appears at `path` whole when the block ends well and every entry was put.

    `layer` holds all units of the layer, `units` says which are written, in this order. `label` (U, K) int32
    is the class of each image (MISSING: none), `filters` (U, h, w, C) float32 the first layer's own; C, the images'
    `channels`, is 3 for RGB. `facts`
    must hold `images` (count of the split) and the digests of what this is made from: `model_sha256`,
    `manifest_sha256`, `topk_sha256`; `collide` and more may be added. Missing entries are stored as 0, their boxes as
    MISSING.
    """
    check_layer_name(layer.name)
    chosen = np.asarray(units, np.int32)
    entries = select_units(layer, chosen)
    boxes = entries.boxes(input_size)
    counts = {"k": entries.row.shape[1], "channels": len(layer.row), "dead": int(layer.dead.sum())}
    geometry = {name: np.array(getattr(layer, name), np.int64) for name in GEOMETRY}
    absent = [name for name in ("images", *DIGESTS) if name not in facts]
    if absent:
        raise ValueError(f"facts lack {', '.join(absent)}")
    attributes = facts | counts | geometry | {"layer": layer.name, "classes": list(classes)}
    with hdf5.writing(path, "reconstruction", **attributes, input_size=np.array(input_size, np.int64)) as file:
        label = np.full(entries.row.shape, MISSING, np.int32) if label is None else label
        small = {"unit": chosen, "box": boxes, "label": label.astype(np.int32), "filters": filters}
        for name, values in (small | {name: getattr(entries, name) for name in COLUMNS}).items():
            if values is not None:
                hdf5.put(file, name, values)
        _allocate_pixels(file, entries.row.shape, layer.crop_size(input_size), channels)
        writer = ReconstructionWriter(file, entries, boxes, input_size)
        yield writer
        writer.finish()


@dataclass
class Reconstruction:
    """An open reconstruction file of U units, K entries each; `projection` and `patch` are read unit by unit.

    Small arrays as in LayerTopK, with rows for the units of this file alone: `unit` (U,) int32 is each row's
    number in the layer. `box` (U, K, 4) int32, `label` (U, K) int32, `filters` (U, h, w, C) float32 or None.
    `channels` and `dead` count the whole layer, `images` the whole split. `collide` is "add" or "overwrite": what
    was done where unpooled signals meet.
    """

    path: Path
    layer: str
    unit: np.ndarray
    k: int
    channels: int
    dead: int
    images: int
    activation: np.ndarray
    image_index: np.ndarray
    row: np.ndarray
    col: np.ndarray
    box: np.ndarray
    label: np.ndarray
    classes: list[str]
    filters: np.ndarray | None
    receptive_field: tuple[int, int]
    jump: tuple[int, int]
    start: tuple[int, int]
    map_size: tuple[int, int]
    input_size: tuple[int, int]
    model_sha256: str
    manifest_sha256: str
    topk_sha256: str
    collide: str
    file: h5py.File

    @property
    def present(self) -> np.ndarray:
        """(U, K) bool: which entries are there."""
        return self.image_index != MISSING

    @property
    def channels_of_image(self) -> int:
        """Channels of `projection` and `patch`: 3 is RGB, 1 grey."""
        return self.file["patch"].shape[-1]

    def projection(self, position: int) -> np.ndarray:
        """Return (K, h, w, C) float32: the projections of the unit in row `position`."""
        return self._rows("projection", position)

    def patch(self, position: int) -> np.ndarray:
        """Return (K, h, w, C) uint8: the image patches of the unit in row `position`."""
        return self._rows("patch", position)

    def _rows(self, name: str, position: int) -> np.ndarray:
        values = hdf5.get(self.file, name, position)
        require(bool(np.isfinite(values).all()), self.file, name, f"[{position}] is not finite")
        return values


@contextlib.contextmanager
def open_reconstruction(path: str | Path) -> Iterator[Reconstruction]:
    """Yield a reconstruction file, opened for reading.

    Raises UserError, naming file and key, if it is missing, damaged, of another kind or version, or
    inconsistent; damage to pixels is found when they are read.
    """
    with opened(path, "reconstruction") as file:
        with naming_damage(path):
            reconstruction = _read(file)
            _check(reconstruction)
        yield reconstruction


def inside_image(box: Sequence[int], input_size: tuple[int, int]) -> np.ndarray:
    """Return (h, w) bool: which pixels of a box lie in the image of `input_size` (height, width)."""
    top, left, bottom, right = (int(edge) for edge in box)
    rows, columns = np.arange(top, bottom), np.arange(left, right)
    return ((rows >= 0) & (rows < input_size[0]))[:, None] & ((columns >= 0) & (columns < input_size[1]))


def _borders(box: Sequence[int], input_size: tuple[int, int]) -> Iterator[tuple[slice, ...]]:
    """Yield the parts of a box that lie beyond each side of the image that it passes."""
    for axis in (0, 1):
        first, last = box[axis], box[axis + 2]
        if first < 0:
            yield (slice(None),) * axis + (slice(0, -first),)
        if last > input_size[axis]:
            yield (slice(None),) * axis + (slice(max(0, input_size[axis] - first), None),)


def select_units(layer: LayerTopK, units: np.ndarray) -> LayerTopK:
    """Return a LayerTopK of the rows `units` alone. Raises UserError for a unit the layer does not have."""
    wrong = [int(unit) for unit in units if not 0 <= unit < len(layer.row)]
    if wrong:
        raise UserError(f"{layer.name} has no unit {wrong[0]}; its units are 0 to {len(layer.row) - 1}.")
    columns = {name: getattr(layer, name)[units] for name in COLUMNS}
    return LayerTopK(layer.name, **columns, **{name: getattr(layer, name) for name in GEOMETRY})


def _allocate_pixels(file: h5py.File, shape: tuple[int, int], crop: tuple[int, int], channels: int) -> None:
    full, chunk = (*shape, *crop, channels), (1, 1, *crop, channels)
    hdf5.allocate(file, "projection", full, np.float32, chunk)
    hdf5.allocate(file, "patch", full, np.uint8, chunk)


def _read(file: h5py.File) -> Reconstruction:
    counts = {name: int(attribute(file, name)) for name in COUNTS}
    unit = np.asarray(hdf5.get(file, "unit"))
    shape = (len(unit), counts["k"])
    attribute(file, "classes")
    return Reconstruction(
        path=Path(file.filename),
        file=file,
        layer=str(attribute(file, "layer")),
        unit=array(file, "unit", np.int32, shape[:1]),
        **counts,
        **{name: array(file, name, dtype, shape) for name, dtype in COLUMNS.items()},
        box=array(file, "box", np.int32, (*shape, 4)),
        label=array(file, "label", np.int32, shape),
        classes=hdf5.names(file, "classes"),
        filters=np.asarray(hdf5.get(file, "filters")) if "filters" in file else None,
        **{name: pair(file, name) for name in (*GEOMETRY, "input_size")},
        **{name: str(attribute(file, name)) for name in DIGESTS},
        collide=str(hdf5.text(file.attrs.get("collide", "add"))),
    )


def _check(found: Reconstruction) -> None:
    """Refuse a file whose parts do not agree: boxes that are not the entries', pixels of another size."""
    file = found.file
    columns = {name: getattr(found, name) for name in COLUMNS}
    entries = LayerTopK(found.layer, **columns, **{name: getattr(found, name) for name in GEOMETRY})
    crop = entries.crop_size(found.input_size)
    units = len(found.unit)
    unit_good = len(np.unique(found.unit)) == units and ((found.unit >= 0) & (found.unit < found.channels)).all()
    require(bool(unit_good), file, "unit", f"is not a set of units of a layer of {found.channels}")
    agree = np.array_equal(found.box, entries.boxes(found.input_size))
    require(agree, file, "box", "does not follow from row, col and the receptive field")
    require(bool((found.label < max(len(found.classes), 1)).all()), file, "label", "is not one of the classes")
    colours = file["patch"].shape[-1] if "patch" in file and file["patch"].ndim == 5 else 3
    if found.filters is not None:
        good = found.filters.ndim == 4 and found.filters.shape[::3] == (units, colours)
        said = f"has shape {found.filters.shape}, not one filter of {colours} channels for each unit"
        require(good, file, "filters", said)
    for name, dtype in (("projection", np.float32), ("patch", np.uint8)):
        require(name in file, file, name, "is missing")
        right = file[name].shape == (units, found.k, *crop, colours) and file[name].dtype == dtype
        require(
            right,
            file,
            name,
            f"is {file[name].dtype} {file[name].shape}, not {units} units of {found.k} {crop}",
        )
