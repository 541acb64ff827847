"""A packed split gives back what went in, or names file and key: no byte of it can change unseen."""

import random
import signal

import numpy as np
import pytest

from zfpipe.data.ordered import ordered_map
from zfpipe.data.packed import open_packed, write_packed
from zfpipe.errors import UserError

PATHS = ["x/1.png", "y/2.png", 'y/odd "é"\n,.png', "y/4.png"]
CLASSES = ["x", "y\n,é"]
FACTS = {"split": "val", "size": 8, "manifest_sha256": "ab" * 32}
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)


@pytest.fixture
def path(tmp_path):
    write_packed(tmp_path / "val.h5", IMAGES, [0, 1, 1, 1], PATHS, CLASSES, **FACTS)
    return tmp_path / "val.h5"


def everything(path):
    with open_packed(path) as packed:
        facts = packed.classes, packed.paths, packed.split, packed.size, packed.manifest_sha256
        return packed.read(0, len(packed)).tobytes(), packed.labels.tolist(), *facts


def everything_or_complaint(path):
    try:
        return everything(path)
    except UserError as error:
        return str(error)


@pytest.fixture
def time_limit():
    """A damaged HDF5 heap can hang its reader: then the test run ends here rather than never."""
    signal.alarm(60)
    yield
    signal.alarm(0)


def test_what_went_in_comes_out(path):
    expected = IMAGES.tobytes(), [0, 1, 1, 1], CLASSES, PATHS, "val", (8, 8), "ab" * 32
    assert everything(path) == expected
    with open_packed(path) as packed:
        assert packed.labels.dtype == np.int64
        assert np.array_equal(packed.read(1, 3), IMAGES[1:3])
        assert np.array_equal(packed.read(3, 99), IMAGES[3:])
        assert np.array_equal(packed.read_rows([3, 0, 0]), IMAGES[[3, 0, 0]])
        assert packed.read_rows([]).shape == (0, 8, 8, 3)
        for row in (-1, 4):
            with pytest.raises(IndexError, match=f"row {row} of 4"):
                packed.read_rows([row])


def test_the_same_content_gives_the_same_bytes(path, tmp_path):
    write_packed(tmp_path / "again.h5", iter(IMAGES), [0, 1, 1, 1], PATHS, CLASSES, **FACTS)
    assert (tmp_path / "again.h5").read_bytes() == path.read_bytes()


def test_a_great_many_long_class_names_come_back(tmp_path):
    classes = [f"{number} {'long name ' * 20}é" for number in range(2000)]
    write_packed(tmp_path / "a.h5", IMAGES, [0] * 4, PATHS, classes, **FACTS)
    with open_packed(tmp_path / "a.h5") as packed:
        assert packed.classes == classes


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.usefixtures("time_limit")
def test_no_flipped_byte_goes_unseen(path, seed):
    good, data = everything(path), path.read_bytes()
    for place in random.Random(seed).sample(range(len(data)), 150):
        path.write_bytes(data[:place] + bytes([data[place] ^ (1 << seed)]) + data[place + 1 :])
        found = everything_or_complaint(path)
        assert found == good or str(path) in found


def test_an_image_with_a_flipped_byte_is_named(path):
    data = bytearray(path.read_bytes())
    data[data.index(IMAGES[2].tobytes()) + 7] ^= 1
    path.write_bytes(data)
    with open_packed(path) as packed:
        assert np.array_equal(packed.read(0, 2), IMAGES[:2])
        for read in (lambda: packed.read(0, 4), lambda: packed.read_rows([2])):
            with pytest.raises(UserError, match=r"val\.h5: /images is damaged"):
                read()


@pytest.mark.parametrize("part", [0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_cut_short_is_refused(path, part):
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(UserError, match=r"val\.h5 is not a whole HDF5 file"):
        everything(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"There is no file .*val\.h5"):
        everything(tmp_path / "val.h5")


def test_an_error_while_images_come_leaves_the_old_file(path):
    before = path.read_bytes()

    def failing():
        yield IMAGES[0]
        raise UserError("second image changed")

    with pytest.raises(UserError, match="second image changed"):
        write_packed(path, failing(), [0, 1, 1, 1], PATHS, CLASSES, **FACTS)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_too_few_images_are_refused(path):
    with pytest.raises(ValueError, match="3 images came for 4 rows"):
        write_packed(path, IMAGES[:3], [0, 1, 1, 1], PATHS, CLASSES, **FACTS)


@pytest.mark.parametrize(("threads", "at_once"), [(1, 1), (3, 1), (2, 7)])
def test_ordered_map_keeps_order_and_takes_few_items_ahead(threads, at_once):
    taken = []
    items = (taken.append(number) or number for number in range(100))
    for place, result in enumerate(ordered_map(lambda number: number * number, items, threads, at_once)):
        assert result == place * place
        assert len(taken) <= place + (1 + 3 * threads) * at_once
    assert place == 99


@pytest.mark.parametrize("at_once", [1, 3])
def test_ordered_map_raises_for_the_first_bad_item(at_once):
    def inverse(number):
        return 1 / number

    results = ordered_map(inverse, [1, 2, 0, 0], 2, at_once)
    assert [next(results), next(results)] == [1, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(results)


@pytest.mark.parametrize(("size", "channels"), [((6, 9), 3), (7, 1), ((5, 4), 6)])
def test_images_of_any_shape_and_channels(tmp_path, size, channels):
    height, width = size if isinstance(size, tuple) else (size, size)
    images = np.random.default_rng(1).integers(0, 256, (3, height, width, channels), dtype=np.uint8)
    facts = FACTS | {"size": size, "channels": channels}
    write_packed(tmp_path / "a.h5", images, [0, 1, 0], ["x", "y", "z"], CLASSES, **facts)
    with open_packed(tmp_path / "a.h5") as packed:
        assert (packed.size, packed.channels) == ((height, width), channels)
        assert np.array_equal(packed.read(0, 3), images)
        assert np.array_equal(packed.read_rows([2, 0]), images[[2, 0]])
