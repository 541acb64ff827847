"""HDF5 files that describe themselves: kind, format version, what they were made from, checksums.

Only this room imports h5py.
"""

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from zfpipe.errors import UserError
from zfpipe.files.disk import Disk, interrupted_between_calls
from zfpipe.files.foreign import BROKEN, refuse_absurd, refuse_foreign
from zfpipe.files.rows import row_reader
from zfpipe.files.whole import whole_file

VERSIONS = {"packed": 1, "topk": 1, "reconstruction": 1, "evolution": 1}
PIECE = 32_768  # bytes of a long list of names that go in one attribute
# HDF5 checks an object's header, and moves attributes out of it, to a heap without checksums, where there are more
# than eight or one passes 64 kB. So we allow more, and cut long ones.
MOST_ATTRIBUTES = 1000


@contextlib.contextmanager
def writing(path: str | Path, kind: str, **attributes: Any) -> Iterator[h5py.File]:
    """Yield a new HDF5 file of `kind`; it appears at `path` whole, or not at all.

    `attributes` are strings, numbers, arrays, or lists of strings (kept as JSON).
    """
    with whole_file(path) as aside:
        with open(aside, "w+b", buffering=0) as raw, interrupted_between_calls():
            disk = Disk(raw)
            try:
                with _new(disk) as file:
                    set_attributes(file, kind=kind, format_version=VERSIONS[kind], **attributes)
                    yield file
            finally:
                disk.raise_failure()


@contextlib.contextmanager
def reading(path: str | Path, kind: str) -> Iterator[h5py.File]:
    """Yield an HDF5 file opened for reading.

    Raises UserError, naming the file, if it is missing, cut short, of another kind or of an unknown version.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(
            f"There is no file {path} ({kind}); the stage before this one makes it (`snakemake --cores 1 {path}`)."
        )
    try:
        file = h5py.File(path, "r", locking=False)  # never written again; some NFS and Lustre mounts refuse locks
    except OSError as error:
        if "locking flag" in str(error) or "already open" in str(error):
            raise UserError(
                f"{path} is open in this program already, by other means ({cause(error)}); close it."
            ) from error
        raise UserError(
            f"{path} is not a whole HDF5 file ({cause(error)}); delete it and run again to rebuild it."
        ) from error
    with file:
        try:
            found, version = text(file.attrs.get("kind")), file.attrs.get("format_version")
            refuse_foreign(file)
        except BROKEN as error:
            raise UserError(f"{path} is damaged ({cause(error)}); delete it and run again to rebuild it.") from error
        if found != kind:
            raise UserError(f"{path} holds {found!r}, where a file of kind {kind!r} is needed.")
        if version != VERSIONS[kind]:
            raise UserError(f"{path} has format version {version} of {kind!r}; this zfpipe reads {VERSIONS[kind]}.")
        yield file


def set_attributes(group: h5py.Group, **attributes: Any) -> None:
    """Set attributes; a list of strings (class names) is kept as JSON, which takes any character.

    Text has a fixed length: text of varying length would lie in a heap that has no checksum.
    """
    for name, value in attributes.items():
        if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
            whole = json.dumps(list(value))
            for piece, start in enumerate(range(0, len(whole), PIECE)):
                group.attrs[_piece(name, piece)] = _fixed(whole[start : start + PIECE])
        else:
            group.attrs[name] = _fixed(value) if isinstance(value, str) else value


def names(group: h5py.Group, name: str) -> list[str]:
    """Return an attribute that `set_attributes` kept as a list of strings."""
    found, piece = text(group.attrs[name]), 1
    while _piece(name, piece) in group.attrs:
        found += text(group.attrs[_piece(name, piece)])
        piece += 1
    listed = json.loads(found)
    if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
        raise ValueError(f"{name} is no list of names")
    return listed


def put(group: h5py.Group, name: str, array: Any, compress: bool = False) -> h5py.Dataset:
    """Store an array with a checksum (fletcher32), so that a flipped byte is found."""
    if isinstance(array, list):
        texts = [item.encode() for item in array]
        dtype = h5py.string_dtype("utf-8", max(map(len, texts), default=1) or 1)  # of one length, as above
        return allocate(group, name, (len(texts),), dtype, None, compress, np.array(texts, dtype))
    return allocate(group, name, array.shape, array.dtype, None, compress, array)


def allocate(
    group: h5py.Group,
    name: str,
    shape: tuple[int, ...],
    dtype: Any,
    chunks: tuple[int, ...] | None = None,
    compress: bool = False,
    data: Any = None,
) -> h5py.Dataset:
    """Make a dataset with a checksum, to be filled in parts. An empty one is stored without chunks."""
    if 0 in shape:
        return group.create_dataset(name, shape, dtype=dtype)
    packing = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if compress else {}
    return group.create_dataset(
        name,
        shape,
        dtype=dtype,
        data=data,
        chunks=chunks or True,
        fletcher32=True,
        track_times=False,
        **packing,
    )


def chunk_writer(dataset: h5py.Dataset) -> Callable[[tuple[int, ...], np.ndarray], None]:
    """Return a function that writes one chunk, given its place along the first axes (chunks of 1) and its values.

    A tenth of the cost of `dataset[place] = values`, which counts where there are ten thousand small ones.
    """
    if dataset.chunks is None:
        return dataset.__setitem__
    chunk, dtype = dataset.chunks, dataset.dtype
    whole, memory = dataset.id.get_space(), h5py.h5s.create_simple(chunk)

    def write(place: tuple[int, ...], values: np.ndarray) -> None:
        if values.shape != chunk[len(place) :]:
            raise ValueError(f"{dataset.name} takes chunks of {chunk[len(place) :]}, not {values.shape}")
        whole.select_hyperslab((*place, *(0 for _ in values.shape)), chunk)
        dataset.id.write(memory, whole, np.ascontiguousarray(values, dtype))

    return write


def get(group: h5py.Group, name: str, rows: Any = ...) -> Any:
    """Read a dataset, or some of its rows, as a numpy array (text as a list of str).

    Raises UserError, naming file and key, if the key is missing or its checksum does not match.
    """
    with _dataset(group, name) as dataset:
        refuse_absurd(dataset, rows)
        values = dataset[rows]
        if h5py.check_string_dtype(dataset.dtype):
            return [value.decode() for value in np.atleast_1d(values)]
        return values


class Rows:
    """A dataset whose rows are read in any order, and fast where each of them is a chunk (`files/rows.py`)."""

    def __init__(self, group: h5py.Group, name: str):
        self._where = group, name
        with _dataset(*self._where) as dataset:
            refuse_absurd(dataset, 0)
            self._read = row_reader(dataset) or self._through_hdf5

    def __getitem__(self, rows: Sequence[int]) -> np.ndarray:
        """Return rows in the order that is asked for, (N, ...). Raises as `get` does."""
        with _dataset(*self._where):
            return self._read(np.asarray(rows, np.int64))

    def _through_hdf5(self, rows: np.ndarray) -> np.ndarray:
        dataset = self._where[0][self._where[1]]
        values = np.empty((len(rows), *dataset.shape[1:]), dataset.dtype)
        for place, row in enumerate(rows):
            values[place] = dataset[row]
        return values


@contextlib.contextmanager
def _dataset(group: h5py.Group, name: str) -> Iterator[h5py.Dataset]:
    where = f"{group.file.filename}: {group.name.rstrip('/')}/{name}"
    try:
        if name not in group:
            raise UserError(f"{where} is missing; delete the file and run again to rebuild it.")
        yield group[name]
    except BROKEN as error:
        raise UserError(f"{where} is damaged ({cause(error)}); delete the file and run again.") from error


def is_full(dataset: h5py.Dataset) -> bool:
    """Whether a dataset that is not compressed has all its bytes in the file: none is left to HDF5's fill value."""
    return dataset.id.get_storage_size() >= dataset.nbytes


def _new(disk: Disk) -> h5py.File:
    """Make a file whose root keeps all its attributes in its header (h5py.File has no option for that)."""
    creation, access = h5py.h5p.create(h5py.h5p.FILE_CREATE), h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    creation.set_attr_phase_change(MOST_ATTRIBUTES, 0)
    creation.set_obj_track_times(False)  # a date would make every file a new one
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    access.set_fileobj_driver(h5py.h5fd.fileobj_driver, disk)
    return h5py.File(h5py.h5f.create(b"aside", h5py.h5f.ACC_TRUNC, creation, access))


def _fixed(value: str) -> np.ndarray:
    data = value.encode()
    return np.array(data, h5py.string_dtype("utf-8", max(1, len(data))))


def text(value: Any) -> Any:
    """Return a text that came out of a file as str; leave other values as they are."""
    return value.decode() if isinstance(value, bytes) else value


def _piece(name: str, piece: int) -> str:
    return f"{name}.{piece}" if piece else name


def cause(error: Exception) -> str:
    """Return an error's first line."""
    return (str(error) or type(error).__name__).split("\n")[0]
