"""The top-k file: what goes in comes out, and nothing impossible comes out."""

import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from topk_examples import INPUT, layer, topk

from zfpipe.errors import UserError
from zfpipe.files import hdf5
from zfpipe.files.topk import COLUMNS, read_topk, write_topk


def same(one, other, columns=(*COLUMNS, "histogram")):
    layers = list(one.layers) == list(other.layers) and all(
        all(np.array_equal(getattr(a, name), getattr(b, name)) for name in columns)
        and (a.name, a.receptive_field, a.jump, a.start, a.map_size)
        == (b.name, b.receptive_field, b.jump, b.start, b.map_size)
        for a, b in zip(one.layers.values(), other.layers.values(), strict=True)
    )
    facts = [{k: v for k, v in vars(each).items() if k != "layers"} for each in (one, other)]
    return layers and facts[0] == facts[1]


@pytest.fixture
def path(tmp_path):
    write_topk(tmp_path / "topk.h5", topk())
    return tmp_path / "topk.h5"


def test_what_is_written_is_read_with_layers_in_their_order(path):
    found = read_topk(path)
    assert same(found, topk())
    assert list(found.layers) == ["features.conv2", "features.conv1"]  # not the alphabet's
    assert found.layers["features.conv1"].dead.tolist() == [False, False, True]


def test_the_same_content_gives_the_same_bytes_later(path, tmp_path):
    time.sleep(1.1)  # HDF5 keeps times in seconds, where it keeps any
    write_topk(tmp_path / "again.h5", topk())
    assert (tmp_path / "again.h5").read_bytes() == path.read_bytes()


IMPOSSIBLE = {
    "activation does not descend": ("activation", (0, 2), 2.5),
    "activation is not finite": ("activation", (0, 0), np.inf),
    "activation is not above 0": ("activation", (0, 2), 0),
    "activation is not 0 where": ("activation", (1, 2), 0.1),
    "image_index leaves [0, 10)": ("image_index", (0, 0), 10),
    "image_index names an image twice": ("image_index", (0, 0), 7),
    "does not ascend among equal": ("image_index", (0, 1), 8),
    "missing before one that is there": ("image_index", (1, 0), -1),
    "row leaves the map of 5": ("row", (0, 1), 5),
    "col leaves the map of 6": ("col", (0, 0), 6),
    "row is not -1": ("row", (2, 0), 0),  # the dead map listed as position (0, 0)
    "col is not -1": ("col", (2, 0), 0),
    "count each of 10 images once": ("histogram", (0, 1), 1),
    "end where the strongest": ("activation", (0, 0), 3.5),
}


@pytest.mark.parametrize("complaint", IMPOSSIBLE)
def test_impossible_entries_are_refused_by_reader_and_writer(path, complaint):
    name, where, value = IMPOSSIBLE[complaint]
    with h5py.File(path, "r+") as file:
        file["layers/features.conv1"][name][where] = value
        if complaint.startswith("missing before"):
            file["layers/features.conv1/activation"][where] = 1.5
    if not complaint.startswith("missing before"):
        with pytest.raises(UserError) as error:
            read_topk(path)
        assert str(path) in str(error.value)
        assert "/layers/features.conv1" in str(error.value)
        assert complaint in str(error.value)
    wrong = layer()
    getattr(wrong, name)[where] = value
    with pytest.raises(ValueError, match=r"features\.conv1"):
        write_topk(path, topk(wrong))


def test_a_missing_entry_before_one_that_is_there_is_refused():
    wrong = layer()
    for name, value in (("activation", 0), ("image_index", -1), ("row", -1), ("col", -1)):
        getattr(wrong, name)[0, 0] = value
    with pytest.raises(ValueError, match="missing before one that is there"):
        write_topk("never.h5", topk(wrong))


@pytest.mark.parametrize("key", ["activation", "image_index", "row", "col"])
def test_a_missing_dataset_is_named(path, key):
    with h5py.File(path, "r+") as file:
        del file[f"layers/features.conv2/{key}"]
    with pytest.raises(UserError, match=f"{path}: /layers/features.conv2/{key} is missing"):
        read_topk(path)


@pytest.mark.parametrize("key", ["k", "images", "first", "last", "input_size", "layers", "model_sha256"])
def test_a_missing_attribute_is_named(path, key):
    with h5py.File(path, "r+") as file:
        del file.attrs[key]
    with pytest.raises(UserError, match=f"{path}: /{key} is missing"):
        read_topk(path)


def test_a_missing_layer_is_named(path):
    with h5py.File(path, "r+") as file:
        del file["layers/features.conv2"]
    with pytest.raises(UserError, match=r"/layers/features\.conv2 is missing"):
        read_topk(path)


def test_another_dtype_or_shape_is_refused(path):
    with h5py.File(path, "r+") as file:
        group = file["layers/features.conv1"]
        values = group["activation"][:].astype(np.float16)  # keeping ranks in half precision loses some
        del group["activation"]
        group.create_dataset("activation", data=values, chunks=values.shape, fletcher32=True)
    with pytest.raises(UserError, match="activation is float16, not float32"):
        read_topk(path)


def test_a_range_outside_the_split_is_refused(path):
    with h5py.File(path, "r+") as file:
        file.attrs["last"] = 11
    with pytest.raises(UserError, match=r"\[0, 11\), not a part of 10 images"):
        read_topk(path)


def test_another_kind_or_version_is_refused(path, tmp_path):
    with hdf5.writing(tmp_path / "packed.h5", "packed"):
        pass
    with pytest.raises(UserError, match="holds 'packed', where a file of kind 'topk' is needed"):
        read_topk(tmp_path / "packed.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = 99
    with pytest.raises(UserError, match="format version 99"):
        read_topk(path)


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.99])
def test_a_file_cut_short_is_refused(path, part):
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    with pytest.raises(UserError, match="not a whole HDF5 file"):
        read_topk(path)


def test_a_flipped_byte_never_changes_what_is_read(path):
    data, found = path.read_bytes(), 0
    for place in np.random.default_rng(0).choice(len(data), 400, replace=False):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x40]) + data[place + 1 :])
        try:
            assert same(read_topk(path), topk()), f"byte {place}"  # in a part of the file that holds nothing
        except UserError as error:
            found += 1
            assert str(path) in str(error)  # noqa: PT017
    assert found > 20


@pytest.mark.parametrize("name", ["a/b", "", ".", ".."])
def test_a_name_that_cannot_stand_in_a_file_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="A layer is named"):
        write_topk(tmp_path / "topk.h5", topk(layer(name)))
    assert not list(tmp_path.iterdir())


def test_boxes_follow_from_positions_and_may_pass_the_border():
    boxes = layer().boxes(INPUT)
    assert boxes[0].tolist() == [[-1, 1, 6, 8], [7, 9, 14, 16], [3, 5, 10, 12]]
    assert (boxes[2] == -1).all()


def test_a_receptive_field_that_covers_the_image_is_the_image():
    wide = layer()
    wide.receptive_field = (20, 7)
    assert wide.crop_size(INPUT) == (12, 7)
    assert wide.boxes(INPUT)[0, 1].tolist() == [0, 9, 12, 16]


def test_files_of_earlier_releases_are_still_read():
    old = read_topk(Path(__file__).parent / "archive" / "topk-1.h5")
    assert same(old, topk(), COLUMNS)
    assert all(layer.histogram is None for layer in old.layers.values())


def test_the_page_on_file_formats_names_every_key(path):
    prose = (Path(__file__).parents[2] / "docs" / "file-formats.md").read_text()
    prose = prose[prose.index("kind `topk`") :]
    with h5py.File(path) as file:
        group = file["layers/features.conv1"]
        for name in {*file, *file.attrs, *group, *group.attrs} - {"kind", "format_version"}:
            assert f"`{name}`" in prose, name
