"""HDF5 files that describe themselves: kind, format version, what they were made from, checksums.

The only module that imports h5py.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from zfpipe.errors import UserError
from zfpipe.files.digest import sha256_value
from zfpipe.files.whole import whole_file

VERSIONS = {"packed": 1, "topk": 1, "reconstruction": 1}
TEXT = h5py.string_dtype("utf-8")


@contextlib.contextmanager
def writing(path: str | Path, kind: str, **attributes: Any) -> Iterator[h5py.File]:
    """Yield a new HDF5 file of `kind`; it appears at `path` whole, or not at all.

    `attributes` are strings, numbers, arrays, or lists of strings (kept as JSON).
    """
    with whole_file(path) as aside:
        with h5py.File(aside, "w", libver=("v110", "v110")) as file:
            file.attrs["kind"] = kind
            file.attrs["format_version"] = VERSIONS[kind]
            set_attributes(file, **attributes)
            yield file


@contextlib.contextmanager
def reading(path: str | Path, kind: str) -> Iterator[h5py.File]:
    """Yield an HDF5 file opened for reading.

    Raises UserError, naming the file, if it is missing, cut short, of another kind or of an unknown version.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no file {path} ({kind}); the stage before this one makes it.")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise UserError(
            f"{path} is not a whole HDF5 file ({_cause(error)}); delete it and run again to rebuild it."
        ) from error
    with file:
        found, version = file.attrs.get("kind"), file.attrs.get("format_version")
        if found != kind:
            raise UserError(f"{path} holds {found!r}, where a file of kind {kind!r} is needed.")
        if version != VERSIONS[kind]:
            raise UserError(
                f"{path} has format version {version} of {kind!r}; this zfpipe reads {VERSIONS[kind]}."
            )
        yield file


def set_attributes(group: h5py.Group, **attributes: Any) -> None:
    """Set attributes; a list of strings (class names) is kept as JSON, which takes any character."""
    for name, value in attributes.items():
        is_names = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
        group.attrs[name] = json.dumps(list(value)) if is_names else value


def names(group: h5py.Group, name: str) -> list[str]:
    """Return an attribute that `set_attributes` kept as a list of strings."""
    return json.loads(group.attrs[name])


def put(group: h5py.Group, name: str, array: Any, compress: bool = False) -> h5py.Dataset:
    """Store an array with a checksum (fletcher32; of text a digest), so that a flipped byte is found."""
    if isinstance(array, list):
        return _put_text(group, name, array)
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


def get(group: h5py.Group, name: str, rows: Any = ...) -> Any:
    """Read a dataset, or some of its rows, as a numpy array (text as a list of str).

    Raises UserError, naming file and key, if the key is missing or its checksum does not match.
    """
    where = f"{group.file.filename}: {group.name.rstrip('/')}/{name}"
    if name not in group:
        raise UserError(f"{where} is missing; delete the file and run again to rebuild it.")
    if h5py.check_string_dtype(group[name].dtype):
        texts = _get_text(group[name], where)  # whole, since the digest is over the whole
        return texts if rows is ... else list(np.atleast_1d(np.array(texts, dtype=object)[rows]))
    try:
        values = group[name][rows]
    except (OSError, RuntimeError) as error:
        raise UserError(f"{where} is damaged ({_cause(error)}); delete the file and run again.") from error
    return values


def _put_text(group: h5py.Group, name: str, texts: list[str]) -> h5py.Dataset:
    """Store a list of str. HDF5 has no checksum for text of varying length, so a digest goes beside it."""
    dataset = group.create_dataset(name, data=np.array(texts, dtype=object), dtype=TEXT)
    dataset.attrs["sha256"] = sha256_value(texts)
    return dataset


def _get_text(dataset: h5py.Dataset, where: str) -> list[str]:
    try:
        texts = [value.decode() for value in dataset[...]]
        whole = dataset.attrs["sha256"] == sha256_value(texts)
    except (OSError, RuntimeError, KeyError, UnicodeDecodeError):
        whole = False
    if not whole:
        raise UserError(f"{where} is damaged (its digest does not match); delete the file and run again.")
    return texts


def _cause(error: Exception) -> str:
    return str(error).split("\n")[0]
