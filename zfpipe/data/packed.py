"""A packed split: the images of one split at one size, decoded once, in one HDF5 file."""

import contextlib
import math
import shutil
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from zfpipe.data.sizes import Size, pair, shortest
from zfpipe.errors import UserError
from zfpipe.files import hdf5
from zfpipe.files.validate import attribute, naming_damage, opened, require


class Packed:
    """A packed split opened for reading; row i is image_index i of its split's manifest.

    labels (N,) int64, paths and classes lists of str, split 'train' or 'val', size (height, width) in pixels,
    channels of each image, manifest_sha256 the digest that names the split.
    """

    def __init__(self, file):
        self._file = file
        self.classes: list[str] = hdf5.names(file, "classes")
        self.labels: np.ndarray = _labels(file, len(self.classes))
        self.paths: list[str] = _paths(file, len(self.labels))
        self.split = hdf5.text(attribute(file, "split"))
        self.manifest_sha256 = hdf5.text(attribute(file, "manifest_sha256"))
        self.size: Size = pair(np.asarray(attribute(file, "size")).tolist())
        self.channels: int = _channels(file, self.size, len(self.labels))

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return images start to stop, (n, H, W, C) uint8; stop may lie past the end.

        Raises UserError, naming the file, if an image's checksum does not match.
        """
        return self._images[range(start, min(stop, len(self)))]

    def read_rows(self, rows: Sequence[int]) -> np.ndarray:
        """Return the images at `rows`, in that order, (n, H, W, C) uint8. Neighbours are read fastest.

        Raises IndexError for a row that is not there, and as `read` does.
        """
        for row in rows:
            if not 0 <= row < len(self):
                raise IndexError(f"row {row} of {len(self)} images")
        return self._images[rows]

    @cached_property
    def _images(self) -> hdf5.Rows:
        return hdf5.Rows(self._file, "images")


@contextlib.contextmanager
def open_packed(path: str | Path) -> Iterator[Packed]:
    """Open a packed split for reading.

    Raises UserError, naming the file, if it is missing, cut short, damaged or of another kind.
    """
    with opened(path, "packed") as file:
        with naming_damage(path):
            packed = Packed(file)
        yield packed


def write_packed(
    path: str | Path,
    images: Iterable[np.ndarray],
    labels: Sequence[int],
    paths: list[str],
    classes: list[str],
    *,
    split: str,
    size: int | Size,
    manifest_sha256: str,
    channels: int = 3,
) -> None:
    """Write a packed split whole, from images (H, W, C) uint8 that come one by one in the order of the rows.

    One image a chunk: training reads them in any order.
    """
    if not paths:
        raise UserError(f"Cannot write {path}: the split {split!r} holds no image.")
    _require_room(Path(path), len(paths) * math.prod(pair(size)) * channels)
    attributes = {
        "classes": classes,
        "split": split,
        "size": np.array(shortest(size)),
        "manifest_sha256": manifest_sha256,
    }
    with hdf5.writing(path, "packed", **attributes) as file:
        hdf5.put(file, "label", np.asarray(labels, np.int32))
        hdf5.put(file, "path", paths)
        shape = (*pair(size), channels)
        write = hdf5.chunk_writer(hdf5.allocate(file, "images", (len(paths), *shape), np.uint8, chunks=(1, *shape)))
        came = 0
        for image in images:
            write((came,), image)
            came += 1
        if came != len(paths):
            raise ValueError(f"{came} images came for {len(paths)} rows")


def _labels(file, classes: int) -> np.ndarray:
    labels = np.asarray(hdf5.get(file, "label"))
    require(labels.dtype == np.int32 and labels.ndim == 1, file, "label", f"is {labels.dtype} {labels.shape}")
    good = ((labels >= 0) & (labels < classes)).all()
    require(bool(good), file, "label", f"is not always one of the {classes} classes")
    return labels.astype(np.int64)


def _paths(file, count: int) -> list[str]:
    paths = hdf5.get(file, "path")
    require(isinstance(paths, list) and len(paths) == count, file, "path", f"does not name {count} images")
    return paths


def _channels(file, size: Size, count: int) -> int:
    require("images" in file, file, "images", "is missing")
    shape = file["images"].shape
    require(shape[:3] == (count, *size) and len(shape) == 4, file, "images", f"has shape {shape}")
    require(file["images"].dtype == np.uint8, file, "images", f"is {file['images'].dtype}, not uint8")
    require(hdf5.is_full(file["images"]), file, "images", "does not hold as many bytes as its shape says")
    return int(shape[3])


def _require_room(path: Path, needed: int) -> None:
    """Refuse at once what would fill the disk hours later."""
    path.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise UserError(f"Cannot write {path}: it takes {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free there.")
