"""Every kind of result file, cut anywhere and with any bit changed: its reader names it, and never gives other data."""

import random

import h5py
import pytest
from readers import READERS, read
from writers import WRITERS, write

from zfpipe.errors import UserError

pytestmark = pytest.mark.filterwarnings("error:Detected pickle protocol")  # a user sees one sentence
CUTS, FLIPS = 60, 250


class Sample:
    """A whole file of a kind, and what its reader says of other bytes in its place."""

    def __init__(self, kind, folder):
        self.kind, self.path = kind, folder / WRITERS[kind][1]
        write(kind, str(self.path), 1)
        self.data, self.right = self.path.read_bytes(), read(kind, self.path)

    def complaint(self, data):
        """Read other bytes; return the complaint, or None if the right content came. Anything else fails the test."""
        self.path.write_bytes(data)
        try:
            assert read(self.kind, self.path) == self.right
        except UserError as error:
            assert str(self.path) in str(error)  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017
            return str(error)
        return None

    def flipped(self, place, bit):
        return self.data[:place] + bytes([self.data[place] ^ 1 << bit]) + self.data[place + 1 :]


@pytest.fixture(params=READERS)
def sample(request, tmp_path):
    return Sample(request.param, tmp_path)


def test_a_file_cut_anywhere_is_refused(sample):
    last = len(sample.data) - 1 - (sample.kind in ("manifest", "report"))  # their very last byte ends a line, no more
    for length in {round(part * last / CUTS) for part in range(CUTS + 1)}:
        assert sample.complaint(sample.data[:length]), length


def test_no_flipped_bit_changes_what_is_read(sample):
    random_ = random.Random(0)
    places = random_.sample(range(len(sample.data)), min(FLIPS, len(sample.data)))
    found = [sample.complaint(sample.flipped(place, random_.randrange(8))) for place in places]
    assert sum(map(bool, found)) > len(places) / 2  # the others were in bytes that say nothing (padding)


@pytest.mark.slow
def test_no_flipped_bit_anywhere_changes_what_is_read(sample):
    random_ = random.Random(1)
    for place in range(len(sample.data)):
        sample.complaint(sample.flipped(place, random_.randrange(8)))


@pytest.mark.parametrize("kind", ["packed", "topk", "reconstruction", "evolution"])
def test_a_flipped_bit_in_any_dataset_is_told_with_its_key(tmp_path, kind):
    sample, random_ = Sample(kind, tmp_path), random.Random(0)
    with h5py.File(sample.path) as file:
        names = []
        file.visititems(lambda name, found: names.append(name) if isinstance(found, h5py.Dataset) else None)
        chunks = {name: file[name].id.get_chunk_info(0) for name in names}
    assert len(chunks) >= 3
    for name, chunk in chunks.items():
        place = chunk.byte_offset + random_.randrange(chunk.size)
        complaint = sample.complaint(sample.flipped(place, random_.randrange(8)))
        assert f"{sample.path}: /{name} is damaged" in complaint


def test_garbage_and_nothing_are_refused(sample):
    for data in (b"", b"\0" * 5000, random.Random(0).randbytes(5000), b"\x89HDF\r\n\x1a\n" + bytes(500), b"PK\3\4" * 9):
        assert sample.complaint(data)


def test_another_kinds_file_is_refused(sample, tmp_path):
    for kind in READERS:
        if kind != sample.kind:
            assert sample.complaint(Sample(kind, tmp_path / kind).data)
