"""Rows read past HDF5 against HDF5's own reading: every size, order, and damage."""

import h5py
import numpy as np
import pytest

from zfpipe.files.rows import fletcher32, row_reader


def stored(path, values, **settings):
    with h5py.File(path, "w") as file:
        packing = {"chunks": (1, *values.shape[1:]), "fletcher32": True} | settings
        file.create_dataset("a", data=values, **packing)
    return h5py.File(path, "r")


def some(count, *shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape)).astype(dtype)


@pytest.mark.parametrize("shape", [(1,), (2,), (3, 5, 1), (1023,), (1024,), (1025,), (64, 64, 3), (75, 75, 3)])
def test_rows_are_what_hdf5_reads(tmp_path, shape):
    values = some(9, *shape)
    values[3], values[4] = 0, 255  # whose sums are divisible by the modulus
    with stored(tmp_path / "a.h5", values) as file:
        read = row_reader(file["a"])
        for rows in ([0, 1, 2, 3, 4, 5, 6, 7, 8], [7, 2, 2, 8], [5], []):
            assert np.array_equal(read(np.array(rows, int)), values[rows])


def test_numbers_of_several_bytes_and_many_threads(tmp_path):
    values = some(300, 40, 50, dtype=np.float32)
    with stored(tmp_path / "a.h5", values) as file:
        found = row_reader(file["a"])(np.arange(300)[::-1])
        assert found.dtype == np.float32
        assert np.array_equal(found, values[::-1])


@pytest.mark.parametrize("settings", [{"chunks": (2, 8)}, {"compression": "gzip"}, {"fletcher32": False}])
def test_what_is_stored_otherwise_is_left_to_hdf5(tmp_path, settings):
    with stored(tmp_path / "a.h5", some(4, 8), **settings) as file:
        assert row_reader(file["a"]) is None


@pytest.mark.parametrize("size", [1, 7, 1024, 5001, 60_000])
def test_the_checksum_is_the_slow_one_and_sees_every_change(size):
    rows = some(3, size, seed=size)
    assert fletcher32(rows).tolist() == [slow_fletcher32(row.tobytes()) for row in rows]
    for place in {0, size // 3, size - 1}:
        changed = rows.copy()
        changed[1, place] ^= 1
        assert fletcher32(changed)[1] != fletcher32(rows)[1]


def slow_fletcher32(data):
    """Word by word, big-endian, folded as a sum of ones' complements; an odd byte is the upper half of a word."""
    data += bytes(len(data) % 2)
    first = second = 0
    for place in range(0, len(data), 2):
        first += int.from_bytes(data[place : place + 2], "big")
        second += first
    return folded(second) << 16 | folded(first)


def folded(number):
    while number > 0xFFFF:
        number = (number & 0xFFFF) + (number >> 16)
    return number


def test_a_flipped_bit_and_a_lost_end_are_found(tmp_path):
    path = tmp_path / "a.h5"
    values = some(5, 3000)
    with stored(path, values) as file:
        places = []
        file["a"].id.chunk_iter(lambda chunk: places.append(chunk.byte_offset))
    whole = path.read_bytes()
    for flipped in (places[2] + 1500, places[2] + 3001):  # in the values, in the checksum
        damaged = bytearray(whole)
        damaged[flipped] ^= 4
        path.write_bytes(damaged)
        with h5py.File(path) as file:
            read = row_reader(file["a"])
            assert np.array_equal(read(np.array([0, 1, 3, 4])), values[[0, 1, 3, 4]])
            with pytest.raises(OSError, match="checksum of row 2"):
                read(np.array([1, 2]))
    path.write_bytes(whole)
    with h5py.File(path) as file:
        read = row_reader(file["a"])
        with open(path, "r+b") as other:
            other.truncate(places[4] + 10)
        with pytest.raises(OSError, match="row 4 is not there whole"):
            read(np.array([4]))


def test_a_row_without_its_checksum_is_not_taken(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("a", (2, 8), np.uint8, chunks=(1, 8), fletcher32=True)
        dataset[0] = 7
        dataset.id.write_direct_chunk((1, 0), bytes(8), filter_mask=1)
    with h5py.File(tmp_path / "a.h5") as file:
        read = row_reader(file["a"])
        assert read(np.array([0])).tolist() == [[7] * 8]
        with pytest.raises(OSError, match="row 1 is not there whole"):
            read(np.array([1]))
