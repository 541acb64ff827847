"""The reconstruction file: written one at a time, read a unit at a time, damage named."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from topk_examples import INPUT, layer

from zfpipe.errors import UserError
from zfpipe.files.reconstruction import inside_image, open_reconstruction, writing_reconstruction

UNITS = [1, 2, 0]
FACTS = {"images": 10, "model_sha256": "m", "manifest_sha256": "f", "topk_sha256": "t"}
EXTRAS = {
    "label": np.array([[1, 0, -1], [-1, -1, -1], [0, 1, 1]], np.int32),
    "classes": ["cat", "dög"],
    "filters": np.ones((3, 5, 5, 3), np.float32),
    "collide": "add",
}


def pictures(unit, rank, box):
    rng = np.random.default_rng([unit, rank])
    inside = inside_image(box, INPUT)[..., None]
    projection = rng.normal(size=(7, 7, 3)).astype(np.float32) * inside
    return projection, (rng.integers(1, 256, (7, 7, 3)) * inside).astype(np.uint8)


def write(path, change=lambda unit, rank, put: put, **more):
    entries = layer()
    boxes = entries.boxes(INPUT)
    with writing_reconstruction(path, entries, UNITS, INPUT, **{**FACTS, **more}) as writer:
        for position, unit in enumerate(UNITS):
            for rank in np.flatnonzero(entries.present[unit]):
                put = (position, rank, *pictures(unit, rank, boxes[unit, rank]), boxes[unit, rank])
                put = change(unit, rank, put)
                if put:
                    writer.put(*put)


@pytest.fixture
def path(tmp_path):
    write(tmp_path / "conv1.h5", **EXTRAS)
    return tmp_path / "conv1.h5"


def test_what_is_written_is_read(path):
    entries = layer()
    with open_reconstruction(path) as found:
        assert (found.layer, found.k, found.channels, found.dead, found.images) == ("features.conv1", 3, 3, 1, 10)
        assert found.unit.tolist() == UNITS
        assert found.classes == ["cat", "dög"]
        assert found.topk_sha256 == "t"
        assert found.input_size == INPUT
        assert np.array_equal(found.activation, entries.activation[UNITS])
        assert np.array_equal(found.box, entries.boxes(INPUT)[UNITS])
        for position, unit in enumerate(UNITS):
            for rank in np.flatnonzero(found.present[position]):
                projection, patch = pictures(unit, rank, found.box[position, rank])
                assert np.array_equal(found.projection(position)[rank], projection)
                assert np.array_equal(found.patch(position)[rank], patch)


def test_missing_entries_are_zero_and_have_no_box(path):
    with open_reconstruction(path) as found:
        assert not found.present[1].any()  # the dead unit
        assert not found.projection(1).any()
        assert not found.patch(0)[2].any()
        assert (found.box[~found.present] == -1).all()


def test_filters_and_labels_may_be_left_out(tmp_path):
    write(tmp_path / "a.h5")
    with open_reconstruction(tmp_path / "a.h5") as found:
        assert found.filters is None
        assert (found.label == -1).all()


def moved(unit, rank, put):
    return (*put[:4], put[4] + 1)


def painted_outside(unit, rank, put):
    put[2][~inside_image(put[4], INPUT)] = 1
    return put


def twice(unit, rank, put):
    return (*((2, 0) if (unit, rank) == (0, 1) else put[:2]), *put[2:])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda unit, rank, put: None if (unit, rank) == (0, 1) else put, "1 reconstructions were never put"),
        (moved, "belongs"),
        (painted_outside, "not 0 outside the image"),
        (twice, "put before"),
        (lambda unit, rank, put: (1, *put[1:]), "missing from the top-k"),
    ],
)
def test_the_writer_refuses_what_cannot_be_and_leaves_nothing(tmp_path, change, complaint):
    with pytest.raises(ValueError, match=complaint):
        write(tmp_path / "a.h5", change)
    assert not list(tmp_path.iterdir())


def test_facts_are_not_forgotten(tmp_path):
    with pytest.raises(ValueError, match="facts lack topk_sha256"):
        with writing_reconstruction(
            tmp_path / "a.h5", layer(), [0], INPUT, images=1, model_sha256="m", manifest_sha256="f"
        ):
            pass


def test_a_unit_that_the_layer_does_not_have_is_refused(tmp_path):
    with pytest.raises(UserError, match="has no unit 3; its units are 0 to 2"):
        with writing_reconstruction(tmp_path / "a.h5", layer(), [3], INPUT, **FACTS):
            pass


def replace(key, change):
    def apply(file):
        values = change(file[key][:])
        del file[key]
        file.create_dataset(key, data=values, chunks=values.shape, fletcher32=True)

    return apply


def shift_box(values):
    values[0, 0] += 1
    return values


@pytest.mark.parametrize(
    ("damage", "key"),
    [
        (replace("box", shift_box), "/box does not follow"),
        (replace("unit", lambda values: values + 1), "/unit is not a set of units"),
        (replace("unit", lambda values: values * 0), "/unit is not a set of units"),
        (replace("label", lambda values: values + 2), "/label is not one of the classes"),
        (replace("filters", lambda values: values[:2]), "/filters has shape"),
        (replace("patch", lambda values: values[:, :2]), "/patch is uint8"),
        (replace("projection", lambda values: values.astype(np.float16)), "/projection is float16"),
        (replace("activation", lambda values: values[:, :2]), "/activation has shape"),
        (lambda file: file.__delitem__("projection"), "/projection is missing"),
        (lambda file: file.__delitem__("row"), "/row is missing"),
        (lambda file: file.attrs.__delitem__("topk_sha256"), "/topk_sha256 is missing"),
        (lambda file: file.attrs.__setitem__("jump", 2.5), "/jump is"),
    ],
)
def test_parts_that_do_not_agree_are_refused(path, damage, key):
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(UserError) as error:
        with open_reconstruction(path):
            pass
    assert f"{path}: {key}" in str(error.value)


def test_a_number_that_is_none_is_refused(path):
    with h5py.File(path, "r+") as file:
        file["projection"][0, 0, 3, 3, 0] = np.nan
    with open_reconstruction(path) as found, pytest.raises(UserError, match=r"/projection \[0\] is not finite"):
        found.projection(0)


@pytest.mark.parametrize("key", ["projection", "patch"])
def test_a_flipped_byte_in_the_pixels_is_found_on_reading_them(path, key):
    with h5py.File(path) as file:
        place = file[key].id.get_chunk_info_by_coord((2, 0, 0, 0, 0)).byte_offset
    data = bytearray(path.read_bytes())
    data[place + 5] ^= 1
    path.write_bytes(data)
    with open_reconstruction(path) as found:
        getattr(found, key)(0)  # other units are whole
        with pytest.raises(UserError, match=f"{path}: /{key} is damaged"):
            getattr(found, key)(2)


def everything(path):
    with open_reconstruction(path) as found:
        arrays = [found.activation, found.image_index, found.row, found.col, found.box, found.label, found.filters]
        rows = range(len(found.unit))
        return [*arrays, *map(found.projection, rows), *map(found.patch, rows), np.array(found.receptive_field)]


def test_a_flipped_byte_never_changes_what_is_read(path):
    data, whole, found = path.read_bytes(), everything(path), 0
    for place in np.random.default_rng(0).choice(len(data), 300, replace=False):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x04]) + data[place + 1 :])
        try:
            assert all(map(np.array_equal, everything(path), whole)), f"byte {place}"
        except UserError as error:
            found += 1
            assert str(path) in str(error)  # noqa: PT017
    assert found > 20


def test_a_file_cut_in_half_is_refused(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match="not a whole HDF5 file"):
        with open_reconstruction(path):
            pass


def test_files_of_earlier_releases_are_still_read(path):
    old, new = everything(Path(__file__).parent / "archive" / "reconstruction-1.h5"), everything(path)
    assert all(map(np.array_equal, old, new))


def test_the_page_on_file_formats_names_every_key(path):
    prose = (Path(__file__).parents[2] / "docs" / "file-formats.md").read_text()
    prose = prose[prose.index("kind `reconstruction`") :]
    with h5py.File(path) as file:
        for name in {*file, *file.attrs} - {"kind", "format_version"}:
            assert f"`{name}`" in prose, name
