"""The top-k file: the strongest activations of every unit of every layer, over a split or one shard of it."""

from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from zfpipe.errors import UserError
from zfpipe.files import hdf5
from zfpipe.files.histogram import BINS, bins_of
from zfpipe.files.validate import array, attribute, naming_damage, opened, pair

MISSING = -1
FINE, *COARSE = PRECISIONS = ("float32", "tf32", "bf16")
COLUMNS = {"activation": np.float32, "image_index": np.int64, "row": np.int32, "col": np.int32}
DIGESTS = ("model_sha256", "manifest_sha256")
GEOMETRY = ("receptive_field", "jump", "start", "map_size")


@dataclass
class LayerTopK:
    """The K strongest activations of each of the C units of a layer, strongest first, one entry an image.

    `activation` (C, K) float32; `image_index` (C, K) int64 is a row of the manifest; `row`, `col` (C, K)
    int32 are a place in the map. A missing entry (dead unit, or fewer than K images that excite the unit) is
    activation 0 and MISSING (-1) in the other three; missing entries come last. `histogram` (C, BINS) uint32
    counts how strongly each image that was looked at excites each unit (files/histogram.py); None in a file that
    an older zfpipe made. Geometry, as (down, across)
    in pixels of the network's input: `receptive_field` is its size, `jump` the step from one unit to the
    next, `start` the top left corner of the receptive field of the unit at (0, 0), which may be negative;
    `map_size` is in units.
    """

    name: str
    activation: np.ndarray
    image_index: np.ndarray
    row: np.ndarray
    col: np.ndarray
    receptive_field: tuple[int, int]
    jump: tuple[int, int]
    start: tuple[int, int]
    map_size: tuple[int, int]
    histogram: np.ndarray | None = None

    @property
    def present(self) -> np.ndarray:
        """(C, K) bool: which entries are there."""
        return self.image_index != MISSING

    @property
    def dead(self) -> np.ndarray:
        """(C,) bool: units that no image excites."""
        return ~self.present.any(axis=1)

    def crop_size(self, input_size: tuple[int, int]) -> tuple[int, int]:
        """Return a patch's size in pixels: the receptive field, or the image along an axis it covers."""
        down, across = (min(field, side) for field, side in zip(self.receptive_field, input_size, strict=True))
        return down, across

    def boxes(self, input_size: tuple[int, int]) -> np.ndarray:
        """Return (C, K, 4) int32: top, left, bottom, right in pixels of each entry's patch.

        A box may reach past the border; on an axis where the receptive field covers the image it is the
        image; a missing entry has MISSING four times.
        """
        crop = self.crop_size(input_size)
        corner = np.zeros((*self.row.shape, 2), np.int32)
        for axis, place in enumerate((self.row, self.col)):
            if crop[axis] < input_size[axis]:
                corner[..., axis] = self.start[axis] + place * self.jump[axis]
        boxes = np.concatenate([corner, corner + np.array(crop, np.int32)], axis=-1)
        boxes[~self.present] = MISSING
        return boxes


@dataclass
class TopK:
    """All layers of a top-k file, in network order, and what they were made from.

    `images` counts the whole split; [first, last) is the range of image_index that was looked at.
    `input_size` is (height, width) in pixels; `precision` that of the passes: float32, tf32 or bf16.
    """

    k: int
    model_sha256: str
    manifest_sha256: str
    images: int
    first: int
    last: int
    input_size: tuple[int, int]
    layers: dict[str, LayerTopK] = field(default_factory=dict)
    precision: str = FINE


def write_topk(path: str | Path, topk: TopK) -> None:
    """Write a top-k file whole. Raises ValueError if `topk` is not what a reader would accept."""
    _must(_wrong_range(topk), "topk")
    for layer in topk.layers.values():
        check_layer_name(layer.name)
        _must(wrong_layer(layer, topk), layer.name)
    facts = {name: value for name, value in vars(topk).items() if name != "layers"}
    if topk.precision == FINE:
        del facts["precision"]  # said where it is another, so that files of before there was a choice stay as they are
    with hdf5.writing(path, "topk", layers=list(topk.layers), **facts) as file:
        groups = file.create_group("layers")
        for name, layer in topk.layers.items():
            _put_layer(groups.create_group(name), layer)


def read_topk(path: str | Path) -> TopK:
    """Read a top-k file.

    Raises UserError, naming file and key, if it is missing, damaged, of another kind or version, or
    inconsistent.
    """
    with opened(path, "topk") as file, naming_damage(path):
        facts = {name: attribute(file, name) for name in ("k", "images", "first", "last")}
        digests = {name: str(attribute(file, name)) for name in DIGESTS}
        topk = TopK(**{k: int(v) for k, v in facts.items()}, **digests, input_size=pair(file, "input_size"))
        topk.precision = str(hdf5.text(file.attrs.get("precision", FINE)))
        _refuse(path, "/", _wrong_range(topk))
        attribute(file, "layers")
        for name in hdf5.names(file, "layers"):
            topk.layers[name] = _read_layer(file, name, topk)
    return topk


def require_weights(topk: TopK, path: str | Path, model_sha256: str, model: str | Path) -> None:
    """Raise UserError unless the top-k file at `path` was mined with the weights of `model`."""
    if topk.model_sha256 != model_sha256:
        raise UserError(f"{path} was made from other weights than {model}; mine again.")


def require_images(topk: TopK, path: str | Path, manifest_sha256: str, images: str | Path) -> None:
    """Raise UserError unless the top-k file at `path` was mined over the packed split `images`."""
    if topk.manifest_sha256 != manifest_sha256:
        raise UserError(f"{path} was mined over other images than {images}; mine again.")


def check_layer_name(name: str) -> None:
    """Raise UserError for a name that cannot stand in a file: it names a group and a picture."""
    if not name or "/" in name or name.strip(".") == "":
        raise UserError(f"A layer is named {name!r}; a layer's name holds no slash, and more than dots.")


def wrong_layer(layer: LayerTopK, topk: TopK) -> str | None:
    """Return what makes a layer's entries impossible, or None. The rules: docs/file-formats.md."""
    shape = layer.activation.shape
    for name, dtype in COLUMNS.items():
        values = getattr(layer, name)
        if values.dtype != dtype or values.shape != shape or len(shape) != 2 or shape[1] != topk.k:
            return f"{name} is {values.dtype} {values.shape}, not {np.dtype(dtype)} (units, {topk.k})"
    if not np.isfinite(layer.activation).all():
        return "activation is not finite"
    return _wrong_entries(layer, topk) or (None if layer.histogram is None else _wrong_histogram(layer, topk))


def _wrong_histogram(layer: LayerTopK, topk: TopK) -> str | None:
    counts, shape = layer.histogram, (len(layer.row), BINS)
    if counts.dtype != np.uint32 or counts.shape != shape:
        return f"histogram is {counts.dtype} {counts.shape}, not uint32 {shape}"
    if (counts.sum(axis=1) != topk.last - topk.first).any():
        return f"histogram does not count each of {topk.last - topk.first} images once for every unit"
    strongest = BINS - 1 - np.argmax(counts[:, ::-1] > 0, axis=1)
    if (bins_of(layer.activation[:, 0]) != strongest).any():
        return "histogram does not end where the strongest activation stands"
    return None


def _wrong_entries(layer: LayerTopK, topk: TopK) -> str | None:
    there, activation, index = layer.present, layer.activation, layer.image_index
    inside = (index >= topk.first) & (index < topk.last)
    checks = {
        "activation is not 0 where the entry is missing": activation[~there] == 0,
        "activation is not above 0 where the entry is there": activation[there] > 0,
        f"image_index leaves [{topk.first}, {topk.last})": inside[there],
        "image_index is missing before one that is there": there[:, :-1] | ~there[:, 1:],
        "activation does not descend": activation[:, :-1] >= activation[:, 1:],
        "image_index does not ascend among equal activations": _ties_ascend(layer),
        "image_index names an image twice": _each_once(layer),
    }
    for axis, name in enumerate(("row", "col")):
        place = getattr(layer, name)
        checks[f"{name} is not {MISSING} where the entry is missing"] = place[~there] == MISSING
        checks[f"{name} leaves the map of {layer.map_size[axis]}"] = (place >= 0)[there] & (
            place < layer.map_size[axis]
        )[there]
    return next((complaint for complaint, good in checks.items() if not np.all(good)), None)


def _ties_ascend(layer: LayerTopK) -> np.ndarray:
    tied = (layer.activation[:, :-1] == layer.activation[:, 1:]) & layer.present[:, 1:]
    return ~tied | (layer.image_index[:, :-1] < layer.image_index[:, 1:])


def _each_once(layer: LayerTopK) -> np.ndarray:
    ordered = np.sort(layer.image_index, axis=1)
    return (ordered[:, :-1] != ordered[:, 1:]) | (ordered[:, 1:] == MISSING)


def _wrong_range(topk: TopK) -> str | None:
    if topk.precision not in PRECISIONS:
        return f"precision is {topk.precision!r}, not one of {', '.join(PRECISIONS)}"
    if topk.k < 1:
        return f"k is {topk.k}, not at least 1"
    if not 0 <= topk.first <= topk.last <= topk.images:
        return f"first, last is [{topk.first}, {topk.last}), not a part of {topk.images} images"
    return None


def _put_layer(group: h5py.Group, layer: LayerTopK) -> None:
    hdf5.set_attributes(group, **{name: np.array(getattr(layer, name), np.int64) for name in GEOMETRY})
    for name in COLUMNS:
        hdf5.put(group, name, getattr(layer, name))
    if layer.histogram is not None:
        hdf5.put(group, "histogram", layer.histogram, compress=True)


def _read_layer(file: h5py.File, name: str, topk: TopK) -> LayerTopK:
    key = f"/layers/{name}"
    if key not in file:
        raise UserError(f"{file.filename}: {key} is missing; delete the file and run again to rebuild it.")
    group = file[key]
    units = np.asarray(hdf5.get(group, "activation")).shape[0]
    columns = {column: array(group, column, dtype, (units, topk.k)) for column, dtype in COLUMNS.items()}
    counts = array(group, "histogram", np.uint32, (units, BINS)) if "histogram" in group else None
    layer = LayerTopK(name, **columns, **{fact: pair(group, fact) for fact in GEOMETRY}, histogram=counts)
    _refuse(file.filename, key, wrong_layer(layer, topk))
    return layer


def _refuse(path: str | Path, key: str, wrong: str | None) -> None:
    if wrong:
        raise UserError(f"{path}: {key}: {wrong}; delete the file and run again to rebuild it.")


def _must(wrong: str | None, where: str) -> None:
    if wrong:
        raise ValueError(f"{where}: {wrong}")
