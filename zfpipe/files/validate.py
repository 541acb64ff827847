"""What readers of HDF5 results share: naming file and key where something in the file cannot be true."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from zfpipe.errors import UserError
from zfpipe.files import hdf5
from zfpipe.files.foreign import BROKEN


@contextlib.contextmanager
def naming_damage(path: str | Path) -> Iterator[None]:
    """Turn h5py's errors on a damaged file into a UserError that names the file."""
    try:
        yield
    except BROKEN as error:
        raise UserError(f"{path} is damaged ({hdf5.cause(error)}); delete it and run again.") from error


@contextlib.contextmanager
def opened(path: str | Path, kind: str) -> Iterator[h5py.File]:
    """Yield a file of `kind` for reading; as `hdf5.reading`, naming it whatever byte is damaged."""
    with contextlib.ExitStack() as stack:
        with naming_damage(path):
            file = stack.enter_context(hdf5.reading(path, kind))
        yield file


def attribute(group: h5py.Group, name: str) -> Any:
    """Return an attribute. Raises UserError, naming file and key, if it is missing."""
    if name not in group.attrs:
        raise UserError(f"{place(group, name)} is missing; delete the file and run again to rebuild it.")
    return hdf5.text(group.attrs[name])


def array(group: h5py.Group, name: str, dtype: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Read a dataset that has to be of this type and shape. Raises UserError, naming file and key."""
    values = np.asarray(hdf5.get(group, name))
    require(values.dtype == dtype, group, name, f"is {values.dtype}, not {np.dtype(dtype)}")
    require(values.shape == shape, group, name, f"has shape {values.shape}, not {shape}")
    return values


def pair(group: h5py.Group, name: str) -> tuple[int, int]:
    """Return an attribute that has to be two integers (down, across)."""
    values = np.asarray(attribute(group, name))
    good = values.shape == (2,) and np.issubdtype(values.dtype, np.integer)
    require(good, group, name, f"is {values.tolist()!r}, not two whole numbers")
    return int(values[0]), int(values[1])


def require(good: bool, group: h5py.Group, name: str, complaint: str) -> None:
    """Raise UserError, naming file and key, unless `good`."""
    if not good:
        raise UserError(f"{place(group, name)} {complaint}; delete the file and run again to rebuild it.")


def place(group: h5py.Group, name: str) -> str:
    """Return 'file: /group/key', as errors name it."""
    return f"{group.file.filename}: {group.name.rstrip('/')}/{name}"
