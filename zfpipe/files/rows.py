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

READERS = min(4, os.cpu_count() or 1)
BYTES_AT_ONCE = 1 << 20  # so many stay in the cache from reading to checking
SUM_BYTES = 4
WORDS = 128  # of 8 bytes in a line, see fletcher32
LOW = np.uint64(0x0000FFFF0000FFFF)
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
        for _ in map(part, starts) if len(starts) < 2 else pool.map(part, starts):
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
    from the sums of the lines and columns of a table of them, and four words are added up at a time.
    """
    count, size = rows.shape
    lines = size // (8 * WORDS)
    words = (size + 1) // 2
    table = rows[:, : lines * 8 * WORDS].view("<u8").reshape(count, lines, WORDS)
    total, weighted = np.zeros((2, count), np.int64)
    for odd, part in enumerate((table & LOW, table >> np.uint64(16) & LOW)):
        of_lines, of_columns = part.sum(2), part.sum(1)
        for half in (0, 1):
            of_line, of_column = (_half(sums, half) for sums in (of_lines, of_columns))
            total += of_line.sum(1)
            weighted += of_line @ (words - 4 * WORDS * np.arange(lines) - odd - 2 * half)
            weighted -= of_column @ (4 * np.arange(WORDS))
    rest = np.zeros((count, size % (8 * WORDS) + size % 2), np.uint8)
    rest[:, : size % (8 * WORDS)] = rows[:, lines * 8 * WORDS :]
    left = rest.view("<u2").astype(np.int64)
    total += left.sum(1)
    weighted += left @ np.arange(left.shape[1], 0, -1)
    first, second = (_folded(sums, rows) for sums in (total, weighted))
    return (second << 16 | first).astype(np.uint32)


def _half(sums: np.ndarray, half: int) -> np.ndarray:
    """Return the low or the high half of sums of pairs of words, modulo 65535, which keeps products small."""
    return (sums >> np.uint64(32 * half) & np.uint64(0xFFFFFFFF)).astype(np.int64) % MODULUS


def _folded(sums: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return sums of little-endian words as those of big-endian ones, which HDF5 reads: times 256, modulo 65535.

    What is divisible is 65535, but for a row of zeros.
    """
    folded = sums % MODULUS * 256 % MODULUS
    return np.where((folded == 0) & rows.any(1), MODULUS, folded)
