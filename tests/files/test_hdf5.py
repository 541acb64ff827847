"""HDF5 files: what goes in comes out, the same bytes every time, and damage or a full disk is named."""

import contextlib
import fcntl
import os
import random
import resource
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from zfpipe.errors import UserError
from zfpipe.files import disk, foreign, hdf5

NUMBERS = np.random.default_rng(0).normal(size=(40, 30)).astype(np.float32)
TEXTS = ["plain", 'odd "é"\n,', "", "日本語"]
NAMES = [f"{number} {'very ' * 60}long" for number in range(900)]  # more JSON than HDF5 takes in one attribute


def write(path):
    with hdf5.writing(path, "topk", names=NAMES, text="é", number=3, pair=np.array([1, 2]), none=[]) as file:
        group = file.create_group("layers")
        hdf5.put(group, "numbers", NUMBERS)
        hdf5.put(group, "packed", NUMBERS, compress=True)
        hdf5.put(group, "texts", TEXTS)
        hdf5.put(group, "empty", np.zeros((0, 3), np.int32))
        hdf5.put(group, "no_texts", [])
        part = hdf5.allocate(group, "parts", (4, 5), np.int64, chunks=(1, 5))
        for row in range(4):
            part[row] = row
    return path


def read(path):
    with hdf5.reading(path, "topk") as file:
        group = file["layers"]
        names = "numbers", "packed", "texts", "empty", "no_texts", "parts"
        return hdf5.names(file, "names"), hdf5.text(file.attrs["text"]), *(hdf5.get(group, name) for name in names)


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "a.h5")


def test_what_goes_in_comes_out(path):
    names, text, numbers, packed, texts, empty, no_texts, parts = read(path)
    assert (names, text, texts, no_texts) == (NAMES, "é", TEXTS, [])
    assert np.array_equal(numbers, NUMBERS)
    assert np.array_equal(packed, NUMBERS)
    assert empty.shape == (0, 3)
    assert np.array_equal(parts, np.arange(4)[:, None].repeat(5, 1))
    with hdf5.reading(path, "topk") as file:
        assert hdf5.names(file, "none") == []
        assert hdf5.get(file["layers"], "texts", slice(1, 3)) == TEXTS[1:3]
        assert np.array_equal(hdf5.get(file["layers"], "numbers", 7), NUMBERS[7])


@pytest.mark.parametrize("rows", [[], [39], [3, 4, 5, 0, 1, 7, 7, 6], range(40)], ids=str)
def test_rows_come_in_the_order_that_is_asked_for(path, rows):
    with hdf5.reading(path, "topk") as file:
        for name in ("numbers", "packed"):
            found = hdf5.Rows(file["layers"], name)[rows]
            assert found.dtype == np.float32
            assert np.array_equal(found, NUMBERS[list(rows)])


def test_a_row_costs_the_same_however_many_there_are(path, monkeypatch):
    """HDF5 goes through all chunks to say what is stored: asked with each row, a pass grew as their square."""
    monkeypatch.setattr(foreign, "_most_stored", lambda dataset: pytest.fail("went through all chunks"))
    with h5py.File(path, "r") as file:
        assert np.array_equal(hdf5.get(file["layers"], "parts", 2), [2] * 5)
        assert np.array_equal(hdf5.Rows(file["layers"], "parts")[[3, 1]][:, 0], [3, 1])


def test_what_is_written_goes_to_the_disk_meanwhile_and_is_the_same(tmp_path, monkeypatch):
    def write_chunks(path):
        with hdf5.writing(path, "topk") as file:
            part = hdf5.allocate(file, "parts", (50, 1000), np.uint8, chunks=(1, 1000))
            for row in range(50):
                hdf5.chunk_writer(part)((row,), np.full(1000, row, np.uint8))
        return path.read_bytes()

    at_the_end = write_chunks(tmp_path / "a.h5")
    start, held = disk._start_writing, []
    monkeypatch.setattr(disk, "AT_ONCE", 10_000)
    monkeypatch.setattr(disk, "_start_writing", lambda number: held.append(os.fstat(number).st_size) or start(number))
    assert write_chunks(tmp_path / "b.h5") == at_the_end
    assert held == sorted(held)
    assert held[0] < len(at_the_end) / 2


def test_the_same_content_gives_the_same_bytes_later(path, tmp_path):
    time.sleep(1.1)  # HDF5 keeps times in whole seconds
    assert write(tmp_path / "b.h5").read_bytes() == path.read_bytes()


def test_any_hdf5_reads_it(path):
    with h5py.File(path, "r") as file:
        assert file["layers/texts"].asstr()[1] == TEXTS[1]
        assert file.attrs["kind"].decode() == "topk"


@pytest.mark.parametrize("name", ["numbers", "packed", "texts", "parts"])
def test_a_flipped_byte_of_data_is_found_naming_file_and_key(path, name):
    with h5py.File(path, "r") as file:
        chunk = file[f"layers/{name}"].id.get_chunk_info(0)
    data = bytearray(path.read_bytes())
    data[chunk.byte_offset + chunk.size // 2] ^= 1
    path.write_bytes(data)
    with hdf5.reading(path, "topk") as file:
        with pytest.raises(UserError, match=rf"a\.h5: /layers/{name} is damaged"):
            hdf5.get(file["layers"], name)
        if name != "texts":
            with pytest.raises(UserError, match=rf"a\.h5: /layers/{name} is damaged"):
                hdf5.Rows(file["layers"], name)[[1, 0]]


def test_a_flipped_byte_of_a_name_or_a_kind_is_found(path):
    original = path.read_bytes()
    for known in (b"topk", NAMES[5].encode(), NAMES[-1].encode()):
        data = bytearray(original)
        data[data.index(known)] ^= 1
        path.write_bytes(data)
        with pytest.raises((UserError, OSError, KeyError)):
            read(path)


@pytest.mark.parametrize("part", [0, 0.3, 0.7, 0.99])
def test_a_cut_file_is_refused(path, part):
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(UserError, match=r"a\.h5 is not a whole HDF5 file .*delete it and run again"):
        read(path)


def test_missing_files_and_keys_other_kinds_and_versions_are_named(path, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"There is no file .*b\.h5 \(topk\)"), hdf5.reading(tmp_path / "b.h5", "topk"):
        pass
    with hdf5.reading(path, "topk") as file, pytest.raises(UserError, match=r"a\.h5: /layers/nothing is missing"):
        hdf5.get(file["layers"], "nothing")
    with pytest.raises(UserError, match="holds 'topk', where a file of kind 'packed'"), hdf5.reading(path, "packed"):
        pass
    monkeypatch.setitem(hdf5.VERSIONS, "topk", 2)
    with pytest.raises(UserError, match="format version 1 of 'topk'; this zfpipe reads 2"), hdf5.reading(path, "topk"):
        pass


def test_an_error_while_writing_leaves_the_old_file(path):
    before = path.read_bytes()
    with contextlib.suppress(ZeroDivisionError), hdf5.writing(path, "topk") as file:
        hdf5.put(file, "numbers", NUMBERS)
        1 / 0  # noqa: B018
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("seed", range(6))
def test_a_full_disk_at_any_place_leaves_the_old_file_and_is_named(path, seed):
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    room = random.Random(seed).choice([0, 100, 3000, len(before) // 2, len(before) - 1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(UserError, match=r"Cannot write .*a\.h5: File too large"):
            write(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


INTERRUPTED = """
import signal, sys
import numpy as np
from zfpipe.files import disk, hdf5

path, call, when = sys.argv[1:]
own, armed = getattr(disk.Disk, call), []

def interrupted(self, *others):
    if armed:
        armed.clear()
        signal.raise_signal(signal.SIGINT)
    return own(self, *others)

setattr(disk.Disk, call, interrupted)
try:
    with hdf5.writing(path, "topk") as file:
        dataset = hdf5.allocate(file, "numbers", (300, 1000), np.float64, chunks=(1, 1000))
        write = hdf5.chunk_writer(dataset)
        for number in range(300):
            write((number,), np.full(1000, number))
            if when == "between" and number == 9:
                armed.append(True)
        if when == "at the end":
            armed.append(True)
except KeyboardInterrupt:
    print("interrupted", armed)
"""


@pytest.mark.parametrize("call", ["write", "seek", "truncate"])
@pytest.mark.parametrize("when", ["between", "at the end"])
def test_an_interruption_in_a_call_of_hdf5_is_none_in_it(tmp_path, call, when):
    words = [sys.executable, "-c", INTERRUPTED, str(tmp_path / "a.h5"), call, when]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "interrupted []\n", "")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_read_where_the_filesystem_gives_no_lock(tmp_path):
    write(tmp_path / "a.h5")
    with open(tmp_path / "a.h5", "rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)  # as a mount that refuses HDF5's own
        with pytest.raises(OSError, match="lock"):
            h5py.File(tmp_path / "a.h5", "r", locking=True)
        with hdf5.reading(tmp_path / "a.h5", "topk") as file:
            np.testing.assert_array_equal(file["layers/numbers"], NUMBERS)


def test_a_file_that_is_open_by_other_means_is_not_called_broken(tmp_path):
    path = write(tmp_path / "a.h5")
    words = r"a\.h5 is open in this program already, by other means .*; close it\.$"
    with h5py.File(path, "r", locking=True), pytest.raises(UserError, match=words):
        read(path)
