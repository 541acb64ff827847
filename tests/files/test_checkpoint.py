"""Weights on disk: the same bytes, no damage unseen, no code ever run."""

import argparse
import os
import random

import pytest
import torch
from safetensors.torch import save_file

from zfpipe.errors import UserError
from zfpipe.files.checkpoint import VERSIONS, load, load_state_dict, save
from zfpipe.files.digest import sha256_file, sha256_value

CONTENT = {"epoch": 3, "weights": {"conv.weight": torch.arange(40.0).reshape(2, 20)}, "names": ["a", None, 1.5]}


@pytest.fixture
def path(tmp_path):
    save(tmp_path / "a.pt", "checkpoint", CONTENT)
    return tmp_path / "a.pt"


def digest_or_complaint(path):
    try:
        return sha256_value(load(path, "checkpoint"))
    except UserError as error:
        return str(error)


def test_what_goes_in_comes_out_and_the_bytes_are_the_same(path, tmp_path):
    found = load(path, "checkpoint")
    assert found["epoch"] == 3
    assert torch.equal(found["weights"]["conv.weight"], CONTENT["weights"]["conv.weight"])
    save(tmp_path / "another name.pt", "checkpoint", CONTENT)
    assert sha256_file(tmp_path / "another name.pt") == sha256_file(path)


def test_no_flipped_byte_goes_unseen(path):
    data, digest = path.read_bytes(), sha256_value(CONTENT)
    for place in random.Random(0).sample(range(len(data)), 300):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        found = digest_or_complaint(path)
        assert found == digest or str(path) in found


@pytest.mark.parametrize("part", [0, 0.2, 0.9])
def test_a_cut_file_is_refused(path, part):
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(UserError, match=r"a\.pt"):
        load(path, "checkpoint")


def test_another_kind_or_version_is_refused(path, monkeypatch):
    with pytest.raises(UserError, match="holds 'checkpoint', where a zfpipe file of kind 'model'"):
        load(path, "model")
    monkeypatch.setitem(VERSIONS, "checkpoint", 9)
    with pytest.raises(UserError, match="format version 1 of 'checkpoint'; this zfpipe reads version 9"):
        load(path, "checkpoint")


class Evil:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (self.target,)


@pytest.mark.parametrize("old_format", [False, True])
@pytest.mark.parametrize("read", [lambda path: load(path, "model"), load_state_dict])
def test_a_malicious_pickle_is_refused_and_not_run(tmp_path, old_format, read):
    target = tmp_path / "was here"
    torch.save({"state_dict": Evil(str(target))}, tmp_path / "evil.pt", _use_new_zipfile_serialization=not old_format)
    with pytest.raises(UserError, match=r"evil\.pt holds more than weights .*not loaded"):
        read(tmp_path / "evil.pt")
    assert not target.exists()


@pytest.mark.parametrize("key", [None, "state_dict", "model_state_dict", "model", "net"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_state_dict_is_found_where_people_keep_it(tmp_path, key, prefix):
    weights = {f"{prefix}conv.weight": torch.ones(2)}
    torch.save({key: weights, "epoch": 3} if key else weights, tmp_path / "a.pt")
    assert list(load_state_dict(tmp_path / "a.pt")) == ["conv.weight"]


@pytest.mark.parametrize("value", [{}, {"epoch": 3}, [torch.ones(2)], torch.ones(2), {"a": torch.ones(1), "b": 2}])
def test_what_is_no_state_dict_is_refused(tmp_path, value):
    torch.save(value, tmp_path / "a.pt")
    with pytest.raises(UserError, match=r"a\.pt holds no state_dict"):
        load_state_dict(tmp_path / "a.pt")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"There is no weights file .*a\.pt"):
        load_state_dict(tmp_path / "a.pt")


def test_a_digest_tells_values_apart():
    values = [1, 1.0, True, "1", None, [1], [[1]], [1, 1], {"a": 1}, {"a": 2}, {"b": 1}, "", [], {}, ["ab"], ["a", "b"]]
    values += [torch.ones(2), torch.ones(2, 1), torch.ones(2).double(), torch.zeros(2), [torch.ones(1), torch.ones(1)]]
    assert len({sha256_value(value) for value in values}) == len(values)
    assert sha256_value({"a": 1, "b": 2}) == sha256_value({"b": 2, "a": 1})
    assert sha256_value(torch.arange(6).reshape(2, 3).T) == sha256_value(torch.arange(6).reshape(2, 3).T.contiguous())
    with pytest.raises(TypeError, match="cannot take the digest of a set"):
        sha256_value({1})


WEIGHTS = {"conv.weight": torch.arange(6.0).reshape(2, 3), "conv.bias": torch.ones(2)}


def read(path):
    found = load_state_dict(path)
    assert {key: value.tolist() for key, value in found.items()} == {k: v.tolist() for k, v in WEIGHTS.items()}


@pytest.mark.parametrize(
    "value",
    [
        {"state": {"model": WEIGHTS, "epoch": 3}, "optimizer": {"lr": 0.1}},
        {"checkpoint": {"state_dict": WEIGHTS}},
        {"model": {"args": {"width": 2}, "state_dict": WEIGHTS}},
        {"arch": "a", "args": argparse.Namespace(lr=0.1), "state_dict": WEIGHTS, "metric": 0.7, "version": 2},
        {"network": WEIGHTS, "optimizer": {"state": {0: {"step": torch.ones(2)}}}},
    ],
    ids=["nested", "checkpoint", "model", "timm", "network"],
)
def test_a_state_dict_is_found_below_another_key(tmp_path, value):
    torch.save(value, tmp_path / "a.pt")
    read(tmp_path / "a.pt")


def test_three_keys_down_is_too_deep(tmp_path):
    torch.save({"state": {"model": {"net": WEIGHTS}}, "epoch": 1}, tmp_path / "a.pt")
    with pytest.raises(UserError, match=r"holds no state_dict \(a dict of state, epoch\)"):
        load_state_dict(tmp_path / "a.pt")


@pytest.mark.parametrize("name", ["a.safetensors", "a.pt"])
def test_safetensors_are_read_whatever_their_name(tmp_path, name):
    save_file(WEIGHTS, tmp_path / name)
    read(tmp_path / name)


@pytest.mark.parametrize("part", [0, 0.5, 0.9])
def test_cut_safetensors_are_refused(tmp_path, part):
    save_file(WEIGHTS, tmp_path / "a.safetensors")
    data = (tmp_path / "a.safetensors").read_bytes()
    (tmp_path / "a.safetensors").write_bytes(data[: int(part * len(data))])
    with pytest.raises(UserError, match="not a whole safetensors file"):
        load_state_dict(tmp_path / "a.safetensors")


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_torchscript_is_refused_with_the_way_out(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "a.pt")
    with pytest.raises(UserError, match=r"a TorchScript archive.*torch\.jit\.load\(path\)\.state_dict\(\)"):
        load_state_dict(tmp_path / "a.pt")


def test_a_pickled_network_is_refused_with_the_way_out(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "a.pt")
    with pytest.raises(UserError, match=r"a pickled model.*torch\.save\(network\.state_dict\(\), path\)"):
        load_state_dict(tmp_path / "a.pt")
