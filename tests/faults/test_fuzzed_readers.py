"""Readers given what nobody wrote: they take it or raise UserError (Undecodable for an image), and nothing else."""

import contextlib
import csv
import hashlib
import io
import os
import tempfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some
from PIL import Image
from readers import read
from writers import WRITERS, write

from zfpipe.data.channels import read_pixels
from zfpipe.data.decode import Undecodable, decode
from zfpipe.data.manifest import COLUMNS, TRAILER, read_manifest
from zfpipe.data.table import list_table, read_exclusions
from zfpipe.errors import UserError
from zfpipe.files import checkpoint
from zfpipe.nets.models import Model, build, load_model, save_model

fuzzed = settings(
    max_examples=int(os.environ.get("FUZZ", "60")),
    deadline=None,
    derandomize="FUZZ" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
scalars = some.one_of(
    some.none(),
    some.booleans(),
    some.integers(-(2**70), 2**70),
    some.floats(),
    some.text(max_size=8),
    some.just("[" * 3000),
)
values = some.one_of(
    scalars, some.lists(scalars, max_size=4), some.dictionaries(some.text(max_size=4), scalars, max_size=3)
)
WORDS = ("path", "label", "split", "train", "val", "a/b.png", "../x.png", "/etc/passwd", "", "\x00", '"', "é", "\ud800")
cells = some.one_of(some.sampled_from(WORDS), some.text(max_size=6))
tables = some.lists(some.lists(cells, max_size=6), max_size=6)


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


def as_csv(rows) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode(errors="surrogatepass")


@fuzzed
@given(
    some.one_of(
        tables.map(as_csv),
        tables.map(lambda rows: as_csv([["path", "label", "split"], *rows])),
        some.binary(max_size=40),
    )
)
@example(b"path,label\n" + b"x" * 200_000 + b",a\n")  # longer than a field of a CSV may be
@example(b"path,label\n\x00,a\n")
def test_any_table_is_read_or_refused_and_never_leads_out_of_the_root(data):
    with folder() as place:
        (place / "list.csv").write_bytes(data)
        with contextlib.suppress(UserError):
            for listed in list_table(place / "list.csv", place / "root").files:
                assert not os.path.isabs(listed.path)
                assert listed.path.split("/")[0] != ".."
        with contextlib.suppress(UserError):
            read_exclusions(place / "list.csv")


@fuzzed
@given(some.one_of(tables.map(lambda rows: as_csv([COLUMNS, *rows])), some.binary(max_size=40)))
@example(as_csv([COLUMNS, ["0", "train", "../../outside.png", "a", "0"]]))
@example(as_csv([COLUMNS, ["0", "train", "/outside.png", "a", "0"]]))
@example(as_csv([COLUMNS, ["0", "train"]]))
@example(as_csv([COLUMNS, ["zero", "train", "a.png", "a", "0"]]))
@example(b"\xff\xfe")
def test_any_manifest_with_a_right_digest_is_read_or_refused(body):
    body = body.rstrip(b"\n") + b"\n"
    with folder() as place:
        path = place / "manifest.csv"
        path.write_bytes(body + f"{TRAILER}{hashlib.sha256(body).hexdigest()}\n".encode())
        try:
            rows = read_manifest(path)
        except UserError as error:
            assert str(path) in str(error)  # noqa: PT017
            return
        assert all(not os.path.isabs(row.path) and ".." not in row.path.split("/") for row in rows)


def lot(value) -> int:
    return zlib.crc32(repr(value).encode())


def change_group(file, name, value):
    if name in file:
        del file[name]
    file.create_group(name)


def change_data(file, name, value):
    shape = file[name].shape if name in file and isinstance(file[name], h5py.Dataset) else (3,)
    if name in file:
        del file[name]
    kinds = (np.float16, np.float64, np.uint8, np.int8, np.int64, np.complex64, np.bool_, "S3")
    shape = (*shape, 1)[: 1 + lot(value) % 6] or (2,)
    data = np.full(shape, b"1" if lot(value) % 8 == 7 else 1).astype(kinds[lot(value) % 8])
    file.create_dataset(name, data=data, chunks=data.shape, fletcher32=True)


def change_attribute(file, name, value):
    names = sorted(file.attrs)
    with contextlib.suppress(TypeError, ValueError, OverflowError, OSError):  # no attribute takes it
        file.attrs[names[lot(name) % len(names)]] = value


def drop_attribute(file, name, value):
    names = sorted(file.attrs)
    del file.attrs[names[lot(name) % len(names)]]


def datasets_of(file):
    names = []
    file.visititems(lambda name, found: names.append(name))
    return sorted(names)


@fuzzed
@given(
    some.sampled_from(("packed", "topk", "reconstruction", "evolution")),
    some.sampled_from((change_group, change_data, change_attribute, change_attribute, drop_attribute)),
    some.integers(0, 50),
    values,
)
def test_any_change_of_structure_is_refused_or_changes_nothing(kind, change, place, value):
    with folder() as at:
        path = at / WRITERS[kind][1]
        write(kind, str(path), 1)
        with h5py.File(path, "r+") as file:
            names = datasets_of(file)
            change(file, names[place % len(names)], value)
        try:
            read(kind, path)
        except UserError as error:
            assert str(path) in str(error)  # noqa: PT017


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    spec = {"name": "zfnet", "width": 0.03, "input_size": 48, "norm": "batch"}
    path = tmp_path_factory.mktemp("model") / "model.pt"
    mean, std = torch.zeros(3, 1, 1), torch.ones(3, 1, 1)
    save_model(path, Model(build(spec, 2), spec, ["a", "b"], mean, std, 52))
    return path


@fuzzed
@given(
    some.sampled_from(("spec", "classes", "mean", "std", "packed_size", "state_dict", "width", "input_size", "name")),
    values,
)
@example("width", 1e9)  # terabytes, were it built
@example("input_size", [10**9, 10**9])
@example("packed_size", 3)
@example("name", "os:getcwd")
@example("name", "torchvision:vit_h_14")
@example("classes", ["x"] * 1000)
def test_any_model_content_is_taken_or_refused(model_file, key, value):
    content = checkpoint.load(model_file, "model")
    if key in content:
        content[key] = value
    else:
        content["spec"] = content["spec"] | {key: value}
    with folder() as at:
        checkpoint.save(at / "model.pt", "model", content)
        try:
            load_model(at / "model.pt")
        except UserError as error:
            assert "model.pt" in str(error)  # noqa: PT017


@fuzzed
@given(
    some.recursive(
        scalars,
        lambda inner: some.dictionaries(some.text(max_size=5), inner, max_size=4) | some.lists(inner, max_size=3),
    )
)
def test_any_pickle_holds_a_state_dict_or_is_refused(value):
    with folder() as at:
        torch.save({"state_dict": value}, at / "a.pt")
        for reader in (checkpoint.load_state_dict, lambda path: checkpoint.load(path, "model")):
            with contextlib.suppress(UserError):
                reader(at / "a.pt")


def encoded(kind: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    data = io.BytesIO()
    if kind == "NPY":
        np.save(data, pixels)
    else:
        Image.fromarray(pixels).save(data, kind)
    return data.getvalue()


IMAGES = {kind: encoded(kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "PPM", "WEBP", "NPY")}
edits = some.lists(
    some.tuples(some.integers(0, 10**4), some.sampled_from([0, 1, 127, 128, 255]), some.booleans()), min_size=1
)


@fuzzed
@given(some.sampled_from(sorted(IMAGES)), edits)
def test_any_bytes_are_an_image_or_undecodable(kind, edits):
    data = bytearray(IMAGES[kind])
    for place, value, near in edits:
        data[place % min(len(data), 60 if near else len(data))] = value
    for reader in (
        lambda: decode(io.BytesIO(data)),
        *(lambda c=c: read_pixels(bytes(data), (9, 9), c) for c in (1, 3, 5)),
    ):
        with contextlib.suppress(Undecodable):
            reader()


def test_an_archive_of_arrays_is_no_image():
    data = io.BytesIO()
    np.savez(data, a=np.zeros((4, 4, 5), np.uint8))
    with pytest.raises(Undecodable):
        read_pixels(data.getvalue(), (4, 4), 5)


def test_an_array_that_claims_more_than_it_holds_is_undecodable():
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**6, 10**6, 5)})
    with pytest.raises(Undecodable):
        read_pixels(header.getvalue() + bytes(100), (4, 4), 5)
