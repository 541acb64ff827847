"""HDF5 files that nobody here wrote: links out of them, data without a checksum or kept elsewhere, absurd sizes."""

import math
from typing import Any

import h5py

from zfpipe.errors import UserError

# What h5py and numpy raise where a file's own bookkeeping is not what a writer of ours left there.
BROKEN = (
    *(OSError, RuntimeError, KeyError, IndexError, ValueError, TypeError),
    *(AttributeError, ArithmeticError, MemoryError),
)
FILTERS = {h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE}
ALWAYS_ALLOWED = 1 << 28  # bytes: what may be read of data that is declared and not stored (entries that are missing)
MOST_DEFLATED = 1032  # bytes that one byte of zlib can stand for


def refuse_foreign(file: h5py.File) -> None:
    """Raise UserError, naming file and key, for anything that HDF5 would follow out of the file or read unchecked."""
    foreign: dict[str, str | None] = {}
    file.id.links.visit(
        lambda name, link: foreign.update({name.decode(errors="replace"): _wrong_link(link)}), info=True
    )
    _refuse(file, foreign)
    file.visititems(lambda name, found: foreign.update({name: _wrong_object(found)}))
    _refuse(file, foreign)


def refuse_absurd(dataset: h5py.Dataset, rows: Any) -> None:
    """Raise UserError if `rows` of a dataset would take far more memory than the file holds bytes for it.

    What is stored is asked for last: HDF5 goes through all chunks of a dataset to tell.
    """
    shape = dataset.shape
    count = len(range(*rows.indices(shape[0]))) if isinstance(rows, slice) else shape[0] if rows is ... else 1
    wanted = count * math.prod(shape[1:]) * dataset.dtype.itemsize
    if wanted > ALWAYS_ALLOWED and wanted > _most_stored(dataset):
        _refuse(dataset.file, {dataset.name.lstrip("/"): f"claims {wanted:,} bytes that the file does not hold"})


def _most_stored(dataset: h5py.Dataset) -> int:
    return dataset.id.get_storage_size() * (MOST_DEFLATED if dataset.compression else 1)


def _refuse(file: h5py.File, complaints: dict[str, str | None]) -> None:
    for name, complaint in complaints.items():
        if complaint:
            raise UserError(f"{file.filename}: /{name} {complaint}; delete the file and run again to rebuild it.")


def _wrong_link(link: Any) -> str | None:
    return None if link.type == h5py.h5l.TYPE_HARD else "is a link to another place, which is not followed"


def _wrong_object(found: Any) -> str | None:
    if isinstance(found, h5py.Dataset):
        return _wrong_storage(found)
    return None if isinstance(found, h5py.Group) else f"is a {type(found).__name__}, not data"


def _wrong_storage(dataset: h5py.Dataset) -> str | None:
    creation = dataset.id.get_create_plist()
    if dataset.dtype.kind == "O":
        return f"holds values of varying length ({dataset.dtype}), which have no checksum"
    if creation.get_external_count():
        return "keeps its data in another file, which is not opened"
    if not dataset.shape:
        return "is no array"
    if 0 in dataset.shape:
        return None
    if creation.get_layout() != h5py.h5d.CHUNKED:
        return "is not stored in chunks, as data with a checksum are"
    filters = {creation.get_filter(number)[0] for number in range(creation.get_nfilters())}
    if h5py.h5z.FILTER_FLETCHER32 not in filters:
        return "has no checksum"
    if filters - FILTERS:
        return f"is packed in a way that zfpipe does not use (filters {sorted(filters - FILTERS)})"
    chunk = math.prod(creation.get_chunk()) * dataset.dtype.itemsize
    return f"has chunks of {chunk:,} bytes" if chunk > ALWAYS_ALLOWED and chunk > _most_stored(dataset) else None
