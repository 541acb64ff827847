"""The networks are those of PAPER.md to the parameter; a model file gives back the same activations."""

import numpy as np
import pytest
import torch
from torch import nn

from zfpipe.errors import UserError
from zfpipe.nets.models import Model, build, default_size, load_model, load_weights, save_model, without_prefix

TINY = {"name": "zfnet", "width": 0.03, "input_size": 64, "norm": "batch"}
# (outputs, inputs, kernel) of the convolutions
CONVOLUTIONS = {
    "zfnet": [(96, 3, 7), (256, 96, 5), (384, 256, 3), (384, 384, 3), (256, 384, 3)],
    "alexnet": [(96, 3, 11), (256, 96, 5), (384, 256, 3), (384, 384, 3), (256, 384, 3)],
}
MAPS = {"zfnet": [110, 55, 26, 13, 13, 13, 13, 6], "alexnet": [55, 27, 27, 13, 13, 13, 13, 6]}
STEPS = ["conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5"]


def on_paper(name, classes=1000, **settings):
    with torch.device("meta"):
        return build({"name": name, **settings}, classes)


@pytest.mark.parametrize("name", ["zfnet", "alexnet"])
def test_map_sizes_are_the_papers(name):
    network, sizes = on_paper(name).eval(), {}
    for step in STEPS:
        getattr(network, step).register_forward_hook(
            lambda module, inputs, output, step=step: sizes.__setitem__(step, output.shape[-2:])
        )
    network(torch.empty(1, 3, default_size(name), default_size(name), device="meta"))
    assert [sizes[step] for step in STEPS] == [(size, size) for size in MAPS[name]]


@pytest.mark.parametrize("name", ["zfnet", "alexnet"])
def test_parameters_are_the_papers(name):
    expected = sum(outputs * inputs * kernel**2 + outputs for outputs, inputs, kernel in CONVOLUTIONS[name])
    expected += sum(inputs * outputs + outputs for inputs, outputs in [(9216, 4096), (4096, 4096), (4096, 1000)])
    assert sum(weight.numel() for weight in on_paper(name).parameters()) == expected


def test_default_sizes():
    assert (default_size("zfnet"), default_size("alexnet"), default_size("torchvision:vgg16")) == (224, 227, 224)


def test_zfnet_normalises_contrast_after_pooling_and_alexnet_does_not():
    assert isinstance(on_paper("zfnet").norm1, torch.nn.LocalResponseNorm)
    assert isinstance(on_paper("alexnet").norm1, torch.nn.Identity)


def test_width_scales_channels_and_dense_layers():
    network = on_paper("zfnet", width=0.5, input_size=112)
    assert network.conv5.conv.weight.shape[:2] == (128, 192)
    assert network.fc7.dense.weight.shape == (2048, 2048)


def test_outputs_are_logits():
    torch.manual_seed(0)
    logits = build(TINY, 4).eval()(torch.randn(5, 3, 64, 64) * 50)
    assert logits.shape == (5, 4)
    assert not torch.allclose(logits.sum(1), torch.ones(5))  # a softmax would sum to 1
    assert (logits < 0).any()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"name": "zfnett"}, "did you mean 'zfnet'"),
        ({"name": "zfnet", "widht": 0.5}, "did you mean 'width'"),
        ({"name": "zfnet", "norm": "layer"}, "contrast, batch, none"),
        ({"name": "zfnet", "input_size": 9}, "too small"),
        ({"name": "zfnet", "width": 0}, "above 0"),
        ({"name": "zfnet", "dropout": 1.5}, "0 to below 1"),
        ({"name": "torchvision:resnet19"}, "did you mean 'resnet1"),
        ({"name": "torchvision:resnet18", "width": 2}, "no such setting"),
    ],
)
def test_a_wrong_description_is_one_sentence(spec, words):
    with pytest.raises(UserError, match=words):
        build(spec, 3)


def test_weights_of_another_network_are_named_by_their_first_keys():
    with pytest.raises(UserError, match=r"lacks conv1\.conv\.weight.*and \d+ more; the model has no features"):
        load_weights(on_paper("zfnet"), on_paper("torchvision:squeezenet1_1").state_dict(), "squeeze.pt")


@pytest.mark.parametrize("name", ["zfnet", "alexnet"])
def test_the_dense_layers_take_what_the_last_pooling_gives_or_the_input_is_refused(name):
    small = {"maps": [1, 1, 1, 1, 2], "fc": 4}
    fits, refused = build({"name": name, **small}, 2).eval(), []
    for height in range(8, 120):
        try:
            flat = fits.features(torch.zeros(1, 3, height, 150)).numel()
        except RuntimeError:  # PyTorch's own word that it does not fit
            refused.append(height)
            with pytest.raises(UserError, match="too small"):
                on_paper(name, input_size=[height, 150], **small)
        else:
            assert on_paper(name, input_size=[height, 150], **small).fc6.dense.in_features == flat
    assert refused
    assert refused == list(range(8, refused[-1] + 1))


def test_a_model_file_gives_the_same_activations(tmp_path):
    torch.manual_seed(0)
    network = build(TINY, 3).eval().to(memory_format=torch.channels_last)
    model = Model(network, TINY, ["a", "b", "c"], torch.rand(3, 64, 64), torch.full((3, 1, 1), 2.0), 70)
    save_model(tmp_path / "model.pt", model, epoch=3)
    read = load_model(tmp_path / "model.pt")
    images = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8)
    assert torch.equal(read.normalise(images), model.normalise(images))
    assert read.sha256() == model.sha256()
    assert (read.classes, read.packed_size, read.input_size) == (["a", "b", "c"], (70, 70), (64, 64))
    assert not read.network.training
    save_model(tmp_path / "again.pt", read, epoch=3)
    assert (tmp_path / "again.pt").read_bytes() == (tmp_path / "model.pt").read_bytes()


@pytest.mark.parametrize("prefix", ["model.", "module.model.", "_orig_mod.", "model._orig_mod.", "net."])
def test_what_wrappers_put_before_the_names_is_taken_off(prefix, capsys):
    own = build(TINY, 3).state_dict()
    wrapped = {prefix + key: value for key, value in own.items() if "num_batches" not in key}
    found = without_prefix(own, wrapped | {"loss.weight": torch.ones(2)})
    assert set(found) == {key for key in own if "num_batches" not in key}
    assert "left out: loss.weight" in capsys.readouterr().err
    load_weights(build(TINY, 3), found, "a.pt")  # the counters that it lacks are no reason to refuse it


def test_a_prefix_stays_where_taking_it_off_does_not_fit():
    own = build(TINY, 3).state_dict()
    wrapped = {f"model.{key}": value for key, value in list(own.items())[1:]}
    assert without_prefix(own, wrapped) is wrapped
    other = {f"teacher.{key}": value for key, value in own.items()}
    assert without_prefix(own, other) is other


def test_names_that_begin_like_a_wrapper_are_left_alone():
    network = torch.nn.Module()
    network.model = torch.nn.Linear(2, 2)
    own = network.state_dict()
    assert without_prefix(own, dict(own)) == dict(own)


def test_reading_a_model_draws_no_first_weights(tmp_path):
    mean, std = torch.zeros(3, 1, 1), torch.ones(3, 1, 1)
    save_model(tmp_path / "model.pt", Model(build(TINY, 4), TINY, list("abcd"), mean, std, 64))
    before = torch.get_rng_state()
    load_model(tmp_path / "model.pt")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(3, 1, 1), (3, 6, 5), (2, 3, 6, 5)])
def test_images_are_normalised_as_one_pixel_after_the_other(layout, shape):
    mean, std = torch.rand(shape) * 200, torch.tensor([50.0, 60.0, 70.0]).view(3, 1, 1)
    model = Model(nn.Identity(), {}, [], mean, std, (6, 5))
    images = torch.randint(0, 256, (2, 3, 6, 5), dtype=torch.uint8).contiguous(memory_format=layout)
    before = images.clone()
    found = model.normalise(images)
    for place in np.ndindex(images.shape):
        pixel = np.float32(images[place]) - np.float32(mean.expand(images.shape)[place])
        assert found[place].item() == pixel / np.float32(std[place[1], 0, 0])
    assert torch.equal(images, before)
    assert found.is_contiguous(memory_format=torch.channels_last)
