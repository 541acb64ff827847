"""Files that mean harm: none runs code, none is followed elsewhere, none takes the memory, and each is named."""

import json
import os
import sys
import tracemalloc

import h5py
import numpy as np
import pytest
import torch
from readers import read
from writers import WRITERS, write

from zfpipe.errors import UserError
from zfpipe.files import checkpoint
from zfpipe.nets.models import Model, build, load_model, save_model

DATA = {
    "packed": "images",
    "topk": "layers/conv1/activation",
    "reconstruction": "projection",
    "evolution": "layers/conv1/patch",
}
MEGABYTES = 64


def values_of(file, name):
    values = file[name][...]
    del file[name]
    return values


def soft_link(file, name, folder):
    file.move(name, "elsewhere")
    file[name] = h5py.SoftLink("/elsewhere")


def external_link(file, name, folder):
    with h5py.File(folder / "other.h5", "w") as other:
        other.create_dataset("data", data=values_of(file, name), chunks=True, fletcher32=True)
    file[name] = h5py.ExternalLink(str(folder / "other.h5"), "/data")


def external_storage(file, name, folder):
    values = values_of(file, name)
    (folder / "raw.bin").write_bytes(values.tobytes())
    external = [(str(folder / "raw.bin"), 0, values.nbytes)]
    file.create_dataset(name, values.shape, values.dtype, external=external)


def virtual(file, name, folder):
    values = values_of(file, name)
    with h5py.File(folder / "other.h5", "w") as other:
        other["data"] = values
    layout = h5py.VirtualLayout(values.shape, values.dtype)
    layout[...] = h5py.VirtualSource(str(folder / "other.h5"), "data", values.shape)
    file.create_virtual_dataset(name, layout)


def without_checksum(file, name, folder):
    file.create_dataset(name, data=values_of(file, name), chunks=True)


def without_chunks(file, name, folder):
    file[name] = values_of(file, name)


def packed_otherwise(file, name, folder):
    file.create_dataset(name, data=values_of(file, name), chunks=True, fletcher32=True, compression="lzf")


def of_varying_length(file, name, folder):
    shape = values_of(file, name).shape
    file.create_dataset(name, shape, h5py.vlen_dtype(np.float32), chunks=True)


def named_type(file, name, folder):
    file["type"] = np.dtype("f4")


FOREIGN = {
    soft_link: "is a link to another place",
    external_link: "is a link to another place",
    external_storage: "keeps its data in another file",
    virtual: "is not stored in chunks",
    without_checksum: "has no checksum",
    without_chunks: "is not stored in chunks",
    packed_otherwise: "is packed in a way",
    of_varying_length: "of varying length",
    named_type: "is a Datatype",
}


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("harm", FOREIGN, ids=lambda harm: harm.__name__)
def test_what_leads_out_of_a_file_or_has_no_checksum_is_refused(tmp_path, kind, harm):
    path = tmp_path / WRITERS[kind][1]
    write(kind, str(path), 1)
    with h5py.File(path, "r+") as file:
        harm(file, DATA[kind], tmp_path)
    with pytest.raises(UserError) as error:
        read(kind, path)
    assert f"{path}: /" in str(error.value)
    assert FOREIGN[harm] in str(error.value)


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("axis", range(5))
def test_an_absurd_shape_takes_no_memory(tmp_path, kind, axis):
    path, name = tmp_path / WRITERS[kind][1], DATA[kind]
    write(kind, str(path), 1)
    with h5py.File(path, "r+") as file:
        values = values_of(file, name)
        shape = list(values.shape)
        shape[axis % len(shape)] = 10**11
        file.create_dataset(name, shape, values.dtype, chunks=(1,) * len(shape), fletcher32=True)
    tracemalloc.start()
    with pytest.raises(UserError) as error:
        read(kind, path)
    assert tracemalloc.get_traced_memory()[1] < MEGABYTES * 2**20
    tracemalloc.stop()
    assert f"{path}: /{name}" in str(error.value)


def test_a_chunk_that_unpacks_to_gigabytes_takes_no_memory(tmp_path):
    path, name = tmp_path / "topk.h5", DATA["topk"]
    write("topk", str(path), 1)
    with h5py.File(path, "r+") as file:
        values = values_of(file, name)
        shape = (10**9, values.shape[1])
        file.create_dataset(name, shape, values.dtype, chunks=(*shape[:1], 1), fletcher32=True, compression="gzip")
    with pytest.raises(UserError, match=rf"/{name} has chunks of 4,000,000,000 bytes"):
        read("topk", path)


HOSTILE = """
from pathlib import Path
from torch import nn
Path("imported").touch()
def build(**settings):
    Path("built").touch()
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU())
"""


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A module that is installed, as it were, and a model file that names it; the working folder is another."""
    for name in ("installed", "here"):
        (tmp_path / name).mkdir()
    (tmp_path / "installed/hostile_net.py").write_text(HOSTILE)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "installed"), *sys.path])
    monkeypatch.delitem(sys.modules, "hostile_net", raising=False)
    monkeypatch.delenv("ZFPIPE_NETWORKS", raising=False)
    content = {"spec": {"name": "hostile_net:build", "input_size": 20, "args": {}, "code": "0" * 64}, "classes": []}
    content |= {"mean": torch.zeros(3, 1, 1), "std": torch.ones(3, 1, 1), "packed_size": 20, "state_dict": {}}
    checkpoint.save("model.pt", "model", content | {"facts": {}})
    return tmp_path / "here"


def test_a_model_file_runs_no_code_but_that_of_the_working_folder(elsewhere, monkeypatch):
    way_out = (
        r"model\.pt names the network hostile_net:build, which is code outside .*set ZFPIPE_NETWORKS=hostile_net:build"
    )
    with pytest.raises(UserError, match=way_out):
        load_model("model.pt")
    assert os.listdir() == ["model.pt"]  # neither imported nor built
    monkeypatch.setenv("ZFPIPE_NETWORKS", "timm:create_model,hostile_net:build")
    with pytest.raises(UserError, match="is stale: the code of hostile_net:build"):
        load_model("model.pt")
    assert sorted(os.listdir()) == ["built", "imported", "model.pt"]


@pytest.mark.parametrize(
    "name", ["os:getcwd", "subprocess:run", "torch.hub:load", "zfpipe.__main__:main", ":", "a:", ":b"]
)
def test_a_model_file_names_no_function_of_a_package(elsewhere, name):
    content = checkpoint.load("model.pt", "model")
    checkpoint.save("model.pt", "model", content | {"spec": content["spec"] | {"name": name}})
    with pytest.raises(UserError, match=r"model\.pt"):
        load_model("model.pt")


def test_an_absurd_network_takes_no_memory(tmp_path):
    spec = {"name": "zfnet", "width": 0.03, "input_size": 48, "norm": "batch"}
    mean, std = torch.zeros(3, 1, 1), torch.ones(3, 1, 1)
    save_model(tmp_path / "model.pt", Model(build(spec, 2), spec, ["a", "b"], mean, std, 52))
    content = checkpoint.load(tmp_path / "model.pt", "model")
    checkpoint.save(tmp_path / "model.pt", "model", content | {"spec": spec | {"width": 1e4}})
    with pytest.raises(UserError, match=r"model\.pt: does not fit the model|model\.pt: its spec"):
        load_model(tmp_path / "model.pt")


def test_safetensors_that_claim_more_than_they_hold_are_refused(tmp_path):
    header = json.dumps({"a": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}).encode()
    (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(100))
    with pytest.raises(UserError, match=r"a\.safetensors is not a whole safetensors file"):
        checkpoint.load_state_dict(tmp_path / "a.safetensors")
