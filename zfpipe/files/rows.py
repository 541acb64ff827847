"""Rows of a dataset, each a chunk with a checksum, read past HDF5 by several threads.

HDF5 reads and checks one chunk after the other, and h5py holds Python's lock all the while, so that nothing else is
started meanwhile: a GPU waits. Here HDF5 only says where the chunks lie.
"""

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np

READERS = max(1, min(4, (os.cpu_count() or 1) // 4))  # others of the cores compute
BYTES_AT_ONCE = 1 << 20  # so many stay in the cache from reading to checking
SUM_BYTES = 4
WORDS = 1024  # in a line, see fletcher32
MODULUS = 0xFFFF


def row_reader(dataset: h5py.Dataset) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return a function from row numbers (N,) to rows (N, ...), or None for a dataset that is stored otherwise.

    It raises OSError where a row is not there whole, or is not what its checksum says.
    """
    creation = dataset.id.get_create_plist()
    filters = [creation.get_filter(number)[0] for number in range(creation.get_nfilters())]
    plain = dataset.chunks == (1, *dataset.shape[1:]) and filters == [h5py.h5z.FILTER_FLETCHER32]
    if not plain or not hasattr(os, "preadv"):
        return None
    descriptor = dataset.file.id.get_vfd_handle()
    size = math.prod(dataset.shape[1:]) * dataset.dtype.itemsize
    places = _places(dataset, size + SUM_BYTES)
    pool, at_once = ThreadPoolExecutor(READERS), max(1, BYTES_AT_ONCE // size)

    def read(rows: np.ndarray) -> np.ndarray:
        values, sums = np.empty((len(rows), size), np.uint8), np.empty((len(rows), SUM_BYTES), np.uint8)

        def part(start: int) -> None:
            own = slice(start, start + at_once)
            for row, value, checksum in zip(rows[own], values[own], sums[own], strict=True):
                if places[row] < 0 or os.preadv(descriptor, [value, checksum], places[row]) != size + SUM_BYTES:
                    raise OSError(f"row {row} is not there whole")
            wrong = fletcher32(values[own]) != sums[own].view("<u4")[:, 0]
            if wrong.any():
                raise OSError(f"the checksum of row {rows[own][wrong][0]} does not match")

        starts = range(0, len(rows), at_once)
        for _ in (map if min(len(starts), READERS) < 2 else pool.map)(part, starts):
            pass
        return values.view(dataset.dtype).reshape(len(rows), *dataset.shape[1:])

    return read


def _places(dataset: h5py.Dataset, size: int) -> np.ndarray:
    """Return where each row's chunk lies in the file, (N,) bytes from its start; -1 where none of `size` bytes does."""
    places = np.full(len(dataset), -1, np.int64)

    def note(chunk) -> None:
        if chunk.size == size and chunk.filter_mask == 0:  # a mask says that it was stored without the checksum
            places[chunk.chunk_offset[0]] = chunk.byte_offset

    dataset.id.chunk_iter(note)
    return places


def fletcher32(rows: np.ndarray) -> np.ndarray:
    """Return the checksums (N,) uint32 of rows (N, B) of bytes, as HDF5 computes them.

    Of a row's 16-bit words w_0 .. w_(W-1) it is made of the sums of w_i and of (W - i) w_i, modulo 65535. Both follow
    from the sums of the lines and columns of a table of them.
    """
    count, size = rows.shape
    lines = size // (2 * WORDS)
    table = rows[:, : lines * 2 * WORDS].view("<u2").reshape(count, lines, WORDS).astype(np.uint32)
    of_lines = table.sum(2, dtype=np.uint32).astype(np.int64)
    of_columns = table.sum(1, dtype=np.uint32 if lines < 1 << 16 else np.uint64).astype(np.int64)
    rest = np.zeros((count, size % (2 * WORDS) + size % 2), np.uint8)
    rest[:, : size % (2 * WORDS)] = rows[:, lines * 2 * WORDS :]
    left = rest.view("<u2").astype(np.int64)
    total = of_lines.sum(1) + left.sum(1)
    weighted = left @ np.arange(left.shape[1], 0, -1)
    weighted += (of_lines % MODULUS) @ ((size + 1) // 2 - WORDS * np.arange(lines))
    weighted -= (of_columns % MODULUS) @ np.arange(WORDS)
    # These words are little-endian, and HDF5 reads big-endian ones, whose sums are 256 times as much.
    first, second = (sums % MODULUS * 256 % MODULUS for sums in (total, weighted))
    first, second = (np.where((sums == 0) & (total > 0), MODULUS, sums) for sums in (first, second))
    return (second << 16 | first).astype(np.uint32)
