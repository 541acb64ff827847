"""Preprocessing of given weights, and torchvision's weights by name, without a network."""

import numpy as np
import pytest
import torch
from torchvision import models

from zfpipe.errors import UserError
from zfpipe.nets import borrowed
from zfpipe.nets.borrowed import (
    entry_classes,
    entry_file,
    entry_settings,
    entry_weights,
    interpolation,
    is_entry,
    parse_preprocess,
    preprocess,
)
from zfpipe.nets.models import Model, build

NAME, KEY, FILE = "torchvision:squeezenet1_1", "IMAGENET1K_V1", "squeezenet1_1-b8a52dc0.pth"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty cache, and a network that refuses."""

    def refuse(url, *_, **__):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    return tmp_path / "hub"


def test_a_file_in_the_cache_is_taken(hub):
    (hub / "checkpoints").mkdir(parents=True)
    torch.manual_seed(0)
    weights = models.squeezenet1_1().state_dict()
    torch.save(weights, hub / "checkpoints" / FILE)
    found = entry_weights(NAME, KEY)
    assert all(torch.equal(found[key], weights[key]) for key in weights)


def test_offline_the_error_says_where_to_put_the_file(hub):
    with pytest.raises(UserError) as error:
        entry_file(NAME, KEY)
    said = str(error.value)
    assert f"put the file {FILE} into {hub}/checkpoints, or give a path as model.weights" in said
    assert "Network is unreachable" in said
    assert "http" not in said
    assert not list((hub / "checkpoints").iterdir())


def test_weights_that_were_made_with_other_resizing_are_told_apart():
    assert interpolation(NAME, KEY) == "bilinear"
    assert interpolation("torchvision:regnet_y_16gf", "IMAGENET1K_SWAG_E2E_V1") == "bicubic"


@pytest.mark.parametrize("key", [KEY, "DEFAULT", "SqueezeNet1_1_Weights.IMAGENET1K_V1"])
def test_every_way_to_name_an_entry(key):
    assert is_entry(NAME, key)
    assert entry_settings(NAME, key) == {
        "resize": 256,
        "crop": 224,
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "channel_order": "RGB",
        "value_range": 1,
    }
    classes = entry_classes(NAME, key)
    assert (len(classes), classes[281]) == (1000, "tabby")


@pytest.mark.parametrize("weights", [None, "random", "weights.pt", "folder/IMAGENET1K_V1"])
def test_what_names_no_entry(weights):
    assert not is_entry(NAME, weights)
    assert not is_entry("zfnet", KEY)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("IMAGENET1K_V9", r"did you mean 'IMAGENET1K_V1'\?\); it has: IMAGENET1K_V1"),
        ("ResNet18_Weights.IMAGENET1K_V1", r"did you mean 'SqueezeNet1_1_Weights.IMAGENET1K_V1'\?"),
    ],
)
def test_an_entry_that_is_not_there(key, words):
    with pytest.raises(UserError, match=words):
        entry_settings(NAME, key)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_networks_that_transform_their_input_get_what_that_comes_to(name):
    """With its weights, torchvision's own network turns ImageNet's mean and std into one half each."""
    settings = preprocess(entry_settings(f"torchvision:{name}", "DEFAULT"))
    images = torch.randint(256, (1, 3, 8, 8)).float()
    x = (images / 255 - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(
        3, 1, 1
    )
    network = models.get_model(name, weights=None, init_weights=False, transform_input=True)
    theirs = network._transform_input(x)
    assert torch.allclose((images - settings.mean) / settings.std, theirs, atol=1e-5)


def test_densenets_old_names_are_todays(hub, monkeypatch):
    own = models.densenet121().state_dict()
    old = {key.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): value for key, value in own.items()}
    (hub / "checkpoints").mkdir(parents=True)
    torch.save(old, hub / "checkpoints" / "densenet121-a639ec97.pth")
    assert old.keys() != own.keys()
    assert entry_weights("torchvision:densenet121", "DEFAULT").keys() == own.keys()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ('{"maen": 1}', "did you mean 'mean'"),
        ('{"channel_order": "GBR"}', "it can be: RGB, BGR"),
        ('{"value_range": 2}', "it can be: 255, 1"),
        ('{"std": [1, 0, 1]}', "each has to be above 0"),
        ("{", "not JSON"),
    ],
)
def test_wrong_preprocessing_is_one_sentence(asked, words):
    with pytest.raises(UserError, match=words):
        parse_preprocess(asked)


def test_mean_and_std_are_in_the_range_and_order_given():
    found = preprocess({"mean": [0.1, 0.2, 0.4], "std": [0.5, 1, 1], "channel_order": "BGR", "value_range": 1})
    assert found.mean.flatten().tolist() == pytest.approx([102, 51, 25.5])  # red first, as the images are
    assert found.std.flatten().tolist() == pytest.approx([255, 255, 127.5])
    plain = preprocess({"mean": [1, 2, 3]})
    assert (plain.mean.flatten().tolist(), plain.std, plain.bgr) == ([1, 2, 3], None, False)
    assert preprocess({"value_range": 1}).std.flatten().tolist() == [255]
    assert borrowed.parse_preprocess(None) is None


def test_a_bgr_network_sees_blue_first_and_its_pixels_come_back_as_rgb():
    spec = {"name": "zfnet", "width": 0.03, "input_size": 64, "norm": "batch"}
    network = build(spec, 2)
    settings = preprocess({"mean": [104, 117, 123], "std": [1, 2, 4], "channel_order": "BGR"})
    model = Model(network, spec, ["a", "b"], settings.mean, settings.std, 64, settings.bgr)
    images = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8)
    expected = (images[:, [2, 1, 0]].float() - torch.tensor([104.0, 117, 123]).view(3, 1, 1)) / torch.tensor(
        [1.0, 2, 4]
    ).view(3, 1, 1)
    assert torch.allclose(model.normalise(images), expected)
    assert np.array_equal(model.as_seen(np.array([1, 2, 3])), [3, 2, 1])
    rgb = Model(network, spec, ["a", "b"], settings.mean, settings.std, 64)
    assert rgb.sha256() != model.sha256()
