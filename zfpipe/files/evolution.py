"""The evolution file: units of each layer through training, the strongest activation at each of some epochs."""

from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from zfpipe.files import hdf5
from zfpipe.files.topk import COLUMNS, GEOMETRY, MISSING, LayerTopK, check_layer_name
from zfpipe.files.validate import array, attribute, naming_damage, opened, pair, require

DIGESTS = ("model_sha256", "manifest_sha256", "key", "collide")
COUNTS = ("images", "looked_at", "seed")


@dataclass
class LayerEvolution:
    """U units of a layer at E epochs.

    `entries` has the strongest activation of each, (U, E) arrays as in LayerTopK; its geometry is the layer's. `unit`
    (U,) int32 is each row's number in the layer of `channels` units. `label` (U, E) int32 is the class of the image
    (MISSING: none). `projection` (U, E, h, w, C) float32 and `patch` (U, E, h, w, C) uint8 are 0 where the entry is
    missing, and past the border of the image.
    """

    unit: np.ndarray
    entries: LayerTopK
    label: np.ndarray
    projection: np.ndarray
    patch: np.ndarray
    channels: int

    @property
    def changed(self) -> np.ndarray:
        """(U, E) bool: where the strongest image is another one than at the epoch before, and both are there."""
        index, there = self.entries.image_index, self.entries.present
        changed = np.zeros(index.shape, bool)
        changed[:, 1:] = there[:, 1:] & there[:, :-1] & (index[:, 1:] != index[:, :-1])
        return changed


@dataclass
class Evolution:
    """All layers of an evolution file, in network order, and what they were made from.

    `epochs` ascend. `images` counts the whole training split, `looked_at` those among which the strongest was sought.
    `model_sha256` is the trained model's, `key` names its training in the state folder; `manifest_sha256` is the
    training split's. `seed` chose units and images.
    """

    epochs: list[int]
    images: int
    looked_at: int
    seed: int
    input_size: tuple[int, int]
    classes: list[str]
    model_sha256: str
    manifest_sha256: str
    key: str
    collide: str
    layers: dict[str, LayerEvolution] = field(default_factory=dict)


def write_evolution(path: str | Path, found: Evolution) -> None:
    """Write an evolution file whole. Raises ValueError if `found` is not what a reader would accept."""
    for name, layer in found.layers.items():
        check_layer_name(name)
        for key, wrong in _wrong(layer, found).items():
            raise ValueError(f"{name}: {key} {wrong}")
    facts = {name: getattr(found, name) for name in (*DIGESTS, *COUNTS, "classes")}
    facts |= {"epochs": np.array(found.epochs, np.int64), "input_size": np.array(found.input_size, np.int64)}
    with hdf5.writing(path, "evolution", layers=list(found.layers), **facts) as file:
        groups = file.create_group("layers")
        for name, layer in found.layers.items():
            _put(groups.create_group(name), layer)


def read_evolution(path: str | Path) -> Evolution:
    """Read an evolution file.

    Raises UserError, naming file and key, if it is missing, damaged, of another kind or version, or inconsistent.
    """
    with opened(path, "evolution") as file, naming_damage(path):
        facts = {name: int(attribute(file, name)) for name in COUNTS}
        facts |= {name: str(attribute(file, name)) for name in DIGESTS}
        for name in ("classes", "layers"):
            attribute(file, name)
        facts |= {"classes": hdf5.names(file, "classes"), "input_size": pair(file, "input_size")}
        found = Evolution(epochs=_epochs(file), **facts)
        for name in hdf5.names(file, "layers"):
            found.layers[name] = _read(file, name, found)
    return found


def _epochs(file: h5py.File) -> list[int]:
    epochs = np.asarray(attribute(file, "epochs"))
    good = epochs.ndim == 1 and np.issubdtype(epochs.dtype, np.integer) and len(epochs) > 0
    require(good and bool((np.diff(epochs, prepend=0) > 0).all()), file, "epochs", "are not epochs in order")
    return epochs.tolist()


def _put(group: h5py.Group, layer: LayerEvolution) -> None:
    geometry = {name: np.array(getattr(layer.entries, name), np.int64) for name in GEOMETRY}
    hdf5.set_attributes(group, channels=layer.channels, **geometry)
    small = {"unit": layer.unit, "label": layer.label} | {name: getattr(layer.entries, name) for name in COLUMNS}
    for name, values in small.items():
        hdf5.put(group, name, values)
    for name in ("projection", "patch"):
        values = getattr(layer, name)
        hdf5.allocate(group, name, values.shape, values.dtype, (1, 1, *values.shape[2:]), data=values)


def _read(file: h5py.File, name: str, found: Evolution) -> LayerEvolution:
    require(f"layers/{name}" in file, file, f"layers/{name}", "is missing")
    group = file[f"layers/{name}"]
    unit = np.asarray(hdf5.get(group, "unit"))
    shape = (len(unit), len(found.epochs))
    columns = {column: array(group, column, dtype, shape) for column, dtype in COLUMNS.items()}
    entries = LayerTopK(name, **columns, **{fact: pair(group, fact) for fact in GEOMETRY})
    require("patch" in group and group["patch"].ndim == 5, group, "patch", "is no array of pictures")
    pixels = (*shape, *entries.crop_size(found.input_size), group["patch"].shape[-1])
    patch = array(group, "patch", np.uint8, pixels)  # first: its own shape says what the others' is
    layer = LayerEvolution(
        array(group, "unit", np.int32, shape[:1]),
        entries,
        array(group, "label", np.int32, shape),
        array(group, "projection", np.float32, pixels),
        patch,
        int(attribute(group, "channels")),
    )
    for key, wrong in _wrong(layer, found).items():
        require(False, group, key, wrong)
    return layer


def _wrong(layer: LayerEvolution, found: Evolution) -> dict[str, str]:
    """Return what makes a layer impossible, by key; the rules: docs/file-formats.md."""
    entries, there, gone = layer.entries, layer.entries.present, ~layer.entries.present
    inside = [(getattr(entries, axis) >= 0) & (getattr(entries, axis) < side) for axis, side in _sides(entries)]
    placed = np.logical_and(*inside)
    nowhere = (entries.row == MISSING) & (entries.col == MISSING) & (entries.activation == 0)
    checks = {
        "unit": (_is_set(layer.unit, layer.channels), f"is not a set of units of a layer of {layer.channels}"),
        "activation": (np.isfinite(entries.activation) & (gone | (entries.activation > 0)), "is not above 0"),
        "image_index": ((entries.image_index < found.images) & (entries.image_index >= MISSING), "leaves the split"),
        "row": (np.where(there, placed, nowhere), "or col or activation does not fit an entry"),
        "label": ((layer.label >= MISSING) & (layer.label < max(1, len(found.classes))), "is not one of the classes"),
        "projection": (np.isfinite(layer.projection), "is not finite"),
    }
    return {key: wrong for key, (good, wrong) in checks.items() if not np.all(good)}


def _sides(entries: LayerTopK) -> list[tuple[str, int]]:
    return list(zip(("row", "col"), entries.map_size, strict=True))


def _is_set(unit: np.ndarray, channels: int) -> bool:
    return len(np.unique(unit)) == len(unit) and bool(((unit >= 0) & (unit < channels)).all())
